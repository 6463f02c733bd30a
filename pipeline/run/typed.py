"""Plain values as a YAML file holds them become typed dataclasses; what does not fit is said in one line.

pydantic converts and checks. Its strict mode for JSON is what we promise of params.yaml: an int will do for a float,
True is no int, "5" is no number, a list makes a tuple and a mapping a dataclass. The dataclasses know nothing of it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from pipeline.workspace.yaml_file import shown
from rosphere.errors import InputError

if TYPE_CHECKING:  # else imported where it is used: a machine without it can still read YAML
    from pydantic import ConfigDict, TypeAdapter
    from pydantic_core import ErrorDetails

LONGEST = 255  # bytes of a name between slashes: all text in params.yaml are names, and no file system takes more
OWN = ("value_error", "assertion_error")  # raised by a dataclass's __post_init__
FIRST = ("unexpected_keyword_argument", "missing")  # a misspelt key is told before the one that it stands for


def strict() -> ConfigDict:
    """How pydantic reads our declarations.

    Raises:
        InputError: pydantic is not installed.
    """
    try:
        from pydantic import ConfigDict
    except ImportError as error:
        raise InputError("its values are checked by pydantic, which is not installed: pip install pydantic") from error
    return ConfigDict(strict=True, extra="forbid")


def converted(value: Any, key: str, kind: Any) -> Any:
    """`value` as a `kind`; `key` is its dotted place in the file.

    Raises:
        InputError: it does not fit, or pydantic is not installed.
    """
    adapter = _adapter(kind)
    _require_plain(value, key)
    from pydantic import ValidationError

    try:
        return adapter.validate_json(json.dumps({key: value}))[key]
    except ValidationError as error:
        first = min(error.errors(include_url=False), key=_rank)
        own = first["ctx"]["error"] if first["type"] in OWN else None
        raise InputError(_line(first, value, key, kind)) from own


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    config = strict()
    from pydantic import TypeAdapter

    return TypeAdapter(dict[str, kind], config=config)  # of a dataclass by itself pydantic takes no config


def _require_plain(value: Any, key: str) -> None:
    """YAML has keys and scalars, such as dates, that JSON has not."""
    if isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str):
                raise InputError(f"{key}: expected text as a key, got {shown(name)}")
            _require_plain(item, f"{key}.{name}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            _require_plain(item, f"{key}[{i}]")
    elif isinstance(value, str) and max(len(part.encode("utf-8", "replace")) for part in value.split("/")) > LONGEST:
        raise InputError(f"{key}: expected a name of at most {LONGEST} bytes, got {shown(value)}")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise InputError(f"{key}: expected a whole number of at most 64 bits, got {shown(value)}")
    elif not isinstance(value, str | int | float | NoneType):
        raise InputError(f"{key}: expected text, a number, true, false or null, got {shown(value)}")


def _rank(error: ErrorDetails) -> tuple[bool, int]:
    what = error["type"]
    # Of a union that has a dataclass, a mapping that does not fit is meant for that, not for a name.
    passed_over = isinstance(error["input"], dict) and what.endswith("_type")
    return passed_over, FIRST.index(what) if what in FIRST else len(FIRST)


@dataclasses.dataclass
class _Place:
    """Where an error lies in the file: what was declared there, and what came."""

    key: str
    kind: Any
    value: Any

    def enter(self, part: str | int) -> None:
        kind, arguments = _present(self.kind), get_args(_present(self.kind))
        if dataclasses.is_dataclass(kind):
            self.kind = get_type_hints(kind).get(str(part))
        elif get_origin(kind) is tuple:
            self.kind = arguments[0 if arguments[1:] == (...,) else int(part)]
        else:
            self.kind = arguments[-1] if arguments else Any
        self.key += f"[{part}]" if isinstance(part, int) else f".{part}"
        self.value = self.value[part]


def _line(error: ErrorDetails, value: Any, key: str, kind: Any) -> str:
    place, what, parts = _Place(key, kind, value), error["type"], list(error["loc"][1:])
    last = parts.pop() if what in FIRST else None  # it is not there, or not declared
    for part in parts:
        if _is_union(place.kind):  # pydantic goes on with each member; where it is not clear which, we name them all
            place.kind = _meant(place)
            if _is_union(place.kind):
                break
            if part == place.kind.__name__:
                continue
        place.enter(part)
    if _is_union(place.kind) or not (what in OWN or dataclasses.is_dataclass(_present(place.kind))):
        return f"{place.key}: expected {_name(place.kind)}, got {shown(place.value)}"
    if what in OWN:
        return f"{place.key}: {error['ctx']['error']}"
    return _of_keys(place, _present(place.kind), what, last)


def _of_keys(place: _Place, cls: Any, what: str, last: str | int | None) -> str:
    if last is None:
        return f"{place.key}: expected the keys of {cls.__name__}, got {shown(place.value)}"
    if what == "missing":
        return f"{place.key}.{last}: missing, expected {_name(get_type_hints(cls)[str(last)])}"
    return f"{place.key}.{last}: unknown key{hint(last, [field.name for field in dataclasses.fields(cls)])}"


def _members(kind: Any) -> Sequence[Any]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _present(kind: Any) -> Any:
    """X of `X | None`; any other kind is itself."""
    members = [member for member in _members(kind) if member is not NoneType]
    return members[0] if len(members) == 1 else kind


def _meant(place: _Place) -> Any:
    """The one dataclass of a union where a mapping came; the union itself otherwise."""
    found = [member for member in _members(place.kind) if dataclasses.is_dataclass(member)]
    return found[0] if len(found) == 1 and isinstance(place.value, dict) else place.kind


def _is_union(kind: Any) -> bool:
    return len(_members(_present(kind))) > 1


def _name(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(repr(choice) for choice in get_args(kind))
    if len(_members(kind)) > 1:
        return " | ".join(map(_name, _members(kind)))
    if get_origin(kind) is None and isinstance(kind, type):
        return "null" if kind is NoneType else kind.__name__
    return str(kind)


def hint(name: object, known: Sequence[str] | Mapping[str, Any]) -> str:
    close = get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(map(str, known)) or 'none'}"
