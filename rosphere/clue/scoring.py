"""The tasks' own metrics, on predictions of a model or from a file."""

from __future__ import annotations

from collections.abc import Sequence

from rosphere.clue.kinds.kind import Prediction
from rosphere.clue.kinds.table import KINDS
from rosphere.clue.tasks import Row, Task
from rosphere.errors import InputError


def score(task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]) -> float:
    """The task's one number: accuracy, exact match, or micro F1 of (label, first, last): 2 TP / (2 TP + FP + FN)."""
    return measures(task, rows, predictions)[task.metric]


def measures(task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]) -> dict[str, float]:
    """Everything that is measured: of answers exact match, F1 and their mean, of entities F1 of spans and CLUENER's of
    mentions, otherwise the task's metric alone."""
    if not rows:
        raise InputError(f"{task.name}: expected rows with answers to be scored by, got none")
    if len(rows) != len(predictions):
        raise InputError(f"{task.name}: {len(rows)} rows but {len(predictions)} predictions")
    return KINDS[task.kind].measures(task, rows, predictions)


def right(task: Task, row: Row, guess: Prediction) -> bool:
    """Whether a prediction is wholly right."""
    return KINDS[task.kind].right(task, row, guess)


def beside(task: Task) -> str | None:
    """The measure that is reported beside the task's metric, if there is one."""
    return KINDS[task.kind].beside
