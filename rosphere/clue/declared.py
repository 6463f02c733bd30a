"""Tasks of one's own as plain values: of a known kind, with rows under CLUE's names.

`prepare` writes data/tasks/<task>/task.json, by which the later stages know the task; no code names it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rosphere import files
from rosphere.clue import tasks
from rosphere.clue.contract import METRICS
from rosphere.clue.tasks import TASKS, Task
from rosphere.errors import InputError
from rosphere.text import reading

FILE = "task.json"
LENGTHS: Mapping[str, int] = {"spans": 512, "choices": 512}  # tokens; of other kinds 128
Known = Mapping[str, Task]
NONE: Known = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a task of a known kind may say of itself. ``metric`` and ``max_length`` have a default for each kind."""

    kind: str
    labels: tuple[str, ...] = ()
    pair: bool = False  # of classification: two texts
    blank: bool = False  # of choices: they fill a gap in the text
    max_length: int | None = None
    metric: str | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any] | None) -> Declared | None:
        """As it stands in a file, where null is for what the library declares."""
        return cls(**{**given, "labels": tuple(given["labels"])}) if given else None

    def task(self, name: str) -> Task:
        """Raises InputError where something of it cannot work."""
        if self.kind not in METRICS:
            raise InputError(f"task {name}: kind: expected one of {', '.join(METRICS)}, got {self.kind!r}")
        shape = _shape(self)
        return Task(
            name=name,
            kind=self.kind,
            labels=self.labels,
            max_length=self.max_length or LENGTHS.get(self.kind, 128),
            metric=self.metric or METRICS[self.kind][0],
            clue=False,
            **shape,
        )


def _shape(declared: Declared) -> dict[str, Any]:
    """Which fields a row carries, and how they become texts."""
    if declared.kind == "classification" and declared.pair:
        return {"texts": tasks.two_texts, "pair": True, "fields": ("sentence1", "sentence2")}
    if declared.kind == "classification":
        return {"texts": tasks.one_text, "fields": ("sentence",)}
    if declared.kind == "entities":
        return {"texts": tasks.text_of, "fields": ("text",)}
    if declared.kind == "spans":
        return {"texts": tasks.question_and_context, "fields": ("context", "question"), "gold": "answers"}
    asked: dict[str, Any] = {"pair": True, "gold": "answer"}
    if declared.blank:
        asked |= {"texts": tasks.around_blank, "choices": tasks.candidates_of, "blank": True}
        return {"fields": ("content", "candidates"), **asked}
    asked |= {"texts": tasks.dialogue_and_question, "choices": tasks.choices_of}
    return {"fields": ("context", "question", "choice"), **asked}


def named(name: str, known: Known = NONE) -> Task:
    """The task of this name among one's own, or of those that the library declares."""
    if name in known:
        return known[name]
    if name not in TASKS:
        own = f", and in params.yaml: prepare.tasks {', '.join(known)}" if known else ""
        raise InputError(
            f"unknown task {name!r}; declared are {', '.join(TASKS)}{own}; one of your own is declared under"
            " prepare.tasks in params.yaml"
        )
    return TASKS[name]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What `prepare` leaves of a task beside its rows.

    ``settings`` are those of ``evaluate.tasks`` in params.yaml: the evaluation depends on its own task's alone.
    """

    own: bool
    declared: Declared | None = None  # None: the library declares it
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def write(self, folder: Path) -> None:
        values = dataclasses.asdict(self)
        files.write_text(folder / FILE, json.dumps(values, ensure_ascii=False, indent=1, sort_keys=True) + "\n")


def read(folder: Path) -> tuple[Task, bool]:
    """The task whose rows are in the folder, which has its name, and whether it is the user's own."""
    values = _prepared(folder)
    declared = Declared.of(values["declared"])
    return declared.task(folder.name) if declared else named(folder.name), bool(values["own"])


def declaration(folder: Path) -> Declared | None:
    """What the task whose rows are in the folder says of itself; None where the library declares it."""
    return Declared.of(_prepared(folder)["declared"])


def _prepared(folder: Path) -> Mapping[str, Any]:
    path = folder / FILE
    if not path.is_file():
        return {"declared": None, "own": False}
    values: Mapping[str, Any] = reading.parsed(path.read_text(encoding="utf-8"), str(path))
    return values
