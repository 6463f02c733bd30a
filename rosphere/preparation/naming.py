"""What the fields of users' files are called: by a header line, by names in order, and by ours for theirs."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from rosphere.errors import InputError
from rosphere.preparation import records
from rosphere.preparation.records import LABELS, PAIRS, Fields, Record
from rosphere.text.reading import Meter

KNOWN = {name for pair in PAIRS for name in pair} | set(LABELS)


@dataclass(frozen=True, kw_only=True)
class Naming:
    """``fields`` are ours for theirs, ``columns`` their names in order where no header has them; ``known`` are the
    names by one of which a header is recognised where none is given."""

    fields: Mapping[str, str | list[str]] = dataclasses.field(default_factory=dict)
    columns: Sequence[str] = ()
    known: Collection[str] = dataclasses.field(default_factory=lambda: KNOWN)

    def header(self, first: Fields, where: str) -> list[str] | None:
        """The names of the columns, where the first line is a header; None where ``columns`` names them and it is not.

        Raises:
            InputError: nothing names the columns, or one name stands twice.
        """
        names = [name.strip() for name in first]
        if self.columns:
            self._require_as_many(first, where)
            return names if names == list(self.columns) else None
        if not self._is_header(names):
            raise InputError(f"{where}: {self._expected(names)}, got {names}")
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise InputError(f"{where}: the header names {twice!r} more than once")
        return names

    def _expected(self, names: Sequence[str]) -> str:
        """Of a first line that is no header."""
        if missing := [each for each in self._given() if each not in names]:
            return f"expected a header line with the column {missing[0]!r}, which fields names, or columns: [...]"
        return (
            "expected a header line that names the columns as is usual; of other names fields: {OURS: THEIRS} says "
            "which is which, and without a header columns: [...] names them"
        )

    def _given(self) -> list[str]:
        return [each for theirs in self.fields.values() for each in ([theirs] if isinstance(theirs, str) else theirs)]

    def _is_header(self, names: Sequence[str]) -> bool:
        """Whether all that is given stands in it; where nothing is given, one known name."""
        given = self._given()
        return set(given) <= set(names) if given else any(name.lower() in self.known for name in names)

    def _require_as_many(self, fields: Fields, where: str) -> None:
        if len(fields) != len(self.columns):
            raise InputError(f"{where}: expected {len(self.columns)} fields as columns names, got {len(fields)} fields")

    def theirs(self, ours: str) -> list[str]:
        """What a field is called in the files."""
        given = self.fields.get(ours, ours)
        return [given] if isinstance(given, str) else given

    def by_name(self, record: Record, where: str) -> Mapping[str, Any]:
        """A record whose fields have names: those of ``columns``, where it has none itself."""
        if isinstance(record, Mapping):
            return record
        self._require_as_many(record, where)
        return dict(zip(self.columns, record, strict=True))

    def ours(self, record: Record, where: str) -> Record:
        """The record under our names. Raises InputError where a name that is given does not stand in it."""
        if not self.fields and not self.columns:
            return record
        found = self.by_name(record, where)
        missing = next((theirs for theirs in self.fields.values() if theirs not in found), None)
        if missing is not None:
            raise InputError(f"{where}: expected {missing!r}, which fields names, the row has {', '.join(found)}")
        return {**found, **{ours: found[str(theirs)] for ours, theirs in self.fields.items()}}


@dataclass(frozen=True, kw_only=True)
class NamedFiles:
    """Files whose fields have names of their own: ours, ``ROLES``, for theirs, or theirs in order."""

    ROLES: ClassVar[Sequence[str]] = ()

    files: str  # file, folder or glob
    fields: dict[str, str] = dataclasses.field(default_factory=dict)
    columns: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        unknown = [name for name in self.fields if name not in self.ROLES]
        if unknown:
            raise InputError(f"fields: expected some of {', '.join(self.ROLES)}, got {unknown[0]!r}")


def place_of(given: str | NamedFiles) -> str:
    """The file, folder or glob."""
    return given if isinstance(given, str) else given.files


def naming_of(given: str | NamedFiles) -> Naming | None:
    """What its fields are called; None where nothing is said of that."""
    if isinstance(given, str) or not (given.fields or given.columns):
        return None
    return Naming(fields=given.fields, columns=given.columns)


def named_records(
    path: Path, naming: Naming | None, meter: Meter | None = None, columns: Sequence[str] = ()
) -> Iterator[tuple[str, Record]]:
    """(file:line, the record under our names); ``meter`` and ``columns``: ``records.records``."""
    if naming is None:
        yield from records.records(path, meter=meter, columns=columns)
        return
    theirs = [name for each in columns for name in naming.theirs(each)]
    for where, record in records.records(path, header=naming.header, meter=meter, columns=theirs):
        yield where, naming.ours(record, where)
