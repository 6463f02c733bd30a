"""JSON objects of a file, one to a line or one behind another, as SOHU released its pairs."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rosphere.errors import InputError
from rosphere.text import reading

NOT_BLANK = re.compile(r"\S")


def objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file:line, the object); from the second object of a line on (file:line, object N; the object)."""
    for number, line in reading.lines(path):
        begin = NOT_BLANK.search(line)
        for count in itertools.count(1):
            if begin is None:
                break
            where = f"{path}:{number}" + (f", object {count}" if count > 1 else "")
            row, end = _object(line, begin.start(), where)
            yield where, row
            begin = NOT_BLANK.search(line, end)


def _object(line: str, begin: int, where: str) -> tuple[dict[str, Any], int]:
    try:
        row, end = json.JSONDecoder().raw_decode(line, begin)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: {reading.not_json(error)}") from error
    if not isinstance(row, dict):
        raise InputError(f"{where}: expected a JSON object, got {type(row).__name__}")
    return row, end


def two_texts(row: Mapping[str, Any], where: str) -> tuple[str, str]:
    """The texts under "sentence1" and "sentence2", or under "source" and "target"."""
    keys = ("source", "target") if "source" in row and "sentence1" not in row else ("sentence1", "sentence2")
    return reading.text_at(row, keys[0], where), reading.text_at(row, keys[1], where)
