"""Every task, declared once: its files, fields, labels, metric and how a row becomes text.

CLUE: Xu et al. 2020, https://github.com/CLUEbenchmark/CLUE. Constructions after Su, kexue.fm/archives/8739.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rosphere.clue import contract, coreference, fields, layouts
from rosphere.errors import InputError

Row = Mapping[str, Any]
# split -> the ways it is released, each one file or several; the first way whose files are all there is read
Files = Mapping[str, tuple[tuple[str, ...], ...]]

PLAIN: Files = {
    "train": (("train.json",),),
    "dev": (("dev.json",),),
    "test": (("test.json",), ("test_public.json",)),
}
# CLUE changed some test sets: 1.0 became 1.1, and a plain test.json is the one in force.
TWO_TESTS: Files = {
    "train": (("train.json",),),
    "dev": (("dev.json",),),
    "test1.0": (("test1.0.json",),),
    "test1.1": (("test1.1.json",), ("test.json",), ("test_public.json",)),
}


def as_it_is(row: Row, counts: Counter[str]) -> Row:
    return row


def two_versions(name: str) -> Mapping[str, str]:
    return {"test1.0": f"{name}10_predict.json", "test1.1": f"{name}11_predict.json"}


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task of one of the kinds that ``kinds.table.KINDS`` names.

    classification: a class of one or two ``texts``. entities: labelled spans of the text. spans: a part of the second
    text that answers the first. choices: one of ``choices``, each of them read together with ``texts``.

    Raises InputError where something of it cannot work (rosphere/clue/contract.py).
    """

    name: str
    kind: str
    texts: Callable[[Row], tuple[str, ...]]
    labels: tuple[str, ...] = ()  # classes, or types of entities
    choices: Callable[[Row], tuple[str, ...]] | None = None
    most_choices: int | None = None  # that a row may have; None: any number
    blank: bool = False  # of choices: they fill the gap between two texts, instead of following the texts
    group: str | None = None  # of choices: rows that share the value of this field have different answers
    pair: bool = False  # two segments, whose relation is asked for
    max_length: int = 128
    stride: int = 128  # of spans and entities: tokens from one window of a long text to the next
    metric: str = "accuracy"  # one of the measures of its kind
    fields: tuple[str, ...]  # what every row must carry
    gold: str = "label"  # the field of the right answer, which test rows may lack
    files: Files = field(default_factory=lambda: PLAIN)
    layout: layouts.Layout = layouts.lines
    put_right: Callable[[Row, Counter[str]], Row] = (
        as_it_is  # what is repaired in a row, and counted, before it is used
    )
    submission: Mapping[str, str] = field(default_factory=dict)  # test split -> file, where it is not <name>_predict
    clue: bool = True  # False: CLUE's format, but not its data, so never a CLUE score

    def __post_init__(self) -> None:
        contract.check(self)

    def submitted_as(self, split: str) -> str:
        """The name under which CLUE takes the answers to a test split."""
        return self.submission.get(split, f"{self.name}_predict.json")


def one_text(row: Row) -> tuple[str, ...]:
    return (fields.text(row, "sentence"),)


def two_texts(row: Row) -> tuple[str, ...]:
    return fields.text(row, "sentence1"), fields.text(row, "sentence2")


def _keywords(row: Row) -> tuple[str, ...]:
    return "；".join(fields.texts(row, "keyword")), fields.text(row, "abst")


def text_of(row: Row) -> tuple[str, ...]:
    return (fields.text(row, "text"),)


def question_and_context(row: Row) -> tuple[str, ...]:
    return fields.text(row, "question"), fields.text(row, "context")


def dialogue_and_question(row: Row) -> tuple[str, ...]:
    return "||".join(fields.texts(row, "context")), fields.text(row, "question")


def around_blank(row: Row) -> tuple[str, ...]:
    """What stands left and right of the blank; other blanks are four masked characters each."""
    left, blank, right = fields.text(row, "content").partition(layouts.BLANK)
    if not blank:
        raise InputError(f"expected {layouts.BLANK} in the text under 'content', got {fields.shown(row['content'])}")
    masked = [layouts.IDIOM.sub("[MASK]" * 4, side.replace(layouts.BLANK, "[MASK]" * 4)) for side in (left, right)]
    return masked[0], masked[1]


def choices_of(row: Row) -> tuple[str, ...]:
    return tuple(fields.texts(row, "choice"))


def candidates_of(row: Row) -> tuple[str, ...]:
    return tuple(fields.texts(row, "candidates"))


NLI = ("contradiction", "entailment", "neutral")
TNEWS_LABELS = tuple(str(n) for n in (*range(100, 105), *range(106, 111), *range(112, 117)))
CLUENER_LABELS = tuple("address book company game government movie name organization position scene".split())

_ALL = (
    Task(
        name="afqmc",
        kind="classification",
        labels=("0", "1"),
        texts=two_texts,
        pair=True,
        fields=("sentence1", "sentence2"),
    ),
    Task(
        name="tnews",
        kind="classification",
        labels=TNEWS_LABELS,
        texts=one_text,
        fields=("sentence",),
        files=TWO_TESTS,
        submission=two_versions("tnews"),
    ),
    Task(
        name="iflytek",
        kind="classification",
        labels=tuple(map(str, range(119))),
        texts=one_text,
        fields=("sentence",),
        files={**PLAIN, "train": (("train.json",), ("train_subset.json",))},
    ),
    Task(
        name="cmnli", kind="classification", labels=NLI, texts=two_texts, pair=True, fields=("sentence1", "sentence2")
    ),
    Task(
        name="ocnli",
        kind="classification",
        labels=NLI,
        texts=two_texts,
        pair=True,
        fields=("sentence1", "sentence2"),
        files={**PLAIN, "train": (("train.50k.json",), ("train.json",))},
        submission={"test": "ocnli_50k_predict.json"},
    ),
    Task(
        name="cluewsc2020",
        kind="classification",
        labels=("false", "true"),
        texts=coreference.marked,
        put_right=coreference.placed,
        fields=("text", "target"),
        files=TWO_TESTS,
        submission=two_versions("cluewsc"),
    ),
    Task(name="csl", kind="classification", labels=("0", "1"), texts=_keywords, pair=True, fields=("keyword", "abst")),
    Task(
        name="cmrc2018",
        kind="spans",
        texts=question_and_context,
        fields=("context", "question"),
        gold="answers",
        layout=layouts.squad,
        metric="em",
        max_length=512,
    ),
    Task(
        name="c3",
        kind="choices",
        texts=dialogue_and_question,
        choices=choices_of,
        most_choices=4,
        pair=True,
        fields=("context", "question", "choice"),
        gold="answer",
        layout=layouts.c3,
        max_length=512,
        files={
            "train": (("m-train.json", "d-train.json"), ("c3-m-train.json", "c3-d-train.json")),
            "dev": (("m-dev.json", "d-dev.json"), ("c3-m-dev.json", "c3-d-dev.json")),
            "test1.0": (("test1.0.json",),),
            "test1.1": (("test1.1.json",), ("test.json",), ("test_public.json",)),
        },
        submission=two_versions("c3"),
    ),
    Task(
        name="chid",
        kind="choices",
        texts=around_blank,
        choices=candidates_of,
        most_choices=10,
        blank=True,
        group="group",
        pair=True,
        fields=("content", "candidates"),
        gold="answer",
        layout=layouts.chid,
        max_length=64,
        files={
            **TWO_TESTS,
            "train": (("train.json",), ("train_few_all.json",)),
            "dev": (("dev.json",), ("dev_few_all.json",)),
        },
        submission=two_versions("chid"),
    ),
    Task(
        name="cluener",
        kind="entities",
        labels=CLUENER_LABELS,
        texts=text_of,
        fields=("text",),
        metric="f1",
        max_length=256,
    ),
    Task(name="sentiment", kind="classification", labels=("0", "1"), texts=one_text, fields=("sentence",), clue=False),
    Task(
        name="faq",
        kind="classification",
        labels=("0", "1"),
        texts=two_texts,
        pair=True,
        fields=("sentence1", "sentence2"),
        max_length=64,
        clue=False,
    ),
    Task(
        name="entities",
        kind="entities",
        labels=("name", "organization", "place"),
        texts=text_of,
        fields=("text",),
        metric="f1",
        max_length=72,
        clue=False,
    ),
)

TASKS: dict[str, Task] = {task.name: task for task in _ALL}


def official(task: Task, row: Row) -> bool:
    """Whether a row is CLUE's own: of ChID the release with shared candidates is, FewCLUE's with one blank is not."""
    return task.clue and (task.group is None or task.group in row)
