"""Fields of a row, looked at before they are used; a complaint has no place, which the reader adds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rosphere.errors import InputError

SHOWN = 120  # characters of a value in a complaint


def shown(value: object) -> str:
    """The value in Python's words, cut off where it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def keys(row: Mapping[str, Any]) -> str:
    """The names of the fields that a row has."""
    names = ", ".join(map(str, row))
    return names if len(names) <= SHOWN else f"{names[:SHOWN]}…"


def text(row: Mapping[str, Any], key: str) -> str:
    """Raises InputError where something else stands there."""
    if key not in row or not isinstance(row[key], str):
        raise InputError(f"expected a text under {key!r}, got {shown(row[key]) if key in row else 'nothing'}")
    return str(row[key])


def texts(row: Mapping[str, Any], key: str) -> list[str]:
    """A list of texts: a single text would be taken for a list of its characters."""
    value = row.get(key)
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise InputError(f"expected a list of texts under {key!r}, got {shown(value)}")
    return list(value)


def is_whole(value: object) -> bool:
    """Whether it is a whole number; true and false are none."""
    return type(value) is int


def require_writable(row: Mapping[str, Any], where: str) -> None:
    """Raises InputError where the row cannot be written as JSON lines in UTF-8."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])
        raise InputError(f"{where}: expected whole characters, got {half}, half of one that was cut in two") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{where}: expected a row of JSON values: {error}") from error
