"""The right choice of a row, which may be given by number or in words, or by a letter"""

from __future__ import annotations

from collections import Counter

from rosphere.clue.fields import is_whole, shown
from rosphere.clue.tasks import Row, Task
from rosphere.errors import InputError

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def read(task: Task, row: Row, where: str, counts: Counter[str]) -> Row:
    """The row as it is. Raises InputError where its answer is none of its choices."""
    if _place(task, row) is None:
        assert task.choices is not None
        choices = list(task.choices(row))
        raise InputError(
            f"{where}: {task.gold} {shown(row[task.gold])} is none of the {len(choices)} choices {shown(choices)}"
        )
    return row


def chosen(task: Task, row: Row) -> int:
    """The number of the right choice; of equal ones the first."""
    place = _place(task, row)
    assert place is not None
    return place


def is_right(task: Task, row: Row, guess: int) -> bool:
    """Whether the guess is the right choice, or one that says the same."""
    assert task.choices is not None
    choices, right = task.choices(row), chosen(task, row)
    return guess == right or (guess < len(choices) and choices[guess] == choices[right])


def _place(task: Task, row: Row) -> int | None:
    """By number from 0, in words, or, where no choice says so in words, by A for the first."""
    assert task.choices is not None
    choices, given = task.choices(row), row[task.gold]
    if is_whole(given):
        return int(given) if 0 <= given < len(choices) else None
    if not isinstance(given, str):
        return None
    if given in choices:
        return choices.index(given)
    place = LETTERS.find(given) if len(given) == 1 else -1
    return place if 0 <= place < len(choices) else None
