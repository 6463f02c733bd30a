"""Tokenised documents on disk, in shards that are memory-mapped and never loaded whole.

A split of a corpus is a folder of triples: ``00000.tokens.npy`` (uint16 or uint32), ``00000.starts.npy`` (bool, does
the token begin a word) and ``00000.offsets.npy`` (int64: where each document begins, and the end).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from rosphere.errors import InputError

Document = tuple[NDArray[np.unsignedinteger], NDArray[np.bool_]]
SHARD_TOKENS = 1 << 25


@dataclass(frozen=True, kw_only=True)
class Block:
    """Consecutive documents: the tokens of all, do they begin words, and how many each document has."""

    tokens: NDArray[np.unsignedinteger]
    starts: NDArray[np.bool_]
    lengths: NDArray[np.int64]


def write(documents: Iterable[Document], folder: Path, *, vocab_size: int, shard_tokens: int = SHARD_TOKENS) -> int:
    """Writes shards of about ``shard_tokens`` tokens in place of any there; returns the number of tokens."""
    blocks = (
        Block(tokens=tokens, starts=starts, lengths=np.array([len(tokens)], dtype=np.int64))
        for tokens, starts in documents
    )
    return write_blocks(blocks, folder, vocab_size=vocab_size, shard_tokens=shard_tokens)


def write_blocks(blocks: Iterable[Block], folder: Path, *, vocab_size: int, shard_tokens: int = SHARD_TOKENS) -> int:
    """As ``write``; of all the text one block is in memory at once. A shard ends with the document that fills it."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("[0-9]*.*.npy"):  # a longer corpus before this one would show through
        old.unlink()
    kind = np.uint16 if vocab_size <= 1 << 16 else np.uint32
    number, shard = 0, None
    total = 0
    with ExitStack() as stack:
        for block in blocks:
            total += len(block.tokens)
            for piece in _at_shards(block, shard_tokens if shard is None else shard_tokens - shard.size, shard_tokens):
                shard = shard or stack.enter_context(_Shard(folder / f"{number:05d}", kind))
                shard.add(piece)
                if shard.size >= shard_tokens:
                    stack.pop_all().close()
                    number, shard = number + 1, None
    return total


def _at_shards(block: Block, room: int, shard_tokens: int) -> Iterator[Block]:
    """The block in pieces, each but the last with the document that fills a shard: one with ``room`` left, then empty
    ones."""
    ends = np.cumsum(block.lengths)
    first, begin = 0, 0
    while first < len(ends):
        last = int(np.searchsorted(ends, begin + room))  # the document with which the room is used up
        last = min(last, len(ends) - 1)
        end = int(ends[last])
        yield Block(
            tokens=block.tokens[begin:end], starts=block.starts[begin:end], lengths=block.lengths[first : last + 1]
        )
        first, begin, room = last + 1, end, shard_tokens


class _Shard:
    """The three files of a shard, written as documents come."""

    def __init__(self, stem: Path, kind: type[np.unsignedinteger]) -> None:
        self.size = 0
        self.kind = kind
        self.tokens = _Array(Path(f"{stem}.tokens.npy"), np.dtype(kind))
        self.starts = _Array(Path(f"{stem}.starts.npy"), np.dtype(bool))
        self.offsets = _Array(Path(f"{stem}.offsets.npy"), np.dtype(np.int64))

    def __enter__(self) -> Self:
        self.offsets.add(np.zeros(1, dtype=np.int64))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for each in (self.tokens, self.starts, self.offsets):
            each.close()

    def add(self, block: Block) -> None:
        self.tokens.add(block.tokens.astype(self.kind))
        self.starts.add(block.starts)
        self.offsets.add(self.size + np.cumsum(block.lengths))
        self.size += len(block.tokens)


class _Array:
    """A one-dimensional .npy file that grows, in the end byte for byte what ``np.save`` writes."""

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self.dtype, self.count = dtype, 0
        self.file: IO[bytes] = path.open("wb")
        self.file.write(self._header())

    def _header(self) -> bytes:
        """Of the array as long as it is; numpy leaves room in it for any length."""
        made = BytesIO()
        shape = {"descr": npy.dtype_to_descr(self.dtype), "fortran_order": False, "shape": (self.count,)}
        npy.write_array_header_1_0(made, shape)
        return made.getvalue()

    def add(self, values: NDArray[Any]) -> None:
        try:
            self.file.write(values.astype(self.dtype, copy=False).tobytes())
        except OSError as error:  # a full disk, met in writing, does not say where
            error.filename = self.file.name
            raise
        self.count += len(values)

    def close(self) -> None:
        self.file.seek(0)
        self.file.write(self._header())
        self.file.close()


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
        self.offsets = [np.load(folder / f"{stem}.offsets.npy", mmap_mode="r") for stem in stems]
        self.first = np.cumsum([0, *(len(offsets) - 1 for offsets in self.offsets)])

    def __len__(self) -> int:
        return int(self.first[-1])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of every document."""
        return np.concatenate([np.diff(offsets) for offsets in self.offsets])

    def document(self, number: int, start: int = 0, stop: int | None = None) -> Document:
        shard = int(np.searchsorted(self.first, number, side="right")) - 1
        begin, end = map(int, self.offsets[shard][number - self.first[shard] :][:2])
        window = slice(begin + start, end if stop is None else min(begin + stop, end))
        return self.tokens[shard][window], self.starts[shard][window]
