"""What a static encoder is to say of a sentence: its teacher's vector, centred, along the teacher's principal axes.

    y = U^T (t - m) / |U^T (t - m)|

m is the mean and U the first D eigenvectors of the covariance of the teacher's vectors t of the training sentences. All
encoders of one teacher share a direction that says nothing; what is left keeps most of the cosines in fewer dimensions.
Vectors are read in blocks, by arrays of row numbers, since there may be more of them than memory.
Shapes: S sentences, E dimensions of the teacher, D of the student.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rosphere.similarity.vectors import Vectors, unit

BLOCK = 16384  # sentences at once


class Rows(Protocol):
    """Vectors by number; an array, or more than fits into memory."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: NDArray[np.int64], /) -> Any: ...


def blocks(count: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, count, BLOCK):
        yield np.arange(start, min(start + BLOCK, count))


@dataclass(frozen=True, kw_only=True)
class Axes:
    """``mean_E``, ``axes_ED``, and the share of the variance that lies along them."""

    mean_E: Vectors
    axes_ED: Vectors
    kept: float

    def __call__(self, teacher_SE: Any) -> NDArray[np.float32]:
        """y [S, D]."""
        return unit((np.asarray(teacher_SE, np.float64) - self.mean_E) @ self.axes_ED).astype(np.float32)


def principal(teacher_SE: Rows, width: int) -> Axes:
    """The axes of at most ``width`` dimensions, each with its largest component positive."""
    count = len(teacher_SE)
    total = sum(np.asarray(teacher_SE[rows], np.float64).sum(0) for rows in blocks(count))
    mean_E = np.asarray(total / count)
    centred = (np.asarray(teacher_SE[rows], np.float64) - mean_E for rows in blocks(count))
    variances, axes = np.linalg.eigh(sum(each.T @ each for each in centred) / count)
    axes_ED = axes[:, ::-1][:, :width]
    signs = np.sign(axes_ED[np.abs(axes_ED).argmax(0), np.arange(axes_ED.shape[1])])
    kept = float(variances[::-1][:width].sum() / max(variances.sum(), 1e-12))
    return Axes(mean_E=mean_E, axes_ED=axes_ED * signs, kept=kept)
