"""A YAML 1.2 file as plain values, by whichever reader of YAML is installed."""

from __future__ import annotations

import copy
import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rosphere.errors import InputError

# What Python cannot hold: lists in lists by the thousand, numbers of thousands of digits, the 45th of a month.
UNREADABLE = (RecursionError, ValueError)


class ConfigError(InputError):
    """A configuration file does not say what the code needs to know."""


def read(path: Path) -> dict[str, Any]:
    """The YAML 1.2 file `path` (a mapping) as plain dicts, lists and scalars."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 (byte {error.start})") from error
    document = parsed(text, path)
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected a mapping of sections, got {shown(document)}")
    return document


def parsed(text: str, path: Path) -> Any:
    """The YAML 1.2 text of the file `path`."""
    return copy.deepcopy(_parsed(text, path))


@lru_cache(maxsize=4)
def _parsed(text: str, path: Path) -> Any:
    """Section by section the same file is asked for, and reading it takes a tenth of a second."""
    if find_spec("ruamel") is None:
        return _parse_with_pyyaml(path, text)
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, *UNREADABLE) as error:
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
    except (yaml.YAMLError, *UNREADABLE) as error:
        raise _syntax(path, error) from error


def _syntax(path: Path, error: Exception) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    line = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
    problem = getattr(error, "problem", None) or str(error)
    return ConfigError(f"{path}{line}: not valid YAML: {' '.join(problem.split())}")


def shown(value: Any) -> str:
    """A value that was not expected, for a message: shortened, with its type."""
    if value is None:
        return "nothing (null)"
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"
