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
