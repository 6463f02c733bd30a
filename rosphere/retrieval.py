"""How good sentence vectors are: finding the group, ranking pairs as people grade them, whitening, TF-IDF beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Vectors = NDArray[np.floating]
NOWHERE = np.iinfo(np.int64).max


def ranks(
    vectors_ND: Vectors, group_N: NDArray[np.int64], queries: NDArray[np.int64], *, block: int = 512
) -> NDArray[np.int64]:
    """For each query the place, from 1, of the nearest sentence of its own group among all others (cosine; unit rows).

    Of equally near sentences the earlier comes first. A query alone in its group has NOWHERE. ``block`` queries at a
    time bound the memory.
    """
    found = np.empty(len(queries), np.int64)
    for start in range(0, len(queries), block):
        asked = queries[start : start + block]
        similarity = vectors_ND[asked] @ vectors_ND.T
        similarity[np.arange(len(asked)), asked] = -np.inf
        own = np.where(group_N == group_N[asked][:, None], similarity, -np.inf)
        place = own.argmax(1)
        best = own[np.arange(len(asked)), place][:, None]
        earlier = (similarity == best) & (np.arange(len(vectors_ND)) < place[:, None])
        there = 1 + (similarity > best).sum(1) + earlier.sum(1)
        found[start : start + block] = np.where(np.isneginf(best[:, 0]), NOWHERE, there)
    return found


def recall(vectors_ND: Vectors, group_N: NDArray[np.int64], queries: NDArray[np.int64], k: int = 1) -> float:
    """Share of queries with a sentence of their own group among the k nearest others."""
    return float((ranks(vectors_ND, group_N, queries) <= k).mean())


def alignment(one_ND: Vectors, other_ND: Vectors) -> float:
    """Mean of |u - v|^2 over similar pairs of unit vectors: 0 is best (Wang and Isola 2020, arXiv 2005.10242)."""
    return float(np.square(one_ND - other_ND).sum(1).mean())


def uniformity(vectors_ND: Vectors, *, most: int = 4096) -> float:
    """log of the mean of exp(-2 |u - v|^2) over pairs of different unit vectors: lower is more evenly spread.

    Of more than ``most`` vectors, as many at equal distances in their order are taken.
    """
    chosen = vectors_ND[np.linspace(0, len(vectors_ND) - 1, min(most, len(vectors_ND))).astype(int)]
    upper = np.triu_indices(len(chosen), 1)
    return float(np.log(np.exp(4 * (chosen @ chosen.T)[upper] - 4).mean()))


def spearman(one_ND: Vectors, other_ND: Vectors, scores: Sequence[float]) -> float:
    """Spearman's rank correlation of cosine (unit rows) and score."""
    return float(stats.spearmanr((one_ND * other_ND).sum(1), scores).statistic)


def unit(vectors_ND: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    return np.asarray(vectors_ND / np.maximum(lengths, 1e-12))


def whitening(vectors_ND: Vectors, dimensions: int | None = None) -> tuple[Vectors, Vectors]:
    """(mean, W) so that (x - mean) W has unit covariance: W = U diag(s^-1/2), the first columns if fewer are wanted.

    Su et al. 2021, arXiv 2103.15316.
    """
    mean = vectors_ND.mean(0, keepdims=True)
    u, s, _ = np.linalg.svd(np.cov((vectors_ND - mean).T))
    return mean, (u / np.sqrt(np.maximum(s, 1e-10)))[:, :dimensions]


def tf_idf(fit_on: Sequence[str], texts: Sequence[str]) -> Vectors:
    """Unit TF-IDF vectors of character 1- to 3-grams: the baseline that costs nothing."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True).fit(list(fit_on))
    return np.asarray(vectorizer.transform(list(texts)).todense())
