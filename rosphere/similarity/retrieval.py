"""How good sentence vectors are: finding the group, ranking pairs as people grade them, whitening, TF-IDF beside it.

Rows of vectors may be sparse (scipy.sparse.csr_array) wherever only their cosines count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from rosphere.errors import InputError
from rosphere.similarity.vectors import Rows, Vectors

NOWHERE = np.iinfo(np.int64).max


def products(one_ND: Rows, other_MD: Rows) -> Vectors:
    """All inner products [N, M]."""
    found = one_ND @ other_MD.T
    return np.asarray(found.toarray() if sparse.issparse(found) else found)


def cosines(one_ND: Rows, other_ND: Rows) -> Vectors:
    """Inner products of rows of unit length that stand beside one another [N]."""
    both = one_ND * other_ND if isinstance(one_ND, np.ndarray) else one_ND.multiply(other_ND)
    return np.asarray(both.sum(1)).reshape(-1)


def ranks(
    vectors_ND: Rows, group_N: NDArray[np.int64], queries: NDArray[np.int64], *, block: int = 512
) -> NDArray[np.int64]:
    """For each query the place, from 1, of the nearest sentence of its own group among all others (cosine; unit rows).

    Of equally near sentences the earlier comes first. A query alone in its group has NOWHERE. ``block`` queries at a
    time bound the memory.

    Raises:
        InputError: a vector that is not finite, which every comparison would put first.
    """
    numbers = vectors_ND.data if sparse.issparse(vectors_ND) else vectors_ND
    if not np.isfinite(numbers).all():
        raise InputError(f"vectors: expected finite numbers, {int((~np.isfinite(numbers)).sum())} are not")
    found = np.empty(len(queries), np.int64)
    for start in range(0, len(queries), block):
        asked = queries[start : start + block]
        similarity = products(vectors_ND[asked], vectors_ND)
        similarity[np.arange(len(asked)), asked] = -np.inf
        own = np.where(group_N == group_N[asked][:, None], similarity, -np.inf)
        place = own.argmax(1)
        best = own[np.arange(len(asked)), place][:, None]
        earlier = (similarity == best) & (np.arange(vectors_ND.shape[0]) < place[:, None])
        there = 1 + (similarity > best).sum(1) + earlier.sum(1)
        found[start : start + block] = np.where(np.isneginf(best[:, 0]), NOWHERE, there)
    return found


def recall(vectors_ND: Rows, group_N: NDArray[np.int64], queries: NDArray[np.int64], k: int = 1) -> float:
    """Share of queries with a sentence of their own group among the k nearest others."""
    return float((ranks(vectors_ND, group_N, queries) <= k).mean())


def alignment(one_ND: Rows, other_ND: Rows) -> float:
    """Mean of |u - v|^2 over similar pairs of unit vectors: 0 is best (Wang and Isola 2020, arXiv 2005.10242)."""
    return float(2 - 2 * cosines(one_ND, other_ND).mean())


def uniformity(vectors_ND: Rows, *, most: int = 4096) -> float:
    """log of the mean of exp(-2 |u - v|^2) over pairs of different unit vectors: lower is more evenly spread.

    Of more than ``most`` vectors, as many at equal distances in their order are taken.
    """
    count = vectors_ND.shape[0]
    chosen = vectors_ND[np.linspace(0, count - 1, min(most, count)).astype(int)]
    upper = np.triu_indices(chosen.shape[0], 1)
    return float(np.log(np.exp(4 * products(chosen, chosen)[upper] - 4).mean()))


def spearman(one_ND: Rows, other_ND: Rows, scores: Sequence[float]) -> float:
    """Spearman's rank correlation of cosine (unit rows) and score."""
    return float(stats.spearmanr(cosines(one_ND, other_ND), scores).statistic)


def whitening(vectors_ND: Vectors, dimensions: int | None = None) -> tuple[Vectors, Vectors]:
    """(mean, W) so that (x - mean) W has unit covariance: W = U diag(s^-1/2), the first columns if fewer are wanted.

    Su et al. 2021, arXiv 2103.15316.
    """
    mean = vectors_ND.mean(0, keepdims=True)
    u, s, _ = np.linalg.svd(np.cov((vectors_ND - mean).T))
    return mean, (u / np.sqrt(np.maximum(s, 1e-10)))[:, :dimensions]


def tf_idf(fit_on: Sequence[str], texts: Sequence[str]) -> sparse.csr_array:
    """Unit TF-IDF vectors of character 1- to 3-grams, sparse: the baseline that costs nothing."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True).fit(list(fit_on))
    return sparse.csr_array(vectorizer.transform(list(texts)))
