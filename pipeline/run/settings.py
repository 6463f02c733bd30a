"""params.yaml, read strictly into typed dataclasses.

A number that is misspelt, missing or of the wrong type ends the stage before any work is done,
with one line such as `params.yaml: pretrain.steps: expected int, got 'many' (str)`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pipeline.run import renamed
from pipeline.run.typed import converted, hint
from pipeline.workspace.yaml_file import ConfigError, read
from rosphere.errors import InputError

T = TypeVar("T")


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


def refuse_renamed(path: Path, document: Mapping[str, Any]) -> None:
    """Refuses the keys of `document` that were read once and have another name now (pipeline/run/renamed.py)."""
    try:
        renamed.refuse(document)
    except InputError as error:
        raise ConfigError(f"{path}: {error}") from error


def require_share(settings: Any, *names: str) -> None:
    """Raises InputError for a field that is not between 0 and 1."""
    for name in names:
        if not 0 <= getattr(settings, name) <= 1:
            raise InputError(f"{name}: expected a share, 0 to 1, got {getattr(settings, name)}")


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
