"""Where each of many names is met for the first time, on disk: no name stays in memory."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rosphere.preparation.documents.parts import NAME_BYTES, Mask

BUCKET = 1 << 20  # names that are compared at once: some 50 MB
BUCKETS = 256  # at most, for each is an open file
WORDS = NAME_BYTES // 4  # of four bytes
ROW = np.dtype([("name", f"V{NAME_BYTES}"), ("place", "<i8")])


def first(names: Iterable[NDArray[np.void]], total: int, folder: Path) -> Mask:
    """True for each of ``total`` names, given in order, that none before it is equal to.

    Names fall into buckets by their first four bytes; each bucket is sorted by itself. Disk: 20 bytes a name while it
    lasts, in memory one byte.
    """
    count = min(BUCKETS, -(-total // BUCKET))
    new = np.zeros(total, dtype=bool)
    if count <= 1:
        rows = [_rows(each, begin) for each, begin in _numbered(names)]
        _mark(np.concatenate(rows) if rows else np.zeros(0, dtype=ROW), new)
        return new
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:03d}.names" for number in range(count)]
    with ExitStack() as stack:
        opened = [stack.enter_context(path.open("wb")) for path in paths]
        for each, begin in _numbered(names):
            rows_N = _rows(each, begin)
            bucket = np.frombuffer(each.tobytes(), dtype="<u4").reshape(-1, WORDS)[:, 0] % count
            for number in np.unique(bucket):
                opened[number].write(rows_N[bucket == number].tobytes())
    for path in paths:
        _mark(np.fromfile(path, dtype=ROW), new)
        path.unlink()
    return new


def _numbered(names: Iterable[NDArray[np.void]]) -> Iterable[tuple[NDArray[np.void], int]]:
    begin = 0
    for each in names:
        if len(each):
            yield each, begin
        begin += len(each)


def _rows(names: NDArray[np.void], begin: int) -> NDArray[np.void]:
    rows = np.empty(len(names), dtype=ROW)
    rows["name"], rows["place"] = names, np.arange(begin, begin + len(names))
    return rows


def _mark(rows: NDArray[np.void], new: Mask) -> None:
    """Of rows in the order of their places."""
    parts = np.frombuffer(rows["name"].tobytes(), dtype="<u4").reshape(-1, WORDS)
    order = np.lexsort(parts.T)  # stable: equal names stay in order
    differs = np.ones(len(rows), dtype=bool)
    differs[1:] = (parts[order[1:]] != parts[order[:-1]]).any(1)
    new[rows["place"][order[differs]]] = True
