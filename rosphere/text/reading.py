"""Text files from users: UTF-8, packed or not, line by line, and every complaint with file and line."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rosphere.errors import InputError
from rosphere.text.opening import opened

LONGEST = 64 << 20  # bytes of a line
METERED = 100  # lines after which a meter learns


@dataclass(kw_only=True)
class Meter:
    """How far files are read one after another: bytes of ``size``, which is 0 where nobody knows it."""

    size: int = 0
    done: int = 0


def lines(path: Path, meter: Meter | None = None) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of a UTF-8 file; a leading byte-order mark is ignored. ``meter`` learns
    how many bytes of the file, as it lies on disk, are read."""
    before = meter.done if meter else 0
    with opened(path) as (file, on_disk):
        for number in itertools.count(1):
            raw = file.readline(LONGEST + 1)
            if not raw:
                break
            if len(raw) > LONGEST:
                raise InputError(
                    f"{path}:{number}: expected a document or a record to a line (JSON lines instead of one array), got"
                    f" a line of more than {LONGEST >> 20} MiB"
                )
            try:
                line = raw.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise InputError(f"{path}:{number}: not UTF-8 (byte {error.start} of the line){other(raw)}") from error
            if meter and number % METERED == 0:
                meter.done = before + on_disk.tell()
            yield number, line.removeprefix("\ufeff") if number == 1 else line
        if meter:
            meter.done = before + on_disk.tell()


def other(raw: bytes) -> str:
    """What to do about bytes that are not UTF-8, where they can be GBK, as programs save Chinese under Windows."""
    try:
        raw.decode("gb18030")
    except UnicodeDecodeError:
        return ""
    return "; it may be GBK: `iconv -f gb18030 -t utf-8 OLD > NEW` makes UTF-8 of it"


def rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of a JSON-lines file; blank lines are skipped."""
    for number, line in lines(path):
        if not line.strip():
            continue
        row = parsed(line, f"{path}:{number}")
        if not isinstance(row, dict):
            raise InputError(f"{path}:{number}: expected a JSON object, got {type(row).__name__}")
        yield number, row


def parsed(text: str, where: str) -> Any:
    """A JSON value.

    Raises:
        InputError: it is none, or none that Python can hold.
    """
    with complaining(where):
        return json.loads(text)


@contextmanager
def complaining(where: str) -> Iterator[None]:
    """What goes wrong in reading JSON, as an InputError: of objects in objects by the thousand, and of numbers of
    thousands of digits, too."""
    try:
        yield
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: {not_json(error)}") from error
    except RecursionError:
        raise InputError(f"{where}: expected JSON, got too many brackets in brackets") from None
    except ValueError as error:  # int(): sys.get_int_max_str_digits
        raise InputError(f"{where}: expected JSON, got a number of too many digits") from error


def not_json(error: json.JSONDecodeError) -> str:
    """What is wrong and where in the line; some of json's messages end in "at", meant to go on with a place."""
    return f"not JSON: {error.msg.removesuffix(' at')} at column {error.colno}"


def write_rows(path: Path, values: Iterable[Mapping[str, Any]]) -> int:
    """Writes JSON lines and returns how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for value in values:
            file.write(json.dumps(value, ensure_ascii=False) + "\n")
            count += 1
    return count


def text_field(row: Mapping[str, Any], key: str, *, path: Path, number: int) -> str:
    return text_at(row, key, f"{path}:{number}")


def text_at(row: Mapping[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        came = "nothing" if key not in row else type(value).__name__
        raise InputError(f"{where}: expected text under {key!r}, got {came}")
    return value


def number_field(row: Mapping[str, Any], key: str, *, path: Path, number: int) -> float:
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{path}:{number}: expected a number under {key!r}, got {value!r}")
    return float(value)
