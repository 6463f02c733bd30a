"""Which files a key of params.yaml means, and which of those found are not read."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rosphere.errors import InputError
from rosphere.files import below
from rosphere.preparation import records


@dataclass(frozen=True, kw_only=True)
class Found:
    read: list[Path]
    unread: list[Path]  # of another ending, in a folder or by a pattern


def matches(name: str) -> list[Path]:
    """The file or the files of the folder of this very name; else all that the pattern matches, sorted."""
    path = Path(name)
    if path.is_dir():
        return below(path)
    if path.is_file():
        return [path]
    return sorted(path for path in map(Path, glob.glob(name, recursive=True)) if path.is_file())


def files(names: Sequence[str], key: str) -> Found:
    """Raises InputError where a name finds nothing that is read, or an empty file."""
    found = Found(read=[], unread=[])
    for name in names:
        paths = matches(name)
        readable = [path for path in paths if records.kind(path)]
        found.read.extend(readable)
        found.unread.extend(path for path in paths if not records.kind(path))
        if not readable:
            only = f", only {paths[0]}" if paths else ""
            endings = ", ".join(records.SUFFIXES)
            raise InputError(f"params.yaml: {key}: nothing found at {name} that ends in {endings}{only}")
    empty = [path for path in found.read if path.stat().st_size == 0]
    if empty:
        raise InputError(f"{empty[0]}: the file is empty")
    return found
