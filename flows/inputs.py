"""What an experiment's clone needs of the workspace that git does not bring along, or brings in another version."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pipeline.workspace import dvc_yaml, yaml_file
from pipeline.workspace.graph import PlanError

SMALL = 1 << 20  # bytes; larger files are hard-linked instead of copied


def recorded(root: Path, files: Sequence[str]) -> list[str]:
    """What the `.dvc` files of `dvc add` stand for."""
    read = ((Path(file).parent, yaml_file.read(root / file)) for file in files)
    return [os.path.normpath(folder / out["path"]) for folder, document in read for out in document.get("outs") or ()]


def gone(added: Sequence[str], status: Mapping[str, Any]) -> list[str]:
    """Those of the files and folders `added` by `dvc add` that are no longer there, by `dvc data status`.

    Raises:
        PlanError: one has changed since: the clone would get what was recorded.
    """
    states = status.get("uncommitted") or {}
    for path in (path for path in added if path in map(os.path.normpath, states.get("modified") or ())):
        raise PlanError(
            f"{path} has changed since `dvc add`, and an experiment would get what was added:"
            f" `dvc add {path}` first, or `dvc checkout {path}` for what was added"
        )
    return [path for path in added if path in map(os.path.normpath, states.get("deleted") or ())]


def dependencies(root: Path) -> list[str]:
    """What the stages of dvc.yaml read, apart from what stages make; `*` in the place of items."""
    made = dvc_yaml.made(root)

    def is_made(path: str) -> bool:
        return any(
            fnmatchcase(path, out) or fnmatchcase(path, f"{out}/*") or out.startswith(f"{path}/") for out in made
        )

    return [dep for dep in dict.fromkeys(dvc_yaml.deps(root)) if not is_made(dep)]


def carry(root: Path, place: Path, clone: Path, names: Sequence[str]) -> None:
    """Bring what the names mean in `root` and is not in `place`, its counterpart in `clone`.

    Raises:
        PlanError: a name leads out of the repository by a relative path, which means nothing in the clone.
    """
    for name in names:
        for path in () if os.path.isabs(name) else _matches(root, name):
            if not Path(os.path.normpath(place / path)).is_relative_to(clone):
                absolute = os.path.normpath(root / name)
                raise PlanError(
                    f"{name} lies outside of the repository, of which an experiment gets a clone: write {absolute}"
                )
            if not (place / path).exists():
                bring(root / path, place / path)


def bring(source: Path, target: Path) -> None:
    """A copy, or a link where that costs less."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink() or source.is_dir():  # git names the folder of a repository inside of ours
        target.symlink_to(source.resolve())
    elif source.stat().st_size > SMALL and source.name != "dvc.lock":  # which DVC writes in place
        try:
            os.link(source, target)
        except OSError:  # another file system
            target.symlink_to(source.resolve())
    else:
        shutil.copy2(source, target)


def _matches(root: Path, name: str) -> Iterator[str]:
    """The files that a name of a file or folder, or a pattern, means in `root`; nothing of a hub's name."""
    path = root / name
    if path.is_dir():
        yield from (os.path.join(name, each.relative_to(path)) for each in path.rglob("*") if each.is_file())
    elif path.is_file():
        yield name
    else:
        yield from (each for each in glob.glob(name, root_dir=root, recursive=True) if (root / each).is_file())
