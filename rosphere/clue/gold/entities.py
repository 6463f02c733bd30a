"""The entities of a row as CLUENER gives them: {"name": {"江泽民": [[0, 2]]}}, first and last character."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from rosphere.clue.fields import is_whole, shown
from rosphere.clue.gold.classification import require_labels
from rosphere.clue.tasks import Row, Task
from rosphere.errors import InputError

FORM = "{'name': {'江泽民': [[0, 2]]}}"
EXCLUSIVE = "; the second number is that of the last character, not the one behind it"
Entity = tuple[str, int, int]  # label, first character, last character


def read(task: Task, row: Row, where: str, counts: Counter[str]) -> Row:
    """The row as it is. Raises InputError for an unknown label, another form, or a mention that stands elsewhere."""
    given = row[task.gold]
    if not isinstance(given, Mapping):
        raise InputError(f"{where}: expected spans such as {FORM}, got {shown(given)}")
    require_labels(task, list(given), where)
    try:
        require_places(given, task.texts(row)[0])
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    return row


def require_places(given: Any, text: str) -> None:
    """Raises InputError for the first mention that is empty or does not stand where it is said to."""
    for _, mention, begin, end in mentions(given):
        if not mention:
            raise InputError(f"expected mentions that are not empty, got one at {begin} to {end}")
        if not 0 <= begin <= end < len(text) or text[begin : end + 1] != mention:
            hint = EXCLUSIVE if begin >= 0 and text[begin:end] == mention else ""
            raise InputError(f"{shown(mention)} does not stand at {begin} to {end} of {shown(text)}{hint}")


def require_lengths(given: Any) -> None:
    """What can be said without the text: raises InputError for a mention that is not as long as its place."""
    for _, mention, begin, end in mentions(given):
        if not mention or begin < 0 or end - begin + 1 != len(mention):
            exclusive = end - begin == len(mention)
            raise InputError(f"{shown(mention)} is not as long as {begin} to {end}{EXCLUSIVE if exclusive else ''}")


def mentions(given: Any) -> Iterator[tuple[str, str, int, int]]:
    """(label, mention, first character, last character). Raises InputError where the form is another."""
    wrong = InputError(f"expected spans such as {FORM}, got {shown(given)}")
    if not isinstance(given, Mapping) or not all(isinstance(found, Mapping) for found in given.values()):
        raise wrong
    for label, found in given.items():
        for mention, places in found.items():
            if not isinstance(places, list | tuple) or not all(map(_is_place, places)):
                raise wrong
            yield from ((label, mention, begin, end) for begin, end in places)


def _is_place(place: Any) -> bool:
    return isinstance(place, list | tuple) and len(place) == 2 and all(map(is_whole, place))


def gold_spans(row: Row, gold: str = "label") -> list[Entity]:
    """(label, first character, last character) of a CLUENER row."""
    return [(label, begin, end) for label, _, begin, end in mentions(row.get(gold, {}))]
