"""Graded pairs of sentences for evaluation (STS-B, LCQMC, ATEC, SOHU, ...), from files as they were released."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rosphere.errors import InputError
from rosphere.files import file_hash
from rosphere.preparation import records
from rosphere.preparation.naming import NamedFiles, Naming, named_records
from rosphere.preparation.source import Graded
from rosphere.text import labels, reading
from rosphere.text.cleaning import clean, letters

Split = Literal["train", "dev", "test"]
SPLITS: dict[str, Split] = {
    "train": "train", "dev": "dev", "valid": "dev", "validation": "dev", "test": "test",
}  # fmt: skip
NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, kw_only=True)
class GradedFiles(NamedFiles):
    ROLES = ("sentence1", "sentence2", "score")


@dataclass(frozen=True, kw_only=True)
class GradedSet:
    rows: list[Graded]
    counts: Counter[str]  # "read", "kept", "dropped_unlabelled"
    unread: list[Path]


def read(name: str, place: Path) -> list[Graded]:
    """The pairs alone."""
    return read_set(name, place).rows


def read_set(name: str, place: Path, naming: Naming | None = None) -> GradedSet:
    """The pairs of a file or of the files of a folder. The split is the first of the words train, dev, valid,
    validation and test in a file's name; a single file without one is a test set.

    Raises:
        InputError: no such file; a file of a folder that names no split; a malformed row, with file and row; two
            splits in files of the same bytes.
    """
    check_name(name)
    if not place.exists():
        raise InputError(f"{place}: no such file or folder (graded set {name})")
    files = [place] if place.is_file() else sorted(place.iterdir())
    paths = [path for path in files if path.is_file() and records.kind(path)]
    found = GradedSet(rows=[], counts=Counter(), unread=[path for path in files if path not in paths])
    for path in paths:
        split = split_of(path) or ("test" if place.is_file() else None)
        if split is None:
            raise InputError(f"{path}: expected a file name with one of the words {', '.join(SPLITS)}")
        found.rows.extend(read_file(path, split, found.counts, naming))
    if not found.rows:
        looked_for = ", *".join(records.SUFFIXES)
        raise InputError(f"{place}: no graded pairs in it (graded set {name}; looked for *{looked_for})")
    _require_different(name, paths)
    return found


def measured(place: Path) -> list[Path]:
    """The files of a set of which the pairs are not for training."""
    paths = [place] if place.is_file() else sorted(place.iterdir()) if place.is_dir() else []
    return [path for path in paths if path.is_file() and records.kind(path) and split_of(path) != "train"]


def require_measurable(name: str, rows: Sequence[Graded]) -> None:
    """Raises InputError where a split has fewer than two different grades: Spearman's correlation needs them."""
    for split in ("dev", "test"):
        grades = {row.score for row in rows if row.split == split and _has_letters(row)}
        if any(row.split == split for row in rows) and len(grades) < 2:
            got = f"{grades.pop():g} alone" if grades else "no pair with letters"
            raise InputError(f"graded set {name}: expected two or more different grades in {split}, got {got}")


def _require_different(name: str, paths: Sequence[Path]) -> None:
    """No file under two names of splits: what is trained on would be measured on."""
    seen: dict[str, Path] = {}
    for path in paths:
        other = seen.setdefault(file_hash(path), path)
        if split_of(other) != split_of(path):
            raise InputError(f"{path}: the same file as {other.name}, of another split (graded set {name})")


def check_name(name: str) -> None:
    """A set's name is a file's name too."""
    if not NAME.fullmatch(name):
        raise InputError(f"params.yaml: graded: expected a name of ASCII letters, digits, _ and -, got {name!r}")


def split_of(path: Path) -> Split | None:
    """The first of the words train, dev, valid, validation and test in a file's name."""
    words = re.split(r"[^a-z]+", path.name.lower())
    return next((SPLITS[word] for word in words if word in SPLITS), None)


def read_file(
    path: Path, split: Split, counts: Counter[str] | None = None, naming: Naming | None = None
) -> Iterator[Graded]:
    """Pairs with a number or a class of inference as label (records.py); "-" for a label drops the row."""
    counts = Counter() if counts is None else counts
    for where, record in named_records(path, naming):
        counts["read"] += 1
        one, two, given = records.pair(record, where)
        if isinstance(record, list) and given is None:
            raise InputError(f"{where}: expected 2 texts and a score, got {len(record)} fields")
        if isinstance(given, str) and given.strip() in labels.UNLABELLED:
            counts["dropped_unlabelled"] += 1
            continue
        counts["kept"] += 1
        yield _graded(one, two, given, split, where)


def graded(row: Mapping[str, Any], split: Split, where: str) -> Graded:
    """One object as a graded pair."""
    return _graded(*records.pair(row, where), split, where)


def _graded(one: str, other: str, score: object, split: Split, where: str) -> Graded:
    return Graded(sentence1=clean(one), sentence2=clean(other), score=grade(score, where), split=split)


def grade(value: object, where: str) -> float:
    """A score or a label as a number."""
    number = labels.grade(value, where)
    if number is None:
        raise InputError(f"{where}: expected a number as score, got {'nothing' if value is None else repr(value)}")
    return number


def _has_letters(row: Graded) -> bool:
    return bool(letters(row.sentence1) and letters(row.sentence2))


def write(name: str, rows: Sequence[Graded], folder: Path) -> Mapping[str, int]:
    """<name>.jsonl with {"sentence1", "sentence2", "score", "split"} rows; pairs of which a sentence has no letters are
    left out. Returns the counts."""
    usable = list(filter(_has_letters, rows))
    reading.write_rows(folder / f"{name}.jsonl", map(dataclasses.asdict, usable))
    counts = Counter(f"graded_{name}_{row.split}" for row in usable)
    empty = {f"graded_{name}_dropped_empty": len(rows) - len(usable)} if len(usable) < len(rows) else {}
    return {**counts, **empty}
