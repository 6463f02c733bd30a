"""What a model has to beat on the same rows: the commonest answer, and something simple that reads the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rosphere.clue import scoring
from rosphere.clue.kinds.kind import Prediction
from rosphere.clue.kinds.table import KINDS
from rosphere.clue.tasks import Row, Task
from rosphere.clue.tfidf import NothingShared


def name(task: Task) -> str:
    """What ``simple`` does, for a table."""
    return KINDS[task.kind].baseline


def majority(task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
    """The commonest class, place of the right choice, or answer of the training rows; no entities."""
    return KINDS[task.kind].majority(task, train, dev)


def simple(task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
    """Of classes regression on TF-IDF, of entities a lexicon of the training mentions.

    Of answers and choices the clause, or the choice, that shares most with the question, or with the text.

    Raises:
        NothingShared: there is nothing in the training rows that it could learn or compare by.
    """
    return KINDS[task.kind].simple(task, train, dev)


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """The measures of both on the same rows; ``name`` says what the simple one is, or why the majority stands in."""

    majority: Mapping[str, float]
    simple: Mapping[str, float]
    name: str
    stands_in: str | None = None  # the reason


def measured(task: Task, train: Sequence[Row], dev: Sequence[Row]) -> Baselines:
    """Both baselines; where the simple one has nothing to go by the majority stands in for it, and the name says so."""
    commonest = scoring.measures(task, dev, majority(task, train, dev))
    try:
        found = scoring.measures(task, dev, simple(task, train, dev))
    except NothingShared as error:
        return Baselines(
            majority=commonest, simple=commonest, name=f"majority, for {name(task)}: {error}", stands_in=str(error)
        )
    return Baselines(majority=commonest, simple=found, name=name(task))
