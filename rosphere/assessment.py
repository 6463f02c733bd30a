"""A sentence encoder measured on held-out groups and graded pairs, beside what costs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rosphere import retrieval
from rosphere.errors import InputError
from rosphere.pairs import Groups
from rosphere.retrieval import Vectors
from rosphere.text import reading


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Held-out sentences as queries, training sentences as further candidates, and graded pairs.

    An encoder is measured by the vectors [len(texts), D] of ``texts``, which it gives once.
    """

    texts: list[str]  # queries first
    group_of: NDArray[np.int64]
    queries: NDArray[np.int64]
    pairs_P2: NDArray[np.int64]  # places in ``texts``
    scores: list[float]

    def __call__(self, vectors_ND: Vectors) -> dict[str, float]:
        """{"recall_at_1", "recall_at_5", "spearman"} of unit vectors."""
        one, other = vectors_ND[self.pairs_P2[:, 0]], vectors_ND[self.pairs_P2[:, 1]]
        return {
            "recall_at_1": retrieval.recall(vectors_ND, self.group_of, self.queries, 1),
            "recall_at_5": retrieval.recall(vectors_ND, self.group_of, self.queries, 5),
            "spearman": retrieval.spearman(one, other, self.scores),
        }


def benchmark(train: Groups, dev: Groups, gold: Path) -> Benchmark:
    texts = [*dev.texts, *train.texts]
    place = {text: number for number, text in reversed(list(enumerate(texts)))}
    pairs, scores = [], []
    for number, row in reading.rows(gold):
        for key in ("sentence1", "sentence2"):
            if reading.text_field(row, key, path=gold, number=number) not in place:
                raise InputError(f"{gold}:{number}: {key} stands in no group: {row[key]!r}")
        pairs.append((place[row["sentence1"]], place[row["sentence2"]]))
        scores.append(float(row["score"]))
    if len(set(scores)) < 2:
        raise InputError(f"{gold}: expected pairs with two or more different scores, got {len(scores)} pairs")
    return Benchmark(
        texts=texts,
        group_of=np.concatenate([dev.group_of, train.group_of + len(dev)]),
        queries=np.arange(len(dev.texts)),
        pairs_P2=np.array(pairs),
        scores=scores,
    )


def whitened(vectors_ND: Vectors, first: int, dimensions: int | None) -> Vectors:
    """The same vectors, whitened by the statistics of rows ``first`` and after: the training sentences."""
    mean, matrix = retrieval.whitening(vectors_ND[first:], dimensions)
    return retrieval.unit((vectors_ND - mean) @ matrix)


def neighbours(vectors_ND: Vectors, texts: Sequence[str], queries: Sequence[int], count: int) -> list[list[str]]:
    """The ``count`` nearest texts of each query, itself left out."""
    order = np.argsort(-vectors_ND[list(queries)] @ vectors_ND.T, axis=1, kind="stable")
    return [[texts[n] for n in row if n != query][:count] for query, row in zip(queries, order, strict=True)]
