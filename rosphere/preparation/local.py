"""The user's own files: plain text or JSON lines, similar groups or pairs, tasks in CLUE's layout."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from rosphere.clue import reading as clue
from rosphere.errors import InputError
from rosphere.preparation.source import Group, Source
from rosphere.text import reading
from rosphere.text.cleaning import clean

TEXT_SUFFIXES = (".txt", ".jsonl", ".json")


def load(text: Sequence[str], pairs: Sequence[str], tasks: str | None, names: Sequence[str]) -> Source:
    """``text`` and ``pairs`` are files, folders or globs; ``tasks`` a folder with one folder per task."""
    texts = _files(text, "prepare.local.text")
    if not texts:
        raise InputError("params.yaml: prepare.local.text: expected files, folders or globs with text, got none")

    def documents() -> Iterator[str]:
        for path in texts:
            yield from _documents(path)

    groups = [group for path in _files(pairs, "prepare.local.pairs") for group in read_groups(path)]
    folder = Path(tasks) if tasks else None
    rows = {name: clue.read_folder(folder / name, name) for name in names} if folder else {}
    return Source(documents=documents, groups=groups, tasks=rows, origin={"documents": ", ".join(map(str, texts))})


def _files(patterns: Sequence[str], key: str) -> list[Path]:
    found: list[Path] = []
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            matches = sorted(file for file in path.rglob("*") if file.suffix in TEXT_SUFFIXES)
        else:
            matches = sorted(map(Path, glob.glob(pattern, recursive=True)))
        if not matches:
            raise InputError(f"params.yaml: {key}: nothing found at {pattern}")
        found += [file for file in matches if file.is_file()]
    empty = [file for file in found if file.stat().st_size == 0]
    if empty:
        raise InputError(f"{empty[0]}: the file is empty")
    return found


def _documents(path: Path) -> Iterator[str]:
    """A line of a .txt file, or the "text" of a JSON line, is a document."""
    if path.suffix == ".txt":
        for _, line in reading.lines(path):
            yield line
    else:
        for number, row in reading.rows(path):
            yield reading.text_field(row, "text", path=path, number=number)


def read_groups(path: Path) -> Iterator[Group]:
    """{"text", "synonyms"} or {"sentence1", "sentence2"[, "label"]} lines, or tab-separated pairs."""
    if path.suffix in (".txt", ".tsv"):
        yield from _tabbed(path)
        return
    for number, row in reading.rows(path):
        name = f"{path}:{number}"
        if "synonyms" in row:
            synonyms = row["synonyms"]
            if not isinstance(synonyms, list) or not synonyms or not all(isinstance(s, str) for s in synonyms):
                raise InputError(f"{path}:{number}: expected a list of texts under 'synonyms', got {synonyms!r}")
            texts = (reading.text_field(row, "text", path=path, number=number), *synonyms)
        elif str(row.get("label", "1")) == "1":
            texts = tuple(reading.text_field(row, k, path=path, number=number) for k in ("sentence1", "sentence2"))
        else:
            continue
        yield Group(name=name, family=name, texts=tuple(map(clean, texts)))


def _tabbed(path: Path) -> Iterator[Group]:
    for number, line in reading.lines(path):
        fields = line.split("\t")
        if len(fields) not in (2, 3):
            raise InputError(f"{path}:{number}: expected 2 texts and perhaps a label, got {len(fields)} fields")
        if len(fields) == 2 or fields[2] == "1":
            name = f"{path}:{number}"
            yield Group(name=name, family=name, texts=(clean(fields[0]), clean(fields[1])))
