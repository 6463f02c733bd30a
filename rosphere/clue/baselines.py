"""What a model has to beat on the same rows: the commonest answer, and something simple that reads the text."""

from __future__ import annotations

from collections.abc import Sequence

from rosphere.clue.kinds.kind import Prediction
from rosphere.clue.kinds.table import KINDS
from rosphere.clue.tasks import Row, Task


def name(task: Task) -> str:
    """What ``simple`` does, for a table."""
    return KINDS[task.kind].baseline


def majority(task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
    """The commonest class, place of the right choice, or answer of the training rows; no entities."""
    return KINDS[task.kind].majority(task, train, dev)


def simple(task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
    """Of classes regression on TF-IDF, of entities a lexicon of the training mentions.

    Of answers and choices the clause, or the choice, that shares most with the question, or with the text.
    """
    return KINDS[task.kind].simple(task, train, dev)
