"""JSON objects of a file: one to a line, one behind another as SOHU released its pairs, over several lines, or in one
array."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rosphere.errors import InputError
from rosphere.text import reading
from rosphere.text.reading import Meter

NOT_BLANK = re.compile(r"\S")
MOST_LINES = 1000  # of one object
Lines = Iterator[tuple[int, str]]


def objects(path: Path, meter: Meter | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file:line, the object); from the second object of a line on (file:line, object N; the object); of an array
    (file, item N; the object)."""
    lines = reading.lines(path, meter)
    for number, line in lines:
        begin = NOT_BLANK.search(line)
        if begin is not None and begin.group() == "[":
            yield from _items(path, "\n".join([line, *(rest for _, rest in lines)]), number)
            return
        if begin is not None:
            yield from _of_line(path, number, _whole(line, lines))
            break
    for number, line in lines:
        yield from _of_line(path, number, _whole(line, lines))


def _whole(line: str, lines: Lines) -> str:
    """The line, with those after it over which an object that it begins goes on; where it is none, the line alone."""
    text = line
    if not line.lstrip().startswith("{") or line.rstrip().endswith("}"):
        return line
    for _, more in itertools.islice(lines, MOST_LINES):
        text += f"\n{more}"
        if _is_whole(text):
            return text
    return line


def _is_whole(text: str) -> bool:
    """Whether it is one object, up to its end."""
    if not text.rstrip().endswith("}"):
        return False
    try:
        json.loads(text)
    except (RecursionError, ValueError):
        return False
    return True


def _items(path: Path, text: str, number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    for count, item in enumerate(reading.parsed(text, f"{path}:{number}"), 1):
        yield f"{path}, item {count}", _object(item, f"{path}, item {count}")


def _of_line(path: Path, number: int, line: str) -> Iterator[tuple[str, dict[str, Any]]]:
    begin = NOT_BLANK.search(line)
    for count in itertools.count(1):
        if begin is None:
            break
        where = f"{path}:{number}" + (f", object {count}" if count > 1 else "")
        with reading.complaining(where):
            row, end = json.JSONDecoder().raw_decode(line, begin.start())
        yield where, _object(row, where)
        begin = NOT_BLANK.search(line, end)


def _object(row: object, where: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise InputError(f"{where}: expected a JSON object, got {type(row).__name__}")
    return row
