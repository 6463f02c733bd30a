"""Tokenised documents on disk, in shards that are memory-mapped and never loaded whole.

A split of a corpus is a folder of triples: ``00000.tokens.npy`` (uint16 or uint32), ``00000.starts.npy`` (bool, does
the token begin a word) and ``00000.offsets.npy`` (int64: where each document begins, and the end).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rosphere.errors import InputError

Document = tuple[NDArray[np.unsignedinteger], NDArray[np.bool_]]


def write(documents: Iterable[Document], folder: Path, *, vocab_size: int, shard_tokens: int) -> int:
    """Writes shards of about ``shard_tokens`` tokens in place of any there; returns the number of tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("[0-9]*.*.npy"):  # a longer corpus before this one would show through
        old.unlink()
    kind = np.uint16 if vocab_size <= 1 << 16 else np.uint32
    shard: list[Document] = []
    room, number, total = shard_tokens, 0, 0
    for document in documents:
        shard.append(document)
        room -= len(document[0])
        total += len(document[0])
        if room <= 0:
            _write_shard(shard, folder / f"{number:05d}", kind)
            shard, room, number = [], shard_tokens, number + 1
    if shard:
        _write_shard(shard, folder / f"{number:05d}", kind)
    return total


def _write_shard(shard: list[Document], stem: Path, kind: type[np.unsignedinteger]) -> None:
    offsets = np.cumsum([0, *(len(tokens) for tokens, _ in shard)], dtype=np.int64)
    np.save(f"{stem}.tokens.npy", np.concatenate([tokens for tokens, _ in shard]).astype(kind))
    np.save(f"{stem}.starts.npy", np.concatenate([starts for _, starts in shard]))
    np.save(f"{stem}.offsets.npy", offsets)


def of_sentences(folder: Path) -> Corpus:
    """The split of sentences of a prepared corpus (``data/corpus/sentences-train``), each a document.

    Raises:
        InputError: there are none.
    """
    if not any(folder.glob("*.tokens.npy")):
        raise InputError(f"{folder}: no sentence is in it: see prepare.sentence_characters in params.yaml")
    return Corpus(folder)


class Corpus:
    """One split, by document number."""

    def __init__(self, folder: Path) -> None:
        stems = sorted(path.name.removesuffix(".tokens.npy") for path in folder.glob("*.tokens.npy"))
        if not stems:
            raise InputError(f"{folder}: no shards (*.tokens.npy) in it")
        self.tokens = [np.load(folder / f"{stem}.tokens.npy", mmap_mode="r") for stem in stems]
        self.starts = [np.load(folder / f"{stem}.starts.npy", mmap_mode="r") for stem in stems]
        self.offsets = [np.load(folder / f"{stem}.offsets.npy") for stem in stems]
        self.first = np.cumsum([0, *(len(offsets) - 1 for offsets in self.offsets)])

    def __len__(self) -> int:
        return int(self.first[-1])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of every document."""
        return np.concatenate([np.diff(offsets) for offsets in self.offsets])

    def document(self, number: int, start: int = 0, stop: int | None = None) -> Document:
        shard = int(np.searchsorted(self.first, number, side="right")) - 1
        begin, end = self.offsets[shard][number - self.first[shard] :][:2]
        window = slice(begin + start, end if stop is None else min(begin + stop, end))
        return self.tokens[shard][window], self.starts[shard][window]
