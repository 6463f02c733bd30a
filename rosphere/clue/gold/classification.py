"""The right class of a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rosphere.clue.tasks import Row, Task
from rosphere.errors import InputError


def read(task: Task, row: Row, where: str, counts: Counter[str]) -> Row:
    """The row as it is. Raises InputError where its class is none of the task's labels."""
    require_labels(task, [str(row[task.gold])], where)
    return row


def require_labels(task: Task, labels: Sequence[str], where: str) -> None:
    """Raises InputError for the first label that the task does not declare."""
    unknown = [label for label in labels if label not in task.labels]
    if unknown:
        raise InputError(f"{where}: label {unknown[0]!r} is none of {task.name}'s: {', '.join(task.labels)}")
