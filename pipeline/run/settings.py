"""params.yaml, read strictly into typed dataclasses.

A number that is misspelt, missing or of the wrong type ends the stage before any work is done,
with one line such as `params.yaml: pretrain.steps: expected int, got 'many' (str)`.
"""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from pipeline.run import renamed
from pipeline.run.typed import converted, hint, show
from rosphere.errors import InputError

T = TypeVar("T")


class ConfigError(InputError):
    """A configuration file does not say what the code needs to know."""


def load(path: Path, word: str, cls: type[T]) -> T:
    """The section `word` of the YAML file `path` as the frozen dataclass `cls`.

    Field types may be bool, int, float (an int will do), str, Path, `X | None`, `Literal[...]`,
    `list[X]`, `tuple[X, ...]`, `tuple[X, Y]`, `dict[str, X]` and further dataclasses. A field with a
    default may be left out; a key that is no field may not stand there. A ValueError from the
    dataclass's own `__post_init__` is reported under the section's name. pydantic does all of this
    (pipeline/run/typed.py).

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
            raise ConfigError(f"{path}: {where}: missing{hint(part, value if isinstance(value, dict) else {})}")
        value = value[part]
    try:
        return converted(value, word, cls)  # type: ignore[no-any-return]
    except InputError as error:
        raise ConfigError(f"{path}: {error}") from error


def scalar(path: Path, key: str, cls: type[T]) -> T:
    """The one value `key`, such as `seed` or, in another section, `widen.size`: checked as a field is."""
    return load(path, key, cls)


def read(path: Path) -> dict[str, Any]:
    """The YAML 1.2 file `path` (a mapping) as plain dicts, lists and scalars."""
    document = _parse(path)
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected a mapping of sections, got {show(document)}")
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
