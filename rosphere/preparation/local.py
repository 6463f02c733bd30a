"""The user's own files: text, similar groups or pairs, answers, graded pairs (formats: records.py); tasks in CLUE's
layout."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from rosphere.clue import reading as clue
from rosphere.errors import InputError
from rosphere.preparation import finding, labelled, records
from rosphere.preparation import graded as graded_pairs
from rosphere.preparation.finding import Found
from rosphere.preparation.graded import GradedFiles, GradedSet
from rosphere.preparation.labelled import Labelled, PairFiles
from rosphere.preparation.naming import NamedFiles, Naming, named_records, naming_of, place_of
from rosphere.preparation.source import Group, Source, Text
from rosphere.text import reading
from rosphere.text.reading import Meter

NamedPaths = tuple[Found, Naming | None]
MOST_WEIGHT = 100
NAMED = 20  # files in the report


@dataclass(frozen=True, kw_only=True)
class TextFiles(NamedFiles):
    ROLES = ("text",)

    weight: float = 1.0  # how often each of its documents is read in an epoch

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.weight <= MOST_WEIGHT:
            raise InputError(f"weight: expected more than 0 and {MOST_WEIGHT} at most, got {self.weight}")


def load(
    text: Sequence[str | TextFiles],
    pairs: Sequence[str | PairFiles],
    tasks: str | None,
    names: Sequence[str],
    *,
    general: Sequence[str | PairFiles] = (),
    answers: Sequence[str] = (),
    graded: Mapping[str, str | GradedFiles] = MappingProxyType({}),
    positive_from: float | None = None,
) -> Source:
    """``text``, ``pairs``, ``general`` and ``answers`` are files, folders or globs; ``tasks`` a folder with one folder
    per task; ``graded`` maps the name of a set of graded pairs to its file or folder; ``positive_from`` is the grade
    from which on a graded pair among ``pairs`` is alike."""
    texts, paired, mixed = _named(text, "text"), _named(pairs, "pairs"), _named(general, "general")
    answered = finding.files(answers, "prepare.local.answers")
    if not texts:
        raise InputError("params.yaml: prepare.local.text: expected files, folders or globs with text, got none")

    meter = Meter(size=sum(path.stat().st_size for each, _ in texts for path in each.read))

    def of_place(each: Found, naming: Naming | None) -> Iterator[str]:
        for path in each.read:
            before = path.stat()
            yield from read_documents(path, naming, meter)
            require_unchanged(path, before)

    def documents() -> Iterator[str]:
        meter.done = 0
        for each, naming in texts:
            yield from of_place(each, naming)

    found = read_pairs(paired, positive_from=positive_from)
    others = read_pairs(mixed, positive_from=positive_from, key="general")
    folder = Path(tasks) if tasks else None
    read = {name: clue.read_folder(folder / name, name) for name in names} if folder else {}
    sets = {name: _graded(name, given) for name, given in graded.items()}
    named = [each.unread for each, _ in (*texts, *paired, *mixed)]
    unread = [*named, answered.unread, *(each.unread for each in sets.values())]
    return Source(
        documents=documents,
        groups=found.groups,
        negatives=found.negatives,
        general=others.groups,
        tasks={name: splits for name, (splits, _) in read.items()},
        origin={"documents": _named_first([path for each, _ in texts for path in each.read])},
        counts={name: counts for name, (_, counts) in read.items()},
        answers=lambda: itertools.chain.from_iterable(map(read_answers, answered.read)),
        graded={name: each.rows for name, each in sets.items()},
        rows={
            "pairs": found.counts,
            **({"general": others.counts} if general else {}),
            **{f"graded_{name}": each.counts for name, each in sets.items()},
        },
        texts=[
            Text(name=place_of(given), documents=partial(of_place, each, naming), weight=_weight(given))
            for given, (each, naming) in zip(text, texts, strict=True)
        ],
        progress=meter,
        unread=sorted({str(path) for paths in unread for path in paths}),
    )


def _named_first(paths: Sequence[Path]) -> str:
    """Some of the files by name; of a million it is enough to know how many there are."""
    more = f" and {len(paths) - NAMED:,} more" if len(paths) > NAMED else ""
    return ", ".join(map(str, paths[:NAMED])) + more


def _weight(given: str | TextFiles) -> float:
    return 1.0 if isinstance(given, str) else given.weight


def require_unchanged(path: Path, before: os.stat_result) -> None:
    """Raises InputError where a file that was read has grown meanwhile, has shrunk, or is gone."""
    try:
        now = path.stat()
    except FileNotFoundError as error:
        raise InputError(f"{path}: removed while it was read; run again with a copy that stays as it is") from error
    if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise InputError(
            f"{path}: changed while it was read, from {before.st_size} to {now.st_size} bytes; run again with a copy"
            " that stays as it is"
        )


def _named(given: Sequence[str | NamedFiles], key: str) -> list[NamedPaths]:
    return [(finding.files([place_of(each)], f"prepare.local.{key}"), naming_of(each)) for each in given]


def _graded(name: str, given: str | GradedFiles) -> GradedSet:
    return graded_pairs.read_set(name, Path(place_of(given)), naming_of(given))


def probe(text: Sequence[str | TextFiles], documents: int = 1000) -> tuple[list[str], bool]:
    """The first documents of every file of text, read so that a wrong format is seen before any work begins; and
    whether these are all."""
    found = [
        list(itertools.islice(read_documents(path, naming), documents + 1))
        for each, naming in _named(text, "text")
        for path in each.read
    ]
    first = [document for each in found for document in each[:documents]]
    return first, all(len(each) <= documents for each in found)


def read_documents(path: Path, naming: Naming | None = None, meter: Meter | None = None) -> Iterator[str]:
    """A line of a .txt file, or the "text" of any other record, is a document."""
    if records.require_kind(path) == ".txt" and naming is None:
        yield from (line for _, line in reading.lines(path, meter))
    else:
        found = named_records(path, naming, meter, ["text"])
        yield from (records.text(record, where) for where, record in found)


def read_pairs(paths: Sequence[NamedPaths], *, positive_from: float | None, key: str = "pairs") -> Labelled:
    """Raises InputError where there are pairs and none of them is alike."""
    found = Labelled()
    for each, naming in paths:
        for path in each.read:
            found.add(labelled.read(path, positive_from=positive_from, naming=naming))
    if paths and not found.groups:
        why = ", ".join([*labelled.reasons(found.counts), f"{found.counts['negatives']} not alike"])
        raise InputError(
            f"params.yaml: prepare.local.{key}: expected pairs that are alike, got none of {found.counts['read']} rows"
            f" ({why})"
        )
    return found


def read_groups(path: Path) -> Iterator[Group]:
    """{"text", "synonyms"} or {"sentence1", "sentence2"[, "label"]} records: what is alike."""
    yield from labelled.read(path).groups


def read_answers(path: Path) -> Iterator[list[str]]:
    """The answers of {"question": ..., "answers": [...]} objects, or of fields question, answer, answer, ..."""
    for where, record in records.records(path):
        if isinstance(record, list):
            yield record[1:]
            continue
        reading.text_at(record, "question", where)
        answers = record.get("answers")
        if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
            raise InputError(f"{where}: expected a list of texts under 'answers', got {repr(answers)[:60]}")
        yield answers
