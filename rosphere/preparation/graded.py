"""Graded pairs of sentences for evaluation (STS-B, LCQMC, ATEC, SOHU, ...), from files as they were released."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from rosphere.errors import InputError
from rosphere.preparation.objects import objects, two_texts
from rosphere.preparation.source import Graded
from rosphere.text import reading
from rosphere.text.cleaning import clean, letters

Split = Literal["train", "dev", "test"]
SPLITS: dict[str, Split] = {
    "train": "train", "dev": "dev", "valid": "dev", "validation": "dev", "test": "test",
}  # fmt: skip
SUFFIXES = (".txt", ".tsv", ".json", ".jsonl")
SCORES = ("score", "label")
NAME = re.compile(r"[A-Za-z0-9_-]+")


def read(name: str, place: Path) -> list[Graded]:
    """The pairs of a file or of the files of a folder. The split is the first of the words train, dev, valid,
    validation and test in a file's name; a single file without one is a test set.

    Raises:
        InputError: no such file; a file of a folder that names no split; a malformed row, with file and row.
    """
    check_name(name)
    if place.is_file():
        return list(read_file(place, _split(place) or "test"))
    if not place.is_dir():
        raise InputError(f"{place}: no such file or folder (graded set {name})")
    rows: list[Graded] = []
    paths = sorted(path for path in place.iterdir() if path.suffix in SUFFIXES)
    for path in paths:
        split = _split(path)
        if split is None:
            raise InputError(f"{path}: expected a file name with one of the words {', '.join(SPLITS)}")
        rows += read_file(path, split)
    if not rows:
        raise InputError(f"{place}: no graded pairs in it (graded set {name}; looked for *{', *'.join(SUFFIXES)})")
    return rows


def check_name(name: str) -> None:
    """A set's name is a file's name too."""
    if not NAME.fullmatch(name):
        raise InputError(f"params.yaml: graded: expected a name of ASCII letters, digits, _ and -, got {name!r}")


def _split(path: Path) -> Split | None:
    words = re.split(r"[^a-z]+", path.name.lower())
    return next((SPLITS[word] for word in words if word in SPLITS), None)


def read_file(path: Path, split: Split) -> Iterator[Graded]:
    """a<TAB>b<TAB>score lines of a .txt or .tsv; else objects {"sentence1", "sentence2", "score"}; "label" will do for
    "score", and "source" and "target", as in SOHU's files, for the sentences."""
    if path.suffix in (".txt", ".tsv"):
        yield from _tabbed(path, split)
        return
    for where, row in objects(path):
        yield graded(row, split, where)


def graded(row: Mapping[str, Any], split: Split, where: str) -> Graded:
    """One object as a graded pair."""
    one, other = two_texts(row, where)
    return _graded(one, other, next((row[key] for key in SCORES if key in row), None), split, where)


def _tabbed(path: Path, split: Split) -> Iterator[Graded]:
    for number, line in reading.lines(path):
        fields = line.split("\t")
        if len(fields) != 3:
            raise InputError(f"{path}:{number}: expected 2 texts and a score, got {len(fields)} fields")
        yield _graded(fields[0], fields[1], fields[2], split, f"{path}:{number}")


def _graded(one: str, other: str, score: object, split: Split, where: str) -> Graded:
    return Graded(sentence1=clean(one), sentence2=clean(other), score=grade(score, where), split=split)


def grade(value: object, where: str) -> float:
    """A score or a label as a number."""
    try:
        number = float(value) if isinstance(value, int | float | str) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{where}: expected a number as score, got {'nothing' if value is None else repr(value)}")
    return number


def write(name: str, rows: Sequence[Graded], folder: Path) -> Mapping[str, int]:
    """<name>.jsonl with {"sentence1", "sentence2", "score", "split"} rows; pairs of which a sentence has no letters are
    left out. Returns the counts."""
    usable = [row for row in rows if letters(row.sentence1) and letters(row.sentence2)]
    reading.write_rows(folder / f"{name}.jsonl", map(dataclasses.asdict, usable))
    counts = Counter(f"graded_{name}_{row.split}" for row in usable)
    empty = {f"graded_{name}_dropped_empty": len(rows) - len(usable)} if len(usable) < len(rows) else {}
    return {**counts, **empty}
