"""The user's own files: plain text or JSON lines, similar groups or pairs, tasks in CLUE's layout."""

from __future__ import annotations

import glob
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from rosphere.clue import reading as clue
from rosphere.errors import InputError
from rosphere.files import below
from rosphere.preparation import graded as graded_pairs
from rosphere.preparation.objects import objects, two_texts
from rosphere.preparation.source import Group, Source
from rosphere.text import reading
from rosphere.text.cleaning import clean

TEXT_SUFFIXES = (".txt", ".jsonl", ".json")


def load(
    text: Sequence[str],
    pairs: Sequence[str],
    tasks: str | None,
    names: Sequence[str],
    *,
    answers: Sequence[str] = (),
    graded: Mapping[str, str] = MappingProxyType({}),
) -> Source:
    """``text``, ``pairs`` and ``answers`` are files, folders or globs; ``tasks`` a folder with one folder per task;
    ``graded`` maps the name of a set of graded pairs to its file or folder."""
    texts = _files(text, "prepare.local.text")
    if not texts:
        raise InputError("params.yaml: prepare.local.text: expected files, folders or globs with text, got none")

    def documents() -> Iterator[str]:
        for path in texts:
            yield from _documents(path)

    answered = _files(answers, "prepare.local.answers")
    groups = [group for path in _files(pairs, "prepare.local.pairs") for group in read_groups(path)]
    folder = Path(tasks) if tasks else None
    read = {name: clue.read_folder(folder / name, name) for name in names} if folder else {}
    return Source(
        documents=documents,
        groups=groups,
        tasks={name: splits for name, (splits, _) in read.items()},
        origin={"documents": ", ".join(map(str, texts))},
        counts={name: counts for name, (_, counts) in read.items()},
        answers=lambda: itertools.chain.from_iterable(map(read_answers, answered)),
        graded={name: graded_pairs.read(name, Path(place)) for name, place in graded.items()},
    )


def probe(text: Sequence[str], documents: int = 1000) -> None:
    """Reads the first documents of every file of text, so that a wrong format is seen before any work begins."""
    for path in _files(text, "prepare.local.text"):
        for _ in itertools.islice(_documents(path), documents):
            pass


def _files(patterns: Sequence[str], key: str) -> list[Path]:
    found: list[Path] = []
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            matches = [file for file in below(path) if file.suffix in TEXT_SUFFIXES]
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
    """{"text", "synonyms"} or {"sentence1", "sentence2"[, "label"]} objects, or tab-separated pairs."""
    if path.suffix in (".txt", ".tsv"):
        yield from _tabbed(path)
        return
    for where, row in objects(path):
        texts: tuple[str, ...]
        if "synonyms" in row:
            synonyms = row["synonyms"]
            if not isinstance(synonyms, list) or not all(isinstance(text, str) for text in synonyms):
                raise InputError(f"{where}: expected a list of texts under 'synonyms', got {synonyms!r}")
            texts = (reading.text_at(row, "text", where), *synonyms)
        elif str(row.get("label", "1")) == "1":
            texts = two_texts(row, where)
        else:
            continue
        yield Group(name=where, family=where, texts=tuple(map(clean, texts)))


def read_answers(path: Path) -> Iterator[list[str]]:
    """The answers of {"question": ..., "answers": [...]} lines."""
    for number, row in reading.rows(path):
        reading.text_field(row, "question", path=path, number=number)
        answers = row.get("answers")
        if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
            raise InputError(f"{path}:{number}: expected a list of texts under 'answers', got {answers!r}")
        yield answers


def _tabbed(path: Path) -> Iterator[Group]:
    for number, line in reading.lines(path):
        fields = line.split("\t")
        if len(fields) not in (2, 3):
            raise InputError(f"{path}:{number}: expected 2 texts and perhaps a label, got {len(fields)} fields")
        if len(fields) == 2 or fields[2] == "1":
            name = f"{path}:{number}"
            yield Group(name=name, family=name, texts=(clean(fields[0]), clean(fields[1])))
