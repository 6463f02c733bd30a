"""The user's own files: text, similar groups or pairs, answers, graded pairs (formats: records.py); tasks in CLUE's
layout."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from rosphere.clue import reading as clue
from rosphere.errors import InputError
from rosphere.preparation import finding, labelled, records
from rosphere.preparation import graded as graded_pairs
from rosphere.preparation.graded import GradedFiles, GradedSet, place_of
from rosphere.preparation.labelled import Labelled
from rosphere.preparation.source import Group, Source
from rosphere.text import reading


def load(
    text: Sequence[str],
    pairs: Sequence[str],
    tasks: str | None,
    names: Sequence[str],
    *,
    answers: Sequence[str] = (),
    graded: Mapping[str, str | GradedFiles] = MappingProxyType({}),
    positive_from: float | None = None,
) -> Source:
    """``text``, ``pairs`` and ``answers`` are files, folders or globs; ``tasks`` a folder with one folder per task;
    ``graded`` maps the name of a set of graded pairs to its file or folder; ``positive_from`` is the grade from which
    on a graded pair among ``pairs`` is alike."""
    texts, paired, answered = (
        finding.files(files, f"prepare.local.{key}")
        for key, files in (("text", text), ("pairs", pairs), ("answers", answers))
    )
    if not texts.read:
        raise InputError("params.yaml: prepare.local.text: expected files, folders or globs with text, got none")

    def documents() -> Iterator[str]:
        for path in texts.read:
            yield from read_documents(path)

    found = read_pairs(paired.read, positive_from=positive_from)
    folder = Path(tasks) if tasks else None
    read = {name: clue.read_folder(folder / name, name) for name in names} if folder else {}
    sets = {name: _graded(name, given) for name, given in graded.items()}
    unread = [texts.unread, paired.unread, answered.unread, *(each.unread for each in sets.values())]
    return Source(
        documents=documents,
        groups=found.groups,
        negatives=found.negatives,
        tasks={name: splits for name, (splits, _) in read.items()},
        origin={"documents": ", ".join(map(str, texts.read))},
        counts={name: counts for name, (_, counts) in read.items()},
        answers=lambda: itertools.chain.from_iterable(map(read_answers, answered.read)),
        graded={name: each.rows for name, each in sets.items()},
        rows={"pairs": found.counts, **{f"graded_{name}": each.counts for name, each in sets.items()}},
        unread=sorted({str(path) for paths in unread for path in paths}),
    )


def _graded(name: str, given: str | GradedFiles) -> GradedSet:
    return graded_pairs.read_set(name, Path(place_of(given)), None if isinstance(given, str) else given.naming)


def probe(text: Sequence[str], documents: int = 1000) -> tuple[list[str], bool]:
    """The first documents of every file of text, read so that a wrong format is seen before any work begins; and
    whether these are all."""
    paths = finding.files(text, "prepare.local.text").read
    found = [list(itertools.islice(read_documents(path), documents + 1)) for path in paths]
    first = [document for each in found for document in each[:documents]]
    return first, all(len(each) <= documents for each in found)


def read_documents(path: Path) -> Iterator[str]:
    """A line of a .txt file, or the "text" of any other record, is a document."""
    if records.require_kind(path) == ".txt":
        yield from (line for _, line in reading.lines(path))
    else:
        yield from (records.text(record, where) for where, record in records.records(path))


def read_pairs(paths: Sequence[Path], *, positive_from: float | None) -> Labelled:
    """Raises InputError where there are pairs and none of them is alike."""
    found = Labelled()
    for path in paths:
        found.add(labelled.read(path, positive_from=positive_from))
    if paths and not found.groups:
        why = ", ".join([*labelled.reasons(found.counts), f"{found.counts['negatives']} not alike"])
        raise InputError(
            f"params.yaml: prepare.local.pairs: expected pairs that are alike, got none of {found.counts['read']} rows"
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
