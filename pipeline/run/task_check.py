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
    """What is worth a word of a task's rows: files that nothing reads, classes that nothing teaches.

    Raises:
        InputError: no training row is left beside those that also stand in dev, or nothing can be learnt of them.
    """
    train = writing.training_rows(task.name, splits, {task.name: task})
    _require_something_to_learn(task, train)
    found = []
    if untaught := _untaught(task, train, splits.get("dev", ())):
        found.append(f"task {task.name}: in dev and never in training, so never right: {', '.join(untaught)}")
    unread = released.unread(task, folder) if folder else []
    if unread:
        found.append(f"{folder}: found and not read: {', '.join(unread)}")
    return found


def _untaught(task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[str]:
    """The classes of dev rows that no training row has."""
    if task.kind != "classification":
        return []
    known = {str(row[task.gold]) for row in train}
    return sorted({str(row[task.gold]) for row in dev if task.gold in row} - known)


def _require_something_to_learn(task: Task, train: Sequence[Row]) -> None:
    """Raises InputError for training rows of one class, without an entity, or without an answer that has a place."""
    given = [row[task.gold] for row in train]
    if task.kind == "classification" and len(classes := {str(label) for label in given}) == 1:
        raise InputError(f"task {task.name}: expected two classes or more in training, got {min(classes)} alone")
    if task.kind == "entities" and not any(mentions for label in given for mentions in label.values()):
        raise InputError(f"task {task.name}: expected entities in the training rows, none of {len(train)} has one")
    if task.kind == "spans" and not any(start >= 0 for answers in given for start in answers["answer_start"]):
        raise InputError(f"task {task.name}: expected answers that stand in their texts, got none of {len(train)}")
