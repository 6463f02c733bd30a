"""Files that are there whole or not at all, what they hold as a short name, and what they seem to be if unreadable."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rosphere.errors import InputError

LOOKS = (  # by which first bytes, what a file that is not what its name says seems to be, and what to do
    (b"version https://git-lfs", "it is a pointer of Git LFS, not the file itself; `git lfs pull` fetches that"),
    (b"<", "it seems to be a web page; download the file again"),
    (b"PK\x03\x04", "it seems to be a zip archive or a torch file, whole or in part; fetch the file again"),
    (b"\x80", "it seems to be a pickled torch file, whole or in part; fetch the file again"),
    (b"", "it seems to be cut off or of another format; fetch the file again"),
)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; it then replaces it: a reader sees the old file or the new, never a half."""
    fresh = _beside(path)
    try:
        yield fresh
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except OSError as error:
        if error.errno is not None and error.filename is None:  # a full disk, met in writing, does not say where
            error.filename = str(path)
        raise
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """A path beside ``folder`` for a folder that becomes it at the end: what fails leaves nothing behind."""
    fresh = _beside(folder)
    try:
        yield fresh
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _beside(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f"{path.name}.{os.getpid()}.new")


def copy_present(source: Path, target: Path, names: Iterable[str]) -> None:
    """The files of these names, as far as ``source`` has them, into the folder ``target``."""
    for name in names:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def write_json(path: Path, value: object) -> None:
    """Indented, keys sorted, through ``replacing``."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


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


def seems(path: Path) -> str:
    """What a file that cannot be read seems to be, and what to do about it, in words."""
    with path.open("rb") as file:
        head = file.read(64).lstrip()
    if not head:
        return "it is empty; fetch the file again"
    return next(words for start, words in LOOKS if head.startswith(start))


def json_value(path: Path) -> Any:
    """What a JSON file holds. Raises InputError where it is none, with what it seems to be."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # not UTF-8 is a ValueError too
        raise InputError(f"{path}: not JSON ({str(error)[:120]}): {seems(path)}") from error


def json_object(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds. Raises InputError where it is no JSON, or something else than an object."""
    value = json_value(path)
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return value
