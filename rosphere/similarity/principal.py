"""The principal axes of vectors that may be more than memory: they are read in blocks, by arrays of row numbers.

Shapes: S vectors of E dimensions, D axes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

BLOCK = 16384  # vectors at once


class Rows(Protocol):
    """Vectors by number; an array, or more than fits into memory."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: NDArray[np.int64], /) -> Any: ...


def blocks(count: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, count, BLOCK):
        yield np.arange(start, min(start + BLOCK, count))


@dataclass(frozen=True, kw_only=True)
class Principal:
    """``mean_E``, ``axes_ED``, and the share of the variance that lies along them."""

    mean_E: NDArray[np.float64]
    axes_ED: NDArray[np.float64]
    kept: float


def of(vectors_SE: Rows, width: int) -> Principal:
    """At most ``width`` axes. The sign of each is that by which its largest component is positive, for an eigenvector
    has none of its own."""
    count = len(vectors_SE)
    total = sum(np.asarray(vectors_SE[rows], np.float64).sum(0) for rows in blocks(count))
    mean_E = np.asarray(total / count)
    centred = (np.asarray(vectors_SE[rows], np.float64) - mean_E for rows in blocks(count))
    variances, axes = np.linalg.eigh(sum(each.T @ each for each in centred) / count)
    axes_ED = axes[:, ::-1][:, :width]
    signs_D = np.sign(axes_ED[np.abs(axes_ED).argmax(0), np.arange(axes_ED.shape[1])])
    kept = float(variances[::-1][:width].sum() / max(variances.sum(), 1e-12))
    return Principal(mean_E=mean_E, axes_ED=axes_ED * signs_D, kept=kept)
