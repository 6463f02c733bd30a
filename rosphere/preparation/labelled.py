"""Rows about pairs and groups of sentences, taken apart: what is alike, what is not, and what is dropped for which
reason. Every row read is kept or counted under its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rosphere.errors import InputError
from rosphere.preparation import records
from rosphere.preparation.naming import NamedFiles, Naming, named_records
from rosphere.preparation.records import Record
from rosphere.preparation.source import Group, Negative
from rosphere.text import labels, reading
from rosphere.text.cleaning import clean

Given = float | labels.Inference | None


@dataclass(frozen=True, kw_only=True)
class PairFiles(NamedFiles):
    ROLES = ("sentence1", "sentence2", "label", "text", "synonyms")


@dataclass(kw_only=True)
class Labelled:
    """``counts``: "read", "kept" and "dropped_<reason>"; and "positives" and "negatives", of the pairs kept."""

    groups: list[Group] = field(default_factory=list)
    negatives: list[Negative] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, other: Labelled) -> None:
        self.groups += other.groups
        self.negatives += other.negatives
        self.counts += other.counts


def read(path: Path, *, positive_from: float | None = None, naming: Naming | None = None) -> Labelled:
    return sorted_out(named_records(path, naming), positive_from=positive_from)


def sorted_out(rows: Iterable[tuple[str, Record]], *, positive_from: float | None = None) -> Labelled:
    """Rows of one file: {"text", "synonyms"} are groups, all others pairs, alike where they have no label at all.

    ``positive_from`` is for files with grades: those that hold a number other than 0 and 1.

    Raises:
        InputError: a malformed row; a grade, where there is no ``positive_from``.
    """
    found = Labelled()
    pairs: list[tuple[str, str, str, bool, Given]] = []
    for where, record in rows:
        found.counts["read"] += 1
        if isinstance(record, dict) and "synonyms" in record:
            found.groups.append(_group(record, where))
            found.counts["kept"] += 1
        else:
            one, two, given = records.pair(record, where)
            has_label = given is not None or (isinstance(record, dict) and _names_a_label(record))
            pairs.append((where, clean(one), clean(two), has_label, labels.value(given, where)))
    graded = any(isinstance(label, float) and label not in (0, 1) for *_, label in pairs)
    threshold = positive_from if graded else None
    for where, one, two, has_label, label in pairs:
        reason = _keep(found, where, (one, two), has_label, label, threshold)
        found.counts[reason or "kept"] += 1
    return found


def _keep(
    found: Labelled, where: str, texts: tuple[str, str], has_label: bool, label: Given, threshold: float | None
) -> str | None:
    """Puts a pair where it belongs, or says why it belongs nowhere."""
    if label is None and has_label:
        return "dropped_unlabelled"
    alike = True if label is None else labels.is_alike(label, where, positive_from=threshold)
    if alike is None:
        return "dropped_neutral" if isinstance(label, str) else "dropped_below_positive_from"
    if alike:
        found.groups.append(Group(name=where, family=where, texts=texts))
    else:
        found.negatives.append(Negative(name=where, sentence1=texts[0], sentence2=texts[1]))
    found.counts["positives" if alike else "negatives"] += 1
    return None


def _names_a_label(record: dict[str, object]) -> bool:
    return any(key.lower() in records.LABELS for key in record)


def _group(record: dict[str, object], where: str) -> Group:
    synonyms = record["synonyms"]
    if not isinstance(synonyms, list) or not all(isinstance(text, str) for text in synonyms):
        raise InputError(f"{where}: expected a list of texts under 'synonyms', got {repr(synonyms)[:60]}")
    texts = (reading.text_at(record, "text", where), *synonyms)
    return Group(name=where, family=where, texts=tuple(map(clean, texts)))


def reasons(counts: Mapping[str, int]) -> Iterator[str]:
    """The counts in words: "3 dropped_neutral"."""
    return (f"{count} {name}" for name, count in counts.items() if name.startswith("dropped") and count)
