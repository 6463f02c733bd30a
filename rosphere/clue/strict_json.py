"""JSON from people: what Python's reader takes without a word, or answers with a traceback, is refused."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from rosphere.clue.fields import shown
from rosphere.errors import InputError

DEEPEST = 100  # lists and objects in one another; Python's own limit is met somewhere on the way, reading or writing
DIGITS = 4000  # of a whole number: Python refuses more than 4300


def loads(text: str) -> Any:
    """The value.

    Raises:
        json.JSONDecodeError: it is no JSON.
        InputError: a key stands twice in an object, values are nested too deeply, or a number is too long.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_int=_whole)
    except RecursionError as error:
        raise InputError(_too_deep()) from error
    if text.count("[") + text.count("{") > DEEPEST:
        _require_shallow(value)
    return value


def concatenated(text: str) -> list[Any]:
    """Values one behind another, with or without blanks between them; raises as ``loads`` does."""
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_whole)
    found, place = [], 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        try:
            value, place = decoder.raw_decode(text, place)
        except RecursionError as error:
            raise InputError(_too_deep()) from error
        found.append(value)
    if text.count("[") + text.count("{") > DEEPEST:
        for value in found:
            _require_shallow(value)
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        raise InputError(f"expected every key once in an object, got {shown(twice)} twice")
    return found


def _whole(digits: str) -> int:
    if len(digits) > DIGITS:
        raise InputError(f"expected numbers of at most {DIGITS} digits, got one of {len(digits)}")
    return int(digits)


def _require_shallow(value: Any) -> None:
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return
    raise InputError(_too_deep())


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _too_deep() -> str:
    return f"expected lists and objects at most {DEEPEST} deep, got more"
