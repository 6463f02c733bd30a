"""The right choice of a row, which may be given by number or in words."""

from __future__ import annotations

from collections import Counter

from rosphere.clue.tasks import Row, Task
from rosphere.errors import InputError


def read(task: Task, row: Row, where: str, counts: Counter[str]) -> Row:
    """The row as it is. Raises InputError where its answer is none of its choices."""
    assert task.choices is not None
    choices, given = task.choices(row), row[task.gold]
    fits = 0 <= given < len(choices) if type(given) is int else given in choices
    if not fits:
        raise InputError(f"{where}: {task.gold} {given!r} is none of the {len(choices)} choices {list(choices)}")
    return row


def chosen(task: Task, row: Row) -> int:
    """The number of the right choice."""
    given = row[task.gold]
    assert task.choices is not None
    return given if isinstance(given, int) else task.choices(row).index(given)
