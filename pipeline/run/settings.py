"""params.yaml, read strictly into typed dataclasses.

A number that is misspelt, missing or of the wrong type ends the stage before any work is done,
with one line such as `params.yaml: pretrain.steps: expected int, got 'many' (str)`.
"""

import dataclasses
import re
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pipeline.run import renamed
from rosphere.errors import InputError

T = TypeVar("T")


class ConfigError(InputError):
    """A configuration file does not say what the code needs to know."""


def load(path: Path, word: str, cls: type[T]) -> T:
    """The section `word` of the YAML file `path` as the frozen dataclass `cls`.

    Field types may be bool, int, float (an int will do), str, Path, `X | None`, `Literal[...]`,
    `list[X]`, `tuple[X, ...]`, `tuple[X, Y]`, `dict[str, X]` and further dataclasses. A field with a
    default may be left out; a key that is no field may not stand there. A ValueError from the
    dataclass's own `__post_init__` is reported under the section's name.

    Raises:
        FileNotFoundError: no such file.
        ConfigError: anything else, in one line naming the file and the key.
    """
    value: Any = read(path)
    refuse_renamed(path, value)
    words = word.split(".")
    for depth, part in enumerate(words):
        if not isinstance(value, dict) or part not in value:
            where = ".".join(words[: depth + 1])
            raise ConfigError(f"{path}: {where}: missing{_hint(part, value if isinstance(value, dict) else {})}")
        value = value[part]
    return _convert(value, cls, path, word)  # type: ignore[no-any-return]


def scalar(path: Path, key: str, cls: type[T]) -> T:
    """The one value `key`, such as `seed` or, in another section, `widen.size`: checked as a field is."""
    return load(path, key, cls)


def read(path: Path) -> dict[str, Any]:
    """The YAML 1.2 file `path` (a mapping) as plain dicts, lists and scalars."""
    document = _parse(path)
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected a mapping of sections, got {_show(document)}")
    return document


def refuse_renamed(path: Path, document: Mapping[str, Any]) -> None:
    """Refuses the keys of `document` that were read once and have another name now (pipeline/run/renamed.py)."""
    try:
        renamed.refuse(document)
    except InputError as error:
        raise ConfigError(f"{path}: {error}") from error


def at_least(settings: Any, **bounds: float) -> None:
    """Refuses a field of ``settings`` that is below its bound; of a list each item, and an empty one.

    Raises:
        InputError: names the field.
    """
    for name, least in bounds.items():
        given = getattr(settings, name)
        values = given if isinstance(given, list) else [given]
        if not values or any(value is not None and value < least for value in values):
            raise InputError(f"{name}: expected {least} or more, got {given}")


def _parse(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    if find_spec("ruamel") is None:
        return _parse_with_pyyaml(path, text)
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise _syntax(path, error) from error


def _parse_with_pyyaml(path: Path, text: str) -> Any:
    # A bare training machine has PyYAML (transformers brings it) but not ruamel.yaml. By itself PyYAML
    # reads 5e-4 as a string and `no` as False, so it is taught the scalars of YAML 1.2.
    import yaml  # type: ignore[import-untyped,unused-ignore]

    class Loader(yaml.SafeLoader):  # type: ignore[misc,unused-ignore]
        yaml_implicit_resolvers: dict[str, list[Any]] = {}

    integer, decimal = r"[-+]?[0-9]+", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    for tag, pattern in (
        ("null", r"~|null|Null|NULL|"),
        ("bool", r"true|True|TRUE|false|False|FALSE"),
        ("int", integer),
        ("float", rf"{decimal}|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
        ("merge", "<<"),
    ):
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{pattern})$"), None)
    try:
        return yaml.load(text, Loader=Loader)  # a SafeLoader: builds no objects
    except yaml.YAMLError as error:
        raise _syntax(path, error) from error


def _syntax(path: Path, error: Exception) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    line = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
    problem = getattr(error, "problem", None) or str(error)
    return ConfigError(f"{path}{line}: not valid YAML: {' '.join(problem.split())}")


def _convert(value: Any, kind: Any, path: Path, key: str) -> Any:
    """`value` as a `kind`; `key` is its dotted place in the file."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _record(value, kind, path, key)
    if origin in (Union, UnionType):
        return _one_of(value, kind, path, key)
    if origin is Literal:
        if any(type(value) is type(choice) and value == choice for choice in arguments):
            return value
    elif origin is list and isinstance(value, list):
        return [_convert(item, arguments[0], path, f"{key}[{i}]") for i, item in enumerate(value)]
    elif origin is tuple and isinstance(value, list):
        kinds = [arguments[0]] * len(value) if arguments[1:] == (...,) else list(arguments)
        if len(kinds) == len(value):
            pairs = zip(value, kinds, strict=True)
            return tuple(_convert(item, each, path, f"{key}[{i}]") for i, (item, each) in enumerate(pairs))
    elif origin is dict and isinstance(value, dict):
        return {
            _convert(name, arguments[0], path, key): _convert(item, arguments[1], path, f"{key}.{name}")
            for name, item in value.items()
        }
    elif kind is float and type(value) is int:
        return float(value)
    elif kind is Path and isinstance(value, str):
        return Path(value)
    elif type(value) is kind:  # not isinstance: True is no int here
        return value
    raise ConfigError(f"{path}: {key}: expected {_name(kind)}, got {_show(value)}")


def _record(value: Any, cls: Any, path: Path, key: str) -> Any:
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: {key}: expected the keys of {cls.__name__}, got {_show(value)}")
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    for name in value:
        if name not in fields:
            raise ConfigError(f"{path}: {key}.{name}: unknown key{_hint(name, fields)}")
    hints = get_type_hints(cls)
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in value:
            raise ConfigError(f"{path}: {key}.{name}: missing, expected {_name(hints[name])}")
    converted = {name: _convert(item, hints[name], path, f"{key}.{name}") for name, item in value.items()}
    try:
        return cls(**converted)
    except ValueError as error:
        raise ConfigError(f"{path}: {key}: {error}") from error


def _one_of(value: Any, union: Any, path: Path, key: str) -> Any:
    members = [kind for kind in get_args(union) if kind is not NoneType]
    if value is None and len(members) < len(get_args(union)):
        return None
    if len(members) == 1 and dataclasses.is_dataclass(members[0]):
        return _convert(value, members[0], path, key)  # its own message says more than "X | None"
    for kind in members:
        try:
            return _convert(value, kind, path, key)
        except ConfigError:
            continue  # the next member may fit; if none does, the line below names them all
    raise ConfigError(f"{path}: {key}: expected {_name(union)}, got {_show(value)}")


def _name(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(repr(choice) for choice in get_args(kind))
    if get_origin(kind) in (Union, UnionType):
        return " | ".join(_name(member) for member in get_args(kind))
    if get_origin(kind) is None and isinstance(kind, type):
        return "null" if kind is NoneType else kind.__name__
    return str(kind)


def _show(value: Any) -> str:
    if value is None:
        return "nothing (null)"
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"


def _hint(name: object, known: Mapping[str, Any]) -> str:
    close = get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(map(str, known)) or 'none'}"
