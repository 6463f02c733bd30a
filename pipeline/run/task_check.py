"""What can be seen to be wrong with the tasks before any work, and what is worth a word though it works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rosphere.clue import released
from rosphere.clue.tasks import Row, Task
from rosphere.errors import InputError
from rosphere.preparation import writing

Splits = Mapping[str, Sequence[Row]]


def require_there(source: str, key: str, there: object, tasks: Sequence[str]) -> None:
    """Raises InputError where tasks are asked for of a source whose ``key`` in params.yaml names none of them."""
    missing = [task for task in tasks if not there or (isinstance(there, Mapping) and task not in there)]
    if missing:
        raise InputError(
            f"params.yaml: tasks: the source {source} has no task {missing[0]!r}, {key} names"
            f" {', '.join(there) if isinstance(there, Mapping) and there else 'none'}; expected it there, or tasks: []"
        )


def look_over(task: Task, splits: Splits, folder: Path | None) -> list[str]:
    """What is worth a word of a task's rows: one class in training, files that nothing reads.

    Raises:
        InputError: no training row is left beside those that also stand in dev.
    """
    name = task.name
    train = writing.training_rows(name, splits, {name: task})
    found = []
    if task.kind == "classification" and len(classes := {str(row[task.gold]) for row in train}) == 1:
        found.append(
            f"task {name}: all {len(train)} training rows have the label {min(classes)}: nothing can be learnt"
        )
    unread = released.unread(task, folder) if folder else []
    if unread:
        found.append(f"{folder}: found and not read: {', '.join(unread)}")
    return found
