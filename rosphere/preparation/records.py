"""One table of formats for all that users bring: which files are read, and how a file becomes records.

| ending         | records                                                                                    |
|----------------|--------------------------------------------------------------------------------------------|
| .txt           | lines; where pairs are expected as .tsv                                                    |
| .tsv, .data    | fields between tabs, or between || as STS-B was released; a header line may name them       |
| .csv           | fields as in RFC 4180; a header line may name them                                         |
| .jsonl, .json  | objects, one to a line, one behind another, or in one array                                |
| .parquet       | rows of an Apache Parquet file                                                             |

Endings in any case, UTF-8 with or without a byte-order mark. Text may be packed: .jsonl.gz, .txt.xz, .csv.zst.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rosphere.errors import InputError
from rosphere.preparation import parquet
from rosphere.preparation.objects import objects
from rosphere.text import reading
from rosphere.text.opening import PACKED, unpacked_name
from rosphere.text.reading import Meter

PARQUET = ".parquet"

SUFFIXES = (".txt", ".tsv", ".data", ".csv", ".jsonl", ".json", PARQUET)
Fields = list[str]
Record = Mapping[str, Any] | Fields  # by name, or in order where nothing names them
Header = Callable[[Fields, str], list[str] | None]  # (first line, its place) -> the names, None where it is a record
PAIRS = (
    ("sentence1", "sentence2"), ("source", "target"), ("query", "title"), ("text1", "text2"), ("text_a", "text_b"),
    ("sentence_a", "sentence_b"), ("question1", "question2"), ("query1", "query2"), ("q1", "q2"), ("s1", "s2"),
    ("sent1", "sent2"), ("premise", "hypothesis"), ("anchor", "positive"),
    ("句子1", "句子2"), ("问题1", "问题2"), ("文本1", "文本2"),
)  # fmt: skip
LABELS = ("label", "score", "gold_label", "similarity", "labela", "labelb", "标签", "分数", "相似度")
IDENTITY = re.compile(r"[A-Za-z0-9_.:-]*\d[A-Za-z0-9_.:-]*")  # of a row: 17, test-00017


def kind(path: Path) -> str:
    """The ending by which a file is read, "" for one that is not. What packed it does not count."""
    inner = unpacked_name(path)
    suffix = inner.suffix.lower()
    return suffix if suffix in SUFFIXES and (inner == path or suffix != PARQUET) else ""


def require_kind(path: Path) -> str:
    found = kind(path)
    if not found:
        packed = ", ".join(PACKED)
        raise InputError(f"{path}: expected a file that ends in {', '.join(SUFFIXES)}, or in that and {packed}")
    return found


def is_json(path: Path) -> bool:
    return kind(path) in (".jsonl", ".json")


def records(
    path: Path, *, header: Header | None = None, meter: Meter | None = None, columns: Sequence[str] = ()
) -> Iterator[tuple[str, Record]]:
    """(file:line, the record); a .txt is read as fields between tabs. Blank lines are no records.

    ``header`` tells of the first line of fields what it names; without it the names of two texts or one are known. Of a
    Parquet file only ``columns`` are read, where some are named. ``meter``: ``reading.lines``.
    """
    require_kind(path)
    if is_json(path):
        yield from objects(path, meter)
        return
    if kind(path) == PARQUET:
        yield from parquet.rows(path, columns, meter)
        return
    header = header or _header
    rows = _comma_separated(path, meter) if kind(path) == ".csv" else _tabbed(path, meter)
    names: list[str] | None = None
    for count, (where, fields) in enumerate(rows):
        if count == 0 and (names := header(fields, where)):
            continue
        if names is None:
            yield where, fields
        elif len(fields) == len(names):
            yield where, dict(zip(names, fields, strict=True))
        else:
            raise InputError(f"{where}: expected {len(names)} fields as the header names, got {len(fields)} fields")


def _tabbed(path: Path, meter: Meter | None) -> Iterator[tuple[str, Fields]]:
    for number, line in reading.lines(path, meter):
        if line.strip():
            yield f"{path}:{number}", line.split("||" if "\t" not in line and "||" in line else "\t")


def _comma_separated(path: Path, meter: Meter | None) -> Iterator[tuple[str, Fields]]:
    rows = csv.reader((f"{line}\n" for _, line in reading.lines(path, meter)), strict=True)
    while True:
        begin = rows.line_num + 1
        try:
            fields = next(rows, None)
        except csv.Error as error:
            raise InputError(f"{path}:{begin}: not CSV: {error}") from error
        if fields is None:
            return
        if any(field.strip() for field in fields):
            yield f"{path}:{begin}", fields


def _header(fields: Fields, where: str) -> list[str] | None:
    """The names in a first line, where it names two texts or one; None where it is a record.

    Raises:
        InputError: a line of names of which only some are known: no pair of sentences reads "sentence1".
    """
    names = [field.strip().lower() for field in fields]
    if "text" in names or any(set(pair) <= set(names) for pair in PAIRS):
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise InputError(f"{where}: the header names {twice!r} more than once")
        return names
    known = {name for pair in PAIRS for name in pair if not name.isalpha()} | set(LABELS)
    if len(names) > 1 and set(names) & known:
        pairs = ", ".join("/".join(pair) for pair in PAIRS)
        raise InputError(f"{where}: the header {names} names no two texts; known are {pairs}")
    return None


def is_pair(record: Record) -> bool:
    return isinstance(record, list) or any(set(pair) & record.keys() for pair in PAIRS)


def pair(record: Record, where: str) -> tuple[str, str, object]:
    """Two texts and what stands for a label: None where nothing does."""
    if isinstance(record, list):
        return _pair_in_order(record, where)
    lowered = {key.lower(): value for key, value in record.items()}
    keys = next((pair for pair in PAIRS if set(pair) <= lowered.keys()), None) or next(
        (pair for pair in PAIRS if set(pair) & lowered.keys()), PAIRS[0]
    )
    one, two = (reading.text_at(lowered, key, where) for key in keys)
    return one, two, next((lowered[key] for key in LABELS if key in lowered), None)


def _pair_in_order(fields: Sequence[Any], where: str) -> tuple[str, str, object]:
    """a, b; a, b, label; id, a, b, label."""
    given = list(fields)
    if len(given) == 4 and IDENTITY.fullmatch(str(given[0]).strip()):
        given = given[1:]
    if len(given) not in (2, 3) or not all(isinstance(text, str) for text in given[:2]):
        raise InputError(f"{where}: expected 2 texts and perhaps a label, got {len(fields)} fields")
    return given[0], given[1], given[2] if len(given) == 3 else None


def text(record: Record, where: str) -> str:
    """The one text of a record: of named fields "text"."""
    if not isinstance(record, list):
        return reading.text_at(record, "text", where)
    if len(record) != 1 or not isinstance(record[0], str):
        raise InputError(f"{where}: expected one text or a header line with a column 'text', got {len(record)} fields")
    return record[0]
