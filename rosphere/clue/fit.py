"""How a task's rows fit its length and the vocabulary: what is cut off or unknown cannot be learnt from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rosphere.clue.gold.entities import gold_spans
from rosphere.clue.tasks import Row, Task
from rosphere.text.cleaning import clean
from rosphere.text.tokenizer import Tokenizer

CHUNK = 1000  # rows tokenised at once
TOO_MANY = {"cut_share": 0.05, "unknown_share": 0.02}  # from here on it is said aloud


def measured(task: Task, rows: Sequence[Row], tokenizer: Tokenizer) -> dict[str, Any]:
    """{"rows", "tokens", "unknown_share" of the tokens, "empty" rows whose texts, or one of whose choices, have none}.

    Where a row is one sequence, "cut" rows and their "cut_share" too. Of entities, which have windows, "spans" and
    "spans_off_tokens", which no token boundary fits, so that nothing is learnt from them.
    """
    found = {"rows": len(rows), "tokens": 0, "unknown": 0, "empty": 0, "cut": 0, "spans": 0, "spans_off_tokens": 0}
    for start in range(0, len(rows), CHUNK):
        for row, texts, choices, unknown, offsets in _encoded(task, rows[start : start + CHUNK], tokenizer):
            found["tokens"] += sum(texts) + sum(choices)
            found["unknown"] += unknown
            found["empty"] += not sum(texts) or 0 in choices
            found["cut"] += _is_cut(task, texts, choices)
            if task.kind == "entities":
                spans = gold_spans(row, task.gold)
                found["spans"] += len(spans)
                found["spans_off_tokens"] += sum(not _fits(span[1:], offsets) for span in spans)
    return _report(task, found)


def _report(task: Task, found: Mapping[str, int]) -> dict[str, Any]:
    report: dict[str, Any] = {key: found[key] for key in ("rows", "tokens")}
    report["unknown_share"] = found["unknown"] / max(1, found["tokens"])
    if found["empty"]:
        report["empty"] = found["empty"]
    if task.kind in ("classification", "choices"):
        report |= {
            "max_length": task.max_length,
            "cut": found["cut"],
            "cut_share": found["cut"] / max(1, found["rows"]),
        }
    if task.kind == "entities":
        report |= {"spans": found["spans"], "spans_off_tokens": found["spans_off_tokens"]}
    return report


def _encoded(task: Task, rows: Sequence[Row], tokenizer: Tokenizer) -> Any:
    """(row, tokens of each text, tokens of each choice, how many are unknown, offsets of the first text)."""
    raw = task.kind in ("entities", "spans")  # whose offsets are those of the text as it is
    parts = [(task.texts(row), task.choices(row) if task.choices else ()) for row in rows]
    flat = [text if raw else clean(text) for texts, choices in parts for text in (*texts, *choices)]
    encodings = iter(tokenizer.encodings(flat))
    for row, (texts, choices) in zip(rows, parts, strict=True):
        made = [next(encodings) for _ in (*texts, *choices)]
        lengths = [len(encoding.ids) for encoding in made]
        unknown = sum(encoding.ids.count(tokenizer.unk) for encoding in made)
        yield row, lengths[: len(texts)], lengths[len(texts) :], unknown, made[0].offsets


def _is_cut(task: Task, texts: Sequence[int], choices: Sequence[int]) -> bool:
    """Whether [CLS], the parts a [SEP] behind each of them, and a blank, are more than there is room."""
    if task.kind == "classification":
        return sum(texts) + 1 + len(texts) > task.max_length
    special = 4 if task.blank else len(texts) + 2
    return task.kind == "choices" and sum(texts) + max(choices) + special > task.max_length


def _fits(span: tuple[int, int], offsets: Sequence[tuple[int, int]]) -> bool:
    begins, ends = {begin for begin, _ in offsets}, {end - 1 for _, end in offsets}
    return span[0] in begins and span[1] in ends


def warnings(task: Task, split: str, report: Mapping[str, Any]) -> list[str]:
    """In words, what is above the shares of TOO_MANY, and rows and spans from which nothing can be learnt."""
    found = []
    if report.get("cut_share", 0) > TOO_MANY["cut_share"]:
        found.append(
            f"{report['cut']} of {report['rows']} {split} rows are longer than {task.max_length} tokens and are cut"
            f" (evaluate.tasks: {{{task.name}: {{max_length: ...}}}})"
        )
    if report["unknown_share"] > TOO_MANY["unknown_share"]:
        found.append(f"{report['unknown_share']:.1%} of the tokens of the {split} rows are not in the vocabulary")
    if report.get("empty"):
        found.append(f"{report['empty']} {split} rows have no token in their texts, or in a choice")
    if report.get("spans_off_tokens", 0) > TOO_MANY["cut_share"] * max(1, report.get("spans", 0)):
        found.append(
            f"{report['spans_off_tokens']} of {report['spans']} entities of the {split} rows end inside a token"
        )
    return [f"{task.name}: {each}" for each in found]


def with_length(task: Task, max_length: int | None) -> Task:
    """The task with this length, or its own."""
    return task if max_length is None else replace(task, max_length=max_length)
