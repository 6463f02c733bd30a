"""The entities of a row as CLUENER gives them: {"name": {"江泽民": [[0, 2]]}}, first and last character."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from rosphere.clue.gold.classification import require_labels
from rosphere.clue.tasks import Row, Task
from rosphere.errors import InputError


def read(task: Task, row: Row, where: str, counts: Counter[str]) -> Row:
    """The row as it is. Raises InputError for an unknown label, another form, or a mention that stands elsewhere."""
    given = row[task.gold]
    require_labels(task, list(given) if isinstance(given, Mapping) else [str(given)], where)
    _require_places(row, where)
    return row


def _require_places(row: Row, where: str) -> None:
    given, text = row["label"], row["text"]
    try:
        spans = [(m, b, e) for mentions in given.values() for m, places in mentions.items() for b, e in places]
        wrong = [(mention, begin, end) for mention, begin, end in spans if text[begin : end + 1] != mention]
    except (AttributeError, TypeError, ValueError) as error:
        form = "{'name': {'江泽民': [[0, 2]]}}"
        raise InputError(f"{where}: expected spans such as {form}, got {given!r}") from error
    if wrong:
        mention, begin, end = wrong[0]
        raise InputError(f"{where}: {mention!r} does not stand at {begin} to {end} of {text!r}")


def gold_spans(row: Row) -> list[tuple[str, int, int]]:
    """(label, first character, last character) of a CLUENER row."""
    return [
        (label, begin, end)
        for label, mentions in row.get("label", {}).items()
        for places in mentions.values()
        for begin, end in places
    ]
