"""Which files of a task's folder are read: the declared names, however they are spelt, and what is left over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rosphere.clue.tasks import Task
from rosphere.errors import InputError

NEEDED = ("train", "dev")
ROWS = (".json", ".jsonl", ".csv", ".tsv", ".txt", ".parquet", ".zip")  # suffixes of what might hold rows
# Files of releases that hold no rows of a split, and the meanings of ChID's idioms, which nothing reads.
BESIDE = ("labels.json", "idiomdict.json", "license.txt", "readme.txt", "vocab.txt")


def paths(task: Task, folder: Path, split: str) -> list[Path] | None:
    """The files that together are a split, by the first way whose files are all there; None without a test set.

    A name is first looked for as it is declared, then in small or capital letters, and ending in .jsonl.

    Raises:
        InputError: there is no such folder, or train or dev is missing.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder (task {task.name})")
    exact = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
    loose: dict[str, Path] = {}
    for name, path in exact.items():
        loose.setdefault(_plain(name), path)
    for way in task.files[split]:
        if all(name in exact for name in way):
            return [exact[name] for name in way]
    for way in task.files[split]:
        if all(_plain(name) in loose for name in way):
            return [loose[_plain(name)] for name in way]
    if split in NEEDED:
        names = " or ".join(" and ".join(way) for way in task.files[split])
        there = f"; there are {', '.join(exact)}" if exact else ""
        raise InputError(f"{folder}: expected {names} ({split} rows of {task.name}){there}")
    return None


def unread(task: Task, folder: Path) -> list[str]:
    """Names of the files that may hold rows and are none of any split."""
    read = {path.name for split in task.files for path in paths(task, folder, split) or ()}
    rest = (path.name for path in sorted(folder.iterdir()) if path.is_file() and path.suffix.lower() in ROWS)
    return [name for name in rest if name not in read and not _is_beside(name)]


def _is_beside(name: str) -> bool:
    return name.lower() in BESIDE or name.lower().endswith("_answer.json")


def _plain(name: str) -> str:
    return name.casefold().removesuffix("l") if name.casefold().endswith(".jsonl") else name.casefold()


def joined(files: Sequence[Path]) -> str:
    return " and ".join(map(str, files))
