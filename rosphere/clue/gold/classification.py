"""The right class of a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rosphere.clue.fields import shown
from rosphere.clue.tasks import Row, Task
from rosphere.errors import InputError


def read(task: Task, row: Row, where: str, counts: Counter[str]) -> Row:
    """The row; true and false in JSON's own words become texts. Raises InputError where its class is none of the
    task's labels, or where there are several: one of several labels a row is what the kind can say."""
    given = row[task.gold]
    if not isinstance(given, str | int):
        raise InputError(f"{where}: expected one label of {task.name} under {task.gold!r}, got {shown(given)}")
    label = str(given).lower() if isinstance(given, bool) else str(given)
    require_labels(task, [label], where)
    return {**row, task.gold: label} if isinstance(given, bool) else row


def require_labels(task: Task, labels: Sequence[str], where: str) -> None:
    """Raises InputError for the first label that the task does not declare."""
    unknown = [label for label in labels if label not in task.labels]
    if unknown:
        raise InputError(f"{where}: label {shown(unknown[0])} is none of {task.name}'s: {', '.join(task.labels)}")
