"""A sentence encoder measured on held-out groups and graded pairs, beside what costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rosphere import retrieval
from rosphere.errors import InputError
from rosphere.pairs import Groups
from rosphere.retrieval import Vectors
from rosphere.text import reading

Encode = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Held-out sentences as queries, training sentences as further candidates, and graded pairs."""

    texts: list[str]  # queries first
    group_of: np.ndarray
    queries: np.ndarray
    gold: list[tuple[str, str, float]]

    def __call__(self, encode: Encode) -> dict[str, float]:
        """{"recall_at_1", "recall_at_5", "spearman"}."""
        vectors = encode(self.texts)
        one, other = encode([a for a, _, _ in self.gold]), encode([b for _, b, _ in self.gold])
        return {
            "recall_at_1": retrieval.recall(vectors, self.group_of, self.queries, 1),
            "recall_at_5": retrieval.recall(vectors, self.group_of, self.queries, 5),
            "spearman": retrieval.spearman(one, other, [score for _, _, score in self.gold]),
        }


def benchmark(train: Groups, dev: Groups, gold: Path) -> Benchmark:
    pairs = [
        (
            reading.text_field(row, "sentence1", path=gold, number=number),
            reading.text_field(row, "sentence2", path=gold, number=number),
            float(row["score"]),
        )
        for number, row in reading.rows(gold)
    ]
    if len({score for _, _, score in pairs}) < 2:
        raise InputError(f"{gold}: expected graded pairs with two or more different scores, got {len(pairs)} pairs")
    return Benchmark(
        texts=[*dev.texts, *train.texts],
        group_of=np.concatenate([dev.group_of, train.group_of + len(dev)]),
        queries=np.arange(len(dev.texts)),
        gold=pairs,
    )


def whitened(encode: Encode, fit_on: Sequence[str], dimensions: int | None) -> Encode:
    """The same encoder, whitened on the vectors of ``fit_on``."""
    mean, matrix = retrieval.whitening(encode(fit_on), dimensions)
    return lambda texts: retrieval.unit((encode(texts) - mean) @ matrix)


def neighbours(encode: Encode, queries: Sequence[str], texts: Sequence[str], count: int) -> list[list[tuple[str, float]]]:
    """For every query its nearest texts, itself left out: (text, cosine)."""
    one, all_ = encode(queries), encode(texts)
    found = []
    for query, scores in zip(queries, one @ all_.T, strict=True):
        ranked = [(texts[place], float(scores[place])) for place in np.argsort(-scores, kind="stable")]
        found.append([item for item in ranked if item[0] != query][:count])
    return found
