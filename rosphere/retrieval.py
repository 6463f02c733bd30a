"""How good sentence vectors are: finding the group, ranking pairs as people grade them, whitening, TF-IDF beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Vectors = NDArray[np.floating]


def recall(vectors_ND: Vectors, group_N: NDArray[np.int64], queries: NDArray[np.int64], k: int = 1) -> float:
    """Share of queries with a sentence of their own group among the k nearest others (cosine; unit rows)."""
    similarity = vectors_ND[queries] @ vectors_ND.T
    similarity[np.arange(len(queries)), queries] = -np.inf
    others = len(vectors_ND) - 1  # the query itself comes last
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, : min(k, others)]
    return float((group_N[nearest] == group_N[queries][:, None]).any(1).mean())


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
