"""Predictions as files: our own JSON lines for every task, and CLUE's submission files for CLUE's tasks.

CLUE's are lines {"id", "label"} in the order of the test file, or, of answers and of ChID's blanks, one JSON object
{id: prediction}; they go into one submit.zip (rosphere/clue/archive.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rosphere import files
from rosphere.clue import layouts
from rosphere.clue.fields import is_whole, keys, shown
from rosphere.clue.kinds.kind import Prediction
from rosphere.clue.kinds.table import KINDS
from rosphere.clue.tasks import Row, Task
from rosphere.errors import InputError
from rosphere.text import reading

Identity = str | int


def write_predictions(task: Task, rows: Sequence[Row], predictions: Sequence[Prediction], path: Path) -> None:
    """Every row beside what was predicted for it."""
    guesses = (KINDS[task.kind].written(task, row, guess) for row, guess in zip(rows, predictions, strict=True))
    reading.write_rows(path, ({**row, "prediction": guess} for row, guess in zip(rows, guesses, strict=True)))


def is_object(task: Task) -> bool:
    """Whether CLUE wants one JSON object instead of lines."""
    return KINDS[task.kind].is_object(task)


def write_submission(
    task: Task, rows: Sequence[Row], predictions: Sequence[Prediction], folder: Path, *, split: str = "test"
) -> Path:
    """The predictions for a test split under CLUE's name and in its format, ids as released."""
    path = folder / task.submitted_as(split)
    files.write_text(path, in_clues_form(task, rows, predictions))
    return path


def in_clues_form(task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]) -> str:
    """What CLUE takes for these rows, in their order."""
    kind = KINDS[task.kind]
    guesses = [kind.written(task, row, guess) for row, guess in zip(rows, predictions, strict=True)]
    ids = [row.get("id", number) for number, row in enumerate(rows)]
    if is_object(task):
        return as_object(zip(ids, guesses, strict=True))
    given = zip(ids, guesses, rows, strict=True)
    return as_lines({"id": name, "label": guess, **kind.line(task, row)} for name, guess, row in given)


def as_object(pairs: Any) -> str:
    """One JSON object {id: prediction}."""
    return json.dumps({str(name): guess for name, guess in pairs}, ensure_ascii=False, indent=1) + "\n"


def as_lines(rows: Any) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


class Line:
    """A prediction in a file: its value, the id that it names, if it does, and its place for a complaint."""

    def __init__(self, value: Any, identity: Identity | None, where: str, rest: Mapping[str, Any]) -> None:
        self.value, self.identity, self.where, self.rest = value, identity, where, rest


def read_lines(task: Task, path: Path) -> list[Line]:
    """The predictions of a file in CLUE's form or in ours, each looked at for itself.

    Raises:
        InputError: another form, an id that stands twice, or ids in some lines only.
    """
    whole = layouts.document(path)
    if is_object(task) and isinstance(whole, Mapping) and "prediction" not in whole:
        return [Line(value, name, f"{path}:{name}", {}) for name, value in whole.items()]
    found = [_line(line, f"{path}:{number}") for number, line in layouts.lines(path)]
    named = [line for line in found if line.identity is not None]
    if named and len(named) < len(found):
        bare = next(line for line in found if line.identity is None)
        raise InputError(f"{bare.where}: expected an 'id', as other lines have one")
    return found


def _line(line: Mapping[str, Any], where: str) -> Line:
    key = "prediction" if "prediction" in line else "label"
    if key not in line:
        raise InputError(f"{where}: expected 'label' or 'prediction', the line has {keys(line)}")
    identity = line.get("id")
    if "id" in line and not (is_whole(identity) or isinstance(identity, str)):
        raise InputError(f"{where}: expected a number or a text as 'id', got {shown(identity)}")
    return Line(line[key], identity, where, {name: value for name, value in line.items() if name not in (key, "id")})


def read_predictions(
    task: Task, rows: Sequence[Row], path: Path, *, places: Sequence[int] | None = None, dropped: Sequence[Row] = ()
) -> list[Prediction]:
    """The predictions of a file, in the order of the rows: by id where the lines have one, else by their order.

    ``rows`` are what was kept of a file, each at its place there (0, 1, ... where none is given), beside the
    ``dropped`` ones, for which predictions may be there and are passed over. A row without an id goes by its place.

    Raises:
        InputError: the file has not exactly one prediction for each row, or one that is none of the task's.
    """
    places = range(len(rows)) if places is None else places
    lines = read_lines(task, path)
    if lines and lines[0].identity is not None:
        chosen = _by_id(task, rows, lines, path, places, dropped)
    else:
        chosen = _by_order(task, lines, path, places, len(dropped))
    return [prediction(task, line.value, row, line.where) for line, row in zip(chosen, rows, strict=True)]


def _by_order(task: Task, lines: Sequence[Line], path: Path, places: Sequence[int], dropped: int) -> list[Line]:
    if dropped and len(lines) == len(places) + dropped:
        return [lines[place] for place in places]
    if len(lines) != len(places):
        also = f", or {len(places) + dropped} with those labelled '-'" if dropped else ""
        raise InputError(
            f"{path}: expected {len(places)} predictions, one for each row of {task.name}{also}, got {len(lines)}"
        )
    return list(lines)


def _by_id(
    task: Task, rows: Sequence[Row], lines: Sequence[Line], path: Path, places: Sequence[int], dropped: Sequence[Row]
) -> list[Line]:
    ids = [str(row.get("id", place)) for place, row in zip(places, rows, strict=True)]
    if len(set(ids)) < len(ids):
        return _in_order_of_ids(task, lines, path, ids)
    known = by_identity(lines)
    missing = [name for name in ids if name not in known]
    if missing:
        raise InputError(
            f"{path}: expected one prediction for each of {len(ids)} rows of {task.name}, got no prediction for"
            f" id {missing[0]!r}"
        )
    others = set(range(len(rows) + len(dropped))) - set(places)
    passed = {str(row.get("id", place)) for place, row in zip(sorted(others), dropped, strict=True)}
    unknown = [name for name in known if name not in passed | set(ids)]
    if unknown:
        raise InputError(
            f"{known[unknown[0]].where}: expected one prediction for each of {len(ids)} rows of {task.name}, got"
            f" unknown id {unknown[0]!r}"
        )
    return [known[name] for name in ids]


def by_identity(lines: Sequence[Line]) -> dict[str, Line]:
    """The lines by id. Raises InputError for one that was there before."""
    known: dict[str, Line] = {}
    for line in lines:
        if str(line.identity) in known:
            raise InputError(f"{line.where}: id {line.identity!r} was there before")
        known[str(line.identity)] = line
    return known


def _in_order_of_ids(task: Task, lines: Sequence[Line], path: Path, ids: Sequence[str]) -> list[Line]:
    """Where several rows have one id, as in some dev sets, the order has to be that of the rows."""
    found = _by_order(task, lines, path, range(len(ids)), 0)
    for line, name in zip(found, ids, strict=True):
        if str(line.identity) != name:
            raise InputError(f"{line.where}: expected the prediction for id {name!r}, got id {line.identity!r}")
    return found


def prediction(task: Task, value: Any, row: Row | None, where: str) -> Prediction:
    """``value`` as this task's prediction. Without the row only what every row has in common is checked."""
    kind = KINDS[task.kind]
    try:
        found = kind.parsed(task, value, row)
    except InputError as error:
        raise InputError(f"{where}: {task.name}: {error}") from error
    if found is None:
        raise InputError(f"{where}: {task.name}: expected {kind.expected(task)}, got {shown(value)}")
    return found
