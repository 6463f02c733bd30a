"""Files that are there whole or not at all, and what a file or folder holds as a short name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; it then replaces it: a reader sees the old file or the new, never a half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        yield fresh
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """UTF-8, through ``replacing``."""
    with replacing(path) as fresh:
        fresh.write_text(text, encoding="utf-8")


def below(folder: Path, _above: Sequence[str] = ()) -> list[Path]:
    """All files in a folder and the folders in it, those that are linked included, sorted; no folder in itself."""
    here = os.path.realpath(folder)
    if here in _above:
        return []
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            found += below(path, (*_above, here))
        elif path.is_file():
            found.append(path)
    return found


def file_hash(path: Path) -> str:
    """BLAKE2b of the bytes, 32 hexadecimal digits: the same content has the same name wherever it lies."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def text_hash(text: str) -> str:
    """The ``file_hash`` of a file that holds the text in UTF-8."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def folder_hash(folder: Path) -> str:
    """Of all files in a folder and the folders in it, with their names."""
    mark = hashlib.blake2b(digest_size=16)
    for path in below(folder):
        mark.update(f"{path.relative_to(folder)}\0{file_hash(path)}\0".encode())
    return mark.hexdigest()
