"""Sentence vectors as arrays: N rows of D dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.floating]
Rows = Any  # Vectors, or a scipy.sparse.csr_array


def unit(vectors_ND: Vectors) -> Vectors:
    """Rows of length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    return np.asarray(vectors_ND / np.maximum(lengths, 1e-12))


def mean_cosine(one_ND: Vectors, other_ND: Vectors) -> float:
    """Of row n with row n, all of unit length."""
    return float((one_ND * other_ND).sum(1).mean())
