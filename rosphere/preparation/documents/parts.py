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
class Chosen:
    """What is kept of a part: one document or more."""

    part: Part
    kept: Mask

    @property
    def key(self) -> str:
        """All that it was made of."""
        return f"{self.part.key} {hashlib.blake2b(self.kept.tobytes(), digest_size=16).hexdigest()}"

    def texts(self) -> list[str]:
        texts = self.part.texts()
        return [texts[place] for place in np.flatnonzero(self.kept)]

    def column(self, name: str) -> NDArray[np.generic]:
        return self.part.column(name)[self.kept]


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
        for chosen in self.chosen:
            yield from chosen.texts()

    @cached_property
    def chosen(self) -> list[Chosen]:
        """Every part of which something is kept."""
        ends = np.cumsum([part.documents for part in self.parts])
        masks = np.split(self.kept, ends[:-1])
        return [Chosen(part=part, kept=kept) for part, kept in zip(self.parts, masks, strict=False) if kept.any()]

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
        for chosen in self.chosen:
            if chosen.part.text == text:
                yield from chosen.texts()

    def only(self, wanted: Mask) -> Documents:
        """Those of them that are wanted."""
        return Documents(parts=self.parts, kept=self.kept & wanted)
