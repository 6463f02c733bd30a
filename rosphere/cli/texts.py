"""The texts a command is given: as arguments, in a file, on standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rosphere.errors import InputError

STANDARD_INPUT = Path("-")


def given(texts: Sequence[str] | None, file: Path | None) -> list[str]:
    """The arguments, then the texts of the file."""
    return [*(texts or ()), *(_of_file(file) if file else ())]


def _of_file(file: Path) -> Iterator[str]:
    """The texts of a file, one a line, or of standard input for "-"; blank lines are skipped."""
    from rosphere.text import reading

    empty = True
    for _, line in _standard_input() if file == STANDARD_INPUT else reading.lines(file):
        if line.strip():
            empty = False
            yield line
    if empty:
        raise InputError(f"{file}: expected a text a line, got none")


def _standard_input() -> Iterator[tuple[int, str]]:
    if sys.stdin is None:
        raise InputError("-: standard input is closed")
    for number, raw in enumerate(sys.stdin.buffer, 1):
        try:
            yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(f"-:{number}: not UTF-8 (byte {error.start} of the line)") from error


def of_pairs(file: Path) -> list[str]:
    """All texts of a file of pairs as `prepare` writes it."""
    from rosphere.text import reading

    found: list[str] = []
    for number, row in reading.rows(file):
        synonyms = row.get("synonyms", [])
        if not (isinstance(synonyms, list) and all(isinstance(each, str) for each in synonyms)):
            raise InputError(f"{file}:{number}: expected a list of texts under 'synonyms', got {synonyms!r:.80}")
        found += [reading.text_field(row, "text", path=file, number=number), *synonyms]
    if not found:
        raise InputError(f"{file}: expected rows with a text, got none")
    return found
