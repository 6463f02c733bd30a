"""Vectors of very many texts: kept on disk under their texts in files of some thousand, memory-mapped, found again.

A file has the tensors "vectors", float32 [N, D], and "keys", uint8 [N, 16], BLAKE2's 16 bytes of each text. A folder
of such files, the shards, is added to and never changed: a shard is there whole or not at all, and named by its keys,
so that two processes that compute the same write the same.

A million texts take 4 D + 16 MB of disk (1.6 GB at D = 384) and 8 MB of memory; of the vectors what is asked for is
read, into pages that the system takes back when it needs them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from rosphere import files
from rosphere.errors import InputError, Interrupted
from rosphere.similarity.vectors import Vectors, unit

SUFFIX = ".safetensors"
VECTORS, KEYS = "vectors", "keys"
BYTES = 16  # of a key
TEXTS_A_SHARD = 8192
Keys = NDArray[np.bytes_]  # [N] of BYTES each, which compare as a whole
Encode = Callable[[Sequence[str]], Vectors]
Progress = Callable[[int, int], None]  # texts whose vectors are there, texts in all


class StoredVectors:
    """N rows of D dimensions which lie in several arrays, in memory or mapped from files.

    Indexed by row numbers, a mask or a slice it gives those rows as an array; ``numpy.asarray`` gives all of them.
    """

    def __init__(self, parts: Sequence[Vectors], part_N: NDArray[np.int32], row_N: NDArray[np.int32]) -> None:
        """``part_N``, ``row_N``: in which array, and at which of its rows, each row lies."""
        self.parts, self.part_N, self.row_N = parts, part_N, row_N

    def __len__(self) -> int:
        return len(self.part_N)

    @property
    def width(self) -> int:
        return int(self.parts[0].shape[1]) if self.parts else 0

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), self.width

    def __getitem__(self, index: Any) -> Vectors:
        parts, rows = self.part_N[index], self.row_N[index]
        found = np.empty((*np.shape(parts), self.width), np.float32)
        for part in np.unique(parts):
            found[parts == part] = self.parts[part][rows[parts == part]]
        return found

    def selected(self, numbers: NDArray[np.int64]) -> Self:
        """Some of the rows, in this order, where they lie."""
        return type(self)(self.parts, self.part_N[numbers], self.row_N[numbers])

    def spread(self, numbers: NDArray[np.int64], count: int) -> Self:
        """``count`` rows, of which these are those of ``numbers`` and the others are not there: IndexError."""
        part_N, row_N = (np.full(count, len(self.parts), np.int32) for _ in range(2))
        part_N[numbers], row_N[numbers] = self.part_N, self.row_N
        return type(self)(self.parts, part_N, row_N)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or np.float32, copy=False)


class UnitRows(StoredVectors):
    """Those of a file that others may have written: made unit vectors when they are read."""

    def __getitem__(self, index: Any) -> Vectors:
        found = super().__getitem__(index)
        return unit(found.reshape(-1, self.width)).reshape(found.shape)


def in_memory(vectors_ND: Vectors) -> StoredVectors:
    count = len(vectors_ND)
    return StoredVectors([vectors_ND], np.zeros(count, np.int32), np.arange(count, dtype=np.int32))


def write(path: Path, texts: Sequence[str], vectors_ND: Vectors) -> None:
    """A file of vectors, each under the key of its text; whole or not at all."""
    if len(texts) != len(vectors_ND):
        raise ValueError(f"expected a vector for each of {len(texts)} texts, got {len(vectors_ND)}")
    with files.replacing(path) as fresh:
        marks: NDArray[np.uint8] = keys(texts).view(np.uint8).reshape(-1, BYTES)
        save_file({VECTORS: np.ascontiguousarray(vectors_ND, np.float32), KEYS: marks}, fresh)


def keys(texts: Iterable[str]) -> Keys:
    marks = (hashlib.blake2b(text.encode(), digest_size=BYTES).digest() for text in texts)
    return np.fromiter(marks, f"S{BYTES}")


def mapped(path: Path) -> tuple[Vectors, Keys]:
    """The vectors of a file, memory-mapped, and their keys.

    Raises:
        InputError: it is none that ``write`` made, or no longer whole.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a file of a teacher's vectors; none is there")
    try:
        with safe_open(path, framework="pt") as file:
            vectors_ND, marks = file.get_tensor(VECTORS).numpy(), file.get_tensor(KEYS).numpy()
    except SafetensorError as error:
        raise InputError(f"{path}: expected the tensors {VECTORS!r} and {KEYS!r} ({error})") from error
    if vectors_ND.ndim != 2 or marks.dtype != np.uint8 or marks.shape != (len(vectors_ND), BYTES):
        got = f"{vectors_ND.shape} and {marks.dtype} {marks.shape}"
        raise InputError(f"{path}: expected vectors [N, D] and keys uint8 [N, {BYTES}], got {got}")
    return vectors_ND, np.ascontiguousarray(marks).view(f"S{BYTES}")[:, 0]


def of_file(path: Path, texts: Sequence[str]) -> UnitRows:
    """The rows of ``texts`` in a file that ``write`` made. Raises InputError where it lacks one."""
    vectors_ND, known = mapped(path)
    row_N = _places(known, keys(texts))
    if (row_N < 0).any():
        missing = np.flatnonzero(row_N < 0)
        first = texts[missing[0]]
        raise InputError(f"{path}: has no vector for {len(missing)} of {len(texts)} sentences, such as {first!r}")
    return UnitRows([vectors_ND], np.zeros(len(row_N), np.int32), row_N.astype(np.int32))


def stored(
    folder: Path,
    texts: Sequence[str],
    encode: Encode,
    *,
    progress: Progress = lambda done, total: None,
    stopping: Callable[[], bool] = lambda: False,
) -> StoredVectors:
    """The vectors of ``texts``: each TEXTS_A_SHARD of them are a file in ``folder``, computed where there is none.

    A text's vector depends on the batch it is computed in, by rounding. So a file is known by all of its texts, and not
    each text by itself: what comes back depends on ``texts`` alone, whatever was asked for before, by whichever stage.
    Lists that begin alike share the files of their common beginning.

    Raises:
        InputError: a file is damaged.
        Interrupted: ``stopping()`` after a file was computed; all files until then stay.
    """
    parts: list[Vectors] = []
    said = False
    for start in range(0, len(texts), TEXTS_A_SHARD):
        shard = texts[start : start + TEXTS_A_SHARD]
        asked = keys(shard)
        path = folder / f"{hashlib.blake2b(asked.tobytes(), digest_size=BYTES).hexdigest()}{SUFFIX}"
        if not path.is_file():
            if not said:
                progress(start, len(texts))
                said = True
            write(path, shard, encode(shard))
            progress(start + len(shard), len(texts))
            if start + len(shard) < len(texts) and stopping():
                raise Interrupted(f"stopped at {start + len(shard)} of {len(texts)} vectors")
        parts.append(_whole(path, asked))
    number = np.arange(len(texts), dtype=np.int32)
    return StoredVectors(parts, number // TEXTS_A_SHARD, number % TEXTS_A_SHARD)


def _whole(path: Path, asked: Keys) -> Vectors:
    """The vectors of a shard. Raises InputError where it is not the one that was written."""
    advice = "the file is damaged: delete it, and its vectors are computed anew"
    try:
        vectors_ND, known = mapped(path)
    except InputError as error:
        raise InputError(f"{error}; {advice}") from error
    if not np.array_equal(known, asked):
        raise InputError(f"{path}: holds the vectors of other texts; {advice}")
    return vectors_ND


def _places(known: Keys, asked: Keys) -> NDArray[np.int64]:
    """The first place of each key among the known ones; -1 where it is not among them."""
    if not len(known):
        return np.full(len(asked), -1, np.int64)
    order = np.argsort(known, kind="stable")
    found = np.minimum(np.searchsorted(known, asked, sorter=order), len(known) - 1)
    place = order[found]
    return np.where(known[place] == asked, place, -1)
