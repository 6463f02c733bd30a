"""Every task, declared once: its files, fields, labels, metric and how a row becomes text.

CLUE: Xu et al. 2020, https://github.com/CLUEbenchmark/CLUE. Constructions after Su, kexue.fm/archives/8739.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task. ``texts`` gives the one or two segments of a row."""

    name: str
    kind: Literal["classification", "entities"]
    labels: tuple[str, ...]
    texts: Callable[[Row], tuple[str, ...]]
    pair: bool = False  # two segments, whose relation is asked for
    max_length: int = 128
    metric: Literal["accuracy", "f1"] = "accuracy"
    fields: tuple[str, ...]  # what every row must carry
    files: Mapping[str, tuple[str, ...]] = field(  # split -> file names as released, the first that exists is read
        default_factory=lambda: {"train": ("train.json",), "dev": ("dev.json",), "test": ("test.json",)}
    )
    clue: bool = True  # False: CLUE's format, but not its data, so never a CLUE score


def _one(row: Row) -> tuple[str, ...]:
    return (row["sentence"],)


def _two(row: Row) -> tuple[str, ...]:
    return row["sentence1"], row["sentence2"]


def _keywords(row: Row) -> tuple[str, ...]:
    return "；".join(row["keyword"]), row["abst"]


def _coreference(row: Row) -> tuple[str, ...]:
    """span1 becomes _span1_ and span2 [span2]; the later one is marked first, so that offsets stay right."""
    text, target = row["text"], row["target"]
    marks = [
        (target["span1_index"], target["span1_text"], "_{}_"),
        (target["span2_index"], target["span2_text"], "[{}]"),
    ]
    for begin, span, mark in sorted(marks, reverse=True):
        text = text[:begin] + mark.format(span) + text[begin + len(span) :]
    return (text,)


def _text(row: Row) -> tuple[str, ...]:
    return (row["text"],)


NLI = ("contradiction", "entailment", "neutral")
TNEWS_LABELS = tuple(str(n) for n in (*range(100, 105), *range(106, 111), *range(112, 117)))
CLUENER_LABELS = tuple("address book company game government movie name organization position scene".split())

_ALL = (
    Task(
        name="afqmc", kind="classification", labels=("0", "1"), texts=_two, pair=True, fields=("sentence1", "sentence2")
    ),
    Task(name="tnews", kind="classification", labels=TNEWS_LABELS, texts=_one, fields=("sentence",)),
    Task(
        name="iflytek",
        kind="classification",
        labels=tuple(map(str, range(119))),
        texts=_one,
        fields=("sentence",),
        files={"train": ("train.json", "train_subset.json"), "dev": ("dev.json",), "test": ("test.json",)},
    ),
    Task(name="cmnli", kind="classification", labels=NLI, texts=_two, pair=True, fields=("sentence1", "sentence2")),
    Task(
        name="ocnli",
        kind="classification",
        labels=NLI,
        texts=_two,
        pair=True,
        fields=("sentence1", "sentence2"),
        files={"train": ("train.50k.json", "train.json"), "dev": ("dev.json",), "test": ("test.json",)},
    ),
    Task(
        name="cluewsc2020",
        kind="classification",
        labels=("false", "true"),
        texts=_coreference,
        fields=("text", "target"),
    ),
    Task(name="csl", kind="classification", labels=("0", "1"), texts=_keywords, pair=True, fields=("keyword", "abst")),
    Task(
        name="cluener",
        kind="entities",
        labels=CLUENER_LABELS,
        texts=_text,
        fields=("text",),
        metric="f1",
        max_length=256,
    ),
    Task(name="sentiment", kind="classification", labels=("0", "1"), texts=_one, fields=("sentence",), clue=False),
    Task(
        name="faq",
        kind="classification",
        labels=("0", "1"),
        texts=_two,
        pair=True,
        fields=("sentence1", "sentence2"),
        max_length=64,
        clue=False,
    ),
    Task(
        name="entities",
        kind="entities",
        labels=("name", "organization", "place"),
        texts=_text,
        fields=("text",),
        metric="f1",
        max_length=72,
        clue=False,
    ),
)

TASKS: dict[str, Task] = {task.name: task for task in _ALL}
