"""What happens to people's files: bytes, rows, names, settings, spoilt at random."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

from rosphere.preparation.records import SUFFIXES
from tests.clue.mutations import ODD, spoilt

DEEP, DIGITS = "[" * 20_000, "9" * 5_000
LINES = (
    DEEP, "{" + '"a":' * 3_000,
    f'{{"sentence1": {DIGITS}}}', '{"text": "甲", "text": "乙"}', '"', "null", "NaN", "5", "{}",
    "sentence1\tsentence2\tlabel", "label",
    "甲\t乙", "甲\t乙\t1e999", "甲||乙||nan", "\x00", "\u2028", " ", "\ud83d", "a,\"b",
)  # fmt: skip
NAMES = (
    "A.TXT",
    "[2023]语料.txt",
    "test.jsonl",
    "STS-B.test.data",
    "train",
    ".hidden.txt",
    "no.xlsx",
    "dev.CSV",
    "一.json",
)


def file(raw: bytes, source: random.Random) -> bytes:
    """The bytes with one thing done to them."""
    way, place = source.randrange(14), source.randrange(len(raw) + 1)
    lines = raw.split(b"\n")
    if way == 0:
        return raw[:place]
    if way in (1, 2):
        return raw[:place] + bytes([source.randrange(256)]) + raw[place + way - 1 :]
    if way == 3:
        return (
            raw[:place]
            + source.choice((b'"', b"\t", b"\n", b"{", b"[", b"\xff\xfe", b",", b"\r", b"\\u"))
            + raw[place:]
        )
    if way == 4:
        return b"\xef\xbb\xbf" + raw
    if way == 5:
        return raw.replace(b"\n", b"\r\n" if source.random() < 0.5 else b"\r")
    if way == 6:
        return source.choice((b"", b"\n\n", b" ", b"\xef\xbb\xbf"))
    if way == 7:
        return raw.decode("utf-8", "replace").encode(source.choice(("gbk", "utf-16", "utf-32", "big5")), "replace")
    if way == 8:
        return b"\n".join(source.sample(lines, len(lines)) + lines[:2])
    if way == 9:
        lines.insert(source.randrange(len(lines) + 1), source.choice(LINES).encode("utf-8", "surrogatepass"))
        return b"\n".join(lines)
    if way == 10:
        return b"[" + b",".join(line for line in lines if line) + b"]"
    if way == 11:
        return b"".join(lines)
    return _row(lines, source)


def _row(lines: list[bytes], source: random.Random) -> bytes:
    """One JSON row, or the fields of one line, in another form."""
    place = source.randrange(len(lines))
    try:
        row = spoilt(json.loads(lines[place]), source)
        if isinstance(row, dict) and len(row) > 1 and source.random() < 0.3:
            one, two = source.sample(list(row), 2)
            row[one], row[two] = row[two], row[one]
        lines[place] = json.dumps(row).encode()
    except (ValueError, RecursionError):
        fields = lines[place].split(b"\t")
        lines[place] = b"\t".join(source.sample(fields, len(fields)) * source.choice((1, 1, 2)))
    return b"\n".join(lines)


def folder(home: Path, source: random.Random) -> None:
    """One file below ``home`` is damaged, renamed, removed, or becomes a folder or a link to nothing."""
    path = source.choice(sorted(each for each in home.rglob("*") if each.is_file() and not each.is_symlink()))
    way = source.randrange(12)
    if way < 8:
        path.write_bytes(file(path.read_bytes(), source))
    elif way == 8:
        path.rename(path.parent / source.choice((*NAMES, path.stem + source.choice(SUFFIXES), path.name.upper())))
    elif way == 9:
        path.unlink()
    elif way == 10:
        path.unlink()
        path.mkdir()
    else:
        path.unlink()
        path.symlink_to(home / "nothing")


def settings(values: dict[str, Any], source: random.Random) -> dict[str, Any]:
    """The settings with one of them changed: a number, a key, a type."""
    values = copy.deepcopy(values)
    inside = values
    while True:
        key = source.choice(sorted(inside))
        if not (isinstance(inside[key], dict) and inside[key] and source.random() < 0.9):
            break
        inside = inside[key]
    old = inside[key]
    numbers = (0, -1, 1, 0.5, 1.0, -0.1, 1.5, 10**9, 10**30, float("nan"), float("inf"), 1e-300)
    if isinstance(old, int | float) and source.random() < 0.8:
        inside[key] = source.choice(numbers)
    elif isinstance(old, list) and old and source.random() < 0.7:
        inside[key] = [source.choice((*numbers, *old, "x")) for _ in range(source.randrange(4))]
    elif source.random() < 0.2:
        inside[f"{key}x"] = inside.pop(key)
    else:
        inside[key] = source.choice(ODD)
    return values
