"""Documents on disk, in parts of a million characters: what a worker takes at once, and all that is in memory at once.

A part is a run of consecutive documents, cut by their sizes alone: which files they stand in and how many workers there
are changes nothing. Beside the texts a part has columns, one value a document.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rosphere import files

CHARACTERS = 1 << 20
NAME_BYTES = 12  # of a document's fingerprint
Mask = NDArray[np.bool_]


def cut(texts: Iterable[str]) -> Iterator[list[str]]:
    """Parts of ``CHARACTERS`` or the first number above; the last one is what is left."""
    part: list[str] = []
    size = 0
    for text in texts:
        part.append(text)
        size += len(text)
        if size >= CHARACTERS:
            yield part
            part, size = [], 0
    if part:
        yield part


def digest(texts: Iterable[str]) -> str:
    """What a part of documents is known by."""
    found = hashlib.blake2b(digest_size=16)
    for text in texts:
        raw = text.encode("utf-8", "surrogatepass")
        found.update(len(raw).to_bytes(8, "little"))
        found.update(raw)
    return found.hexdigest()


def write(path: Path, texts: Sequence[str], **columns: NDArray[np.generic]) -> None:
    """``path`` in one piece, or nothing of it."""
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    raw = np.frombuffer("".join(texts).encode("utf-8"), dtype=np.uint8)
    with files.replacing(path) as new, new.open("wb") as file:
        np.savez(file, text=raw, ends=ends, **columns)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Part:
    """Documents of one of several texts (``source.Text``), by its number."""

    path: Path
    documents: int
    text: int = 0
    key: str = ""  # all that it was made of

    def texts(self) -> list[str]:
        with np.load(self.path) as found:
            whole, ends = found["text"].tobytes().decode("utf-8"), found["ends"].tolist()
        return [whole[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]

    def column(self, name: str) -> NDArray[np.generic]:
        """One value a document. Nothing else of the part is read."""
        with np.load(self.path) as found:
            column: NDArray[np.generic] = found[name]
        return column


@dataclass(frozen=True, kw_only=True)
class Documents:
    """Documents of parts, in order: those that ``kept`` says, of which there is one value a document."""

    parts: Sequence[Part]
    kept: Mask

    @cached_property
    def _count(self) -> int:
        return int(np.count_nonzero(self.kept))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        for documents in self.by_text():
            yield from documents

    @cached_property
    def used(self) -> int:
        """Parts of which something is kept."""
        return sum(bool(kept.any()) for _, kept in self.masks())

    def masks(self) -> Iterator[tuple[Part, Mask]]:
        """Every part with what is kept of it."""
        begin = 0
        for part in self.parts:
            yield part, self.kept[begin : begin + part.documents]
            begin += part.documents

    def column(self, name: str) -> Iterator[tuple[slice, NDArray[np.generic]]]:
        """A column of all documents, kept or not, part by part, and which documents these are."""
        begin = 0
        for part in self.parts:
            yield slice(begin, begin + part.documents), part.column(name)
            begin += part.documents

    def by_text(self) -> list[Iterator[str]]:
        """The documents of every text."""
        count = 1 + max((part.text for part in self.parts), default=0)
        return [self._of(number) for number in range(count)]

    def _of(self, text: int) -> Iterator[str]:
        for part, kept in self.masks():
            if part.text == text and kept.any():
                texts = part.texts()
                yield from (texts[place] for place in np.flatnonzero(kept))

    def only(self, wanted: Mask) -> Documents:
        """Those of them that are wanted."""
        return Documents(parts=self.parts, kept=self.kept & wanted)
