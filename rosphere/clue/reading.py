"""Rows of a task's files, checked against its declaration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rosphere.clue.tasks import TASKS, Row, Task
from rosphere.errors import InputError

NEEDED = ("train", "dev")


def named(name: str) -> Task:
    if name not in TASKS:
        raise InputError(f"unknown task {name!r}; declared are {', '.join(TASKS)}")
    return TASKS[name]


def is_test(split: str) -> bool:
    """test, test1.0 and test1.1 are: their answers are nobody's business, even where they are given."""
    return split.startswith("test")


def read_folder(folder: Path, name: str) -> tuple[dict[str, list[Row]], dict[str, int]]:
    """The splits of one task as released; train and dev must be there, test sets may be missing.

    Returns the rows, and what had to be dropped or repaired, such as {"dev_dropped_unlabelled": 50}.
    """
    task = named(name)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder (task {name})")
    splits: dict[str, list[Row]] = {}
    counts: dict[str, int] = {}
    for split in task.files:
        found = _split(task, folder, split)
        if found is not None:
            splits[split] = found[0]
            counts |= {f"{split}_{what}": n for what, n in found[1].items() if n and what not in ("read", "kept")}
    return splits, counts


def _split(task: Task, folder: Path, split: str) -> tuple[list[Row], Counter[str]] | None:
    ways = [[folder / file for file in way] for way in task.files[split]]
    paths = next((way for way in ways if all(path.is_file() for path in way)), None)
    if paths is None:
        if split not in NEEDED:
            return None
        names = " or ".join(" and ".join(way) for way in task.files[split])
        raise InputError(f"{folder}: expected {names} ({split} rows of {task.name})")
    rows: list[Row] = []
    counts: Counter[str] = Counter()
    for path in paths:
        kept, counted = checked(task.name, task.layout(path), origin=str(path), split=split)
        rows += kept
        counts += counted
    if not rows:
        raise InputError(f"{' and '.join(map(str, paths))}: no usable rows")
    return rows, counts


def checked(
    name: str, numbered: Iterable[tuple[int | str, Mapping[str, Any]]], *, origin: str, split: str
) -> tuple[list[Row], Counter[str]]:
    """Rows whose fields and answers fit the declaration. A label '-' (annotators disagreed) drops the row.

    Returns the rows and the counts of 'read', 'kept' and, where there were any, of 'dropped_unlabelled',
    'repaired_offsets' and 'unplaced_answers'.
    """
    task = named(name)
    counts: Counter[str] = Counter()
    kept: list[Row] = []
    for number, row in numbered:
        where = f"{origin}:{number}"
        counts["read"] += 1
        missing = [key for key in task.fields if key not in row]
        if missing:
            raise InputError(f"{where}: {name} needs {missing[0]!r}, the row has {', '.join(row)}")
        _check_texts(task, row, where)
        if not is_test(split):
            if row.get(task.gold) == "-":
                counts["dropped_unlabelled"] += 1
                continue
            _check_gold(task, row, where)
            row = _placed(row, counts) if task.kind == "spans" else row
        counts["kept"] += 1
        kept.append(row)
    return kept, counts


def _check_texts(task: Task, row: Row, where: str) -> None:
    given = {key: row[key] for key in task.fields}
    expected = f"{where}: expected the text of {task.name} under {', '.join(task.fields)}, got {given}"
    try:
        texts = task.texts(row)
        choices = task.choices(row) if task.choices else ("", "")
    except (TypeError, KeyError, AttributeError) as error:
        raise InputError(expected) from error
    if not all(isinstance(text, str) for text in (*texts, *choices)):
        raise InputError(expected)
    try:
        "".join((*texts, *choices)).encode()
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])
        raise InputError(f"{where}: expected whole characters, got {half}, half of one that was cut in two") from error
    if len(choices) < 2:
        raise InputError(f"{where}: expected two or more choices, got {list(choices)}")


def _check_gold(task: Task, row: Row, where: str) -> None:
    if task.gold not in row:
        raise InputError(f"{where}: {task.name} needs {task.gold!r}, the row has {', '.join(row)}")
    match task.kind:
        case "classification":
            _check_labels(task, [str(row[task.gold])], where)
        case "entities":
            given = row[task.gold]
            _check_labels(task, list(given) if isinstance(given, Mapping) else [str(given)], where)
            _check_entities(row, where)
        case "spans":
            _check_answers(row[task.gold], where)
        case "choices":
            _check_choice(task, row, where)


def _check_labels(task: Task, labels: list[str], where: str) -> None:
    unknown = [label for label in labels if label not in task.labels]
    if unknown:
        raise InputError(f"{where}: label {unknown[0]!r} is none of {task.name}'s: {', '.join(task.labels)}")


def _check_entities(row: Row, where: str) -> None:
    given, text = row["label"], row["text"]
    try:
        spans = [(m, b, e) for mentions in given.values() for m, places in mentions.items() for b, e in places]
        wrong = [(mention, begin, end) for mention, begin, end in spans if text[begin : end + 1] != mention]
    except (AttributeError, TypeError, ValueError) as error:
        form = "{'name': {'江泽民': [[0, 2]]}}"
        raise InputError(f"{where}: expected spans such as {form}, got {given!r}") from error
    if wrong:
        mention, begin, end = wrong[0]
        raise InputError(f"{where}: {mention!r} does not stand at {begin} to {end} of {text!r}")


def _check_answers(given: Any, where: str) -> None:
    try:
        texts, starts = list(given["text"]), list(given["answer_start"])
    except (KeyError, TypeError) as error:
        form = "{'text': ['1963年'], 'answer_start': [30]}"
        raise InputError(f"{where}: expected answers such as {form}, got {given!r}") from error
    if not texts or len(texts) != len(starts) or not all(isinstance(text, str) for text in texts):
        raise InputError(f"{where}: expected one or more texts and as many starts under 'answers', got {given!r}")
    if not all(type(start) is int for start in starts):
        raise InputError(f"{where}: expected whole numbers under 'answer_start', got {starts!r}")


def _check_choice(task: Task, row: Row, where: str) -> None:
    assert task.choices is not None
    choices, given = task.choices(row), row[task.gold]
    fits = 0 <= given < len(choices) if type(given) is int else given in choices
    if not fits:
        raise InputError(f"{where}: {task.gold} {given!r} is none of the {len(choices)} choices {list(choices)}")


def _placed(row: Row, counts: Counter[str]) -> Row:
    """The row with starts that are right: 21 of CMRC 2018's training answers and 200 of its dev answers are not.

    An answer that does not stand where it should is looked for; of several places the nearest is taken. One that
    stands nowhere has the start -1: it still counts in scoring, but nothing can be learnt from it.
    """
    texts, starts = row["answers"]["text"], list(row["answers"]["answer_start"])
    for number, (text, start) in enumerate(zip(texts, starts, strict=True)):
        if start >= 0 and text and row["context"].startswith(text, start):
            continue
        starts[number] = _nearest(row["context"], text, start)
        counts["unplaced_answers" if starts[number] < 0 else "repaired_offsets"] += 1
    return {**row, "answers": {"text": texts, "answer_start": starts}}


def _nearest(context: str, text: str, start: int) -> int:
    places = [place for place in range(len(context)) if text and context.startswith(text, place)]
    return min(places, key=lambda place: abs(place - start), default=-1)
