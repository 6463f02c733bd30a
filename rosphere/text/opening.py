"""Files as they lie on disk, packed or not: .gz, .xz and .zst are unpacked while they are read."""

from __future__ import annotations

import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from rosphere.errors import InputError, first_line

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BUFFER = 1 << 20
PACKED = (".gz", ".xz", ".zst")


def unpacked_name(path: Path) -> Path:
    """The name without the ending of what packed it."""
    return path.with_suffix("") if path.suffix.lower() in PACKED else path


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """(the content, the file as it lies on disk, whose ``tell`` says how far it is read).

    Raises:
        InputError: there is no such file, or it is damaged or cut off: wherever in the block that shows.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    with path.open("rb") as raw:
        try:
            yield _content(path.suffix.lower(), raw), raw
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, Damaged) as error:
            what = "cut off" if isinstance(error, EOFError) else f"damaged, or no {path.suffix}"
            raise InputError(f"{path}: {what}, {raw.tell()} bytes in ({first_line(error)}); fetch it again") from error


class Damaged(OSError):
    """What zstandard's reader says of bytes that it cannot unpack."""


def _content(suffix: str, raw: IO[bytes]) -> IO[bytes]:
    if suffix == ".gz":
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw))
    if suffix == ".xz":
        return cast(IO[bytes], lzma.LZMAFile(raw))
    return io.BufferedReader(_Zstandard(raw), BUFFER) if suffix == ".zst" else raw


class _Zstandard(io.RawIOBase):
    """The content of a .zst file, unpacked by pyarrow, which comes with datasets."""

    def __init__(self, raw: IO[bytes]) -> None:
        import pyarrow

        self.stream = pyarrow.input_stream(raw, compression="zstd", buffer_size=BUFFER)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        try:
            found = self.stream.read(len(memoryview(buffer)))
        except OSError as error:
            kind = EOFError if "truncated" in str(error).lower() else Damaged
            raise kind(first_line(error)) from error
        memoryview(buffer)[: len(found)] = found
        return len(found)
