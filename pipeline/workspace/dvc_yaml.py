"""dvc.yaml, read without DVC: what each stage runs, reads and makes.

For a machine that has only the training libraries, and for a look before DVC is there. What follows from what is DVC's
to say: see `pipeline.workspace.graph`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.workspace import yaml_file
from pipeline.workspace.yaml_file import ConfigError
from rosphere.errors import InputError

FILE, LOCK, PARAMS = "dvc.yaml", "dvc.lock", "params.yaml"
FILLED = re.compile(r"\$\{[^}]*\}")
ITEM = re.compile(r"\$\{item\.\w+\}")


@dataclass(frozen=True, kw_only=True)
class Declared:
    """One stage as dvc.yaml declares it; of a matrix, the one item that its name says."""

    name: str  # "evaluate@tnews"
    command: str = ""
    deps: tuple[str, ...] = ()
    outs: tuple[Path, ...] = ()
    metrics: tuple[Path, ...] = ()
    plots: tuple[Path, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def made(self) -> tuple[Path, ...]:
        """Outputs, metrics and plots."""
        return self.outs + self.metrics + self.plots

    @property
    def gpus(self) -> int:
        return gpus(self.meta, self.name)


def entries(root: Path) -> dict[str, Mapping[str, Any]]:
    """The entries of `root`/dvc.yaml by the word that names them, as they are written; none without the file."""
    path = root / FILE
    return dict(yaml_file.read(path).get("stages") or {}) if path.is_file() else {}


def declared(root: Path, name: str) -> Declared:
    """The stage `name`, whatever its item; with nothing in it where dvc.yaml has no such stage."""
    word, _, item = name.partition("@")
    entry = entries(root).get(word) or {}
    return _filled(root, entry.get("do") or entry, name, item)  # `foreach` keeps the stage itself under `do`


def required(root: Path, name: str) -> Declared:
    """The stage `name`; `evaluate@tnews` is the item tnews of the matrix of `evaluate`.

    Raises:
        InputError: there is no such stage, or its name lacks an item or has one too many.
    """
    stages = entries(root)
    word, _, item = name.partition("@")
    if word not in stages:
        raise InputError(f"{FILE}: no stage {word!r}; there are {', '.join(stages)}")
    if bool(item) != ("matrix" in stages[word]):
        expected = f"{word}@ITEM" if "matrix" in stages[word] else f"{word} without an item"
        raise InputError(f"{name}: expected {expected}")
    return _filled(root, stages[word], name, item)


def outs(root: Path) -> list[Path]:
    """The outputs of all stages, as they are written: items are not filled in."""
    return [_path(out) for entry in entries(root).values() for out in entry.get("outs", ())]


def deps(root: Path) -> list[str]:
    """What all stages read, `*` in the place of items."""
    stages = [entry.get("do") or entry for entry in entries(root).values()]
    return [FILLED.sub("*", str(dep)) for entry in stages for dep in entry.get("deps") or ()]


def made(root: Path) -> list[str]:
    """What DVC writes in the workspace: everything that stages make, `*` in the place of items, and its own lock."""
    kinds = ("outs", "metrics", "plots")
    stages = [entry.get("do") or entry for entry in entries(root).values()]
    written = (str(_path(out)) for entry in stages for kind in kinds for out in entry.get(kind) or ())
    return [*(FILLED.sub("*", path) for path in written), LOCK]


def gpus(meta: Any, name: str) -> int:
    """GPUs that the stage `name` asks for: `meta: {resources: {gpu: N}}`.

    Raises:
        ConfigError: that is no count.
    """
    count = ((meta or {}).get("resources") or {}).get("gpu", 0)
    if type(count) is not int or count < 0:
        raise ConfigError(f"{FILE}: {name}: meta.resources.gpu: expected a count, got {count!r}")
    return count


def _filled(root: Path, entry: Mapping[str, Any], name: str, item: str) -> Declared:
    path = root / PARAMS
    params = yaml_file.read(path) if FILLED.search(str(entry)) and path.is_file() else {}

    def fill(text: object) -> str:
        return FILLED.sub(lambda key: _parameter(params, key), ITEM.sub(lambda _: item, str(text)))

    def paths(kind: str) -> tuple[Path, ...]:
        return tuple(Path(fill(_path(out))) for out in entry.get(kind) or ())

    return Declared(
        name=name,
        command=fill(entry.get("cmd", "")),
        deps=tuple(fill(dep) for dep in entry.get("deps") or ()),
        outs=paths("outs"),
        metrics=paths("metrics"),
        plots=paths("plots"),
        meta=entry.get("meta") or {},
    )


def _parameter(params: Mapping[str, Any], key: re.Match[str]) -> str:
    """What params.yaml says of `${a.b}`, and that itself where it says nothing."""
    value: Any = params
    for word in key[0][2:-1].split("."):
        value = value.get(word) if isinstance(value, Mapping) else None
    return key[0] if value is None or isinstance(value, Mapping) else str(value)


def _path(out: str | Mapping[str, Any]) -> Path:
    """Of an entry of outs, metrics or plots: a path, or a path and what is said of it."""
    return Path(next(iter(out)) if isinstance(out, Mapping) else out)
