"""Hard negatives from the groups themselves: what a teacher finds near to a sentence and what is in another group.

Mined negatives are often false ones. Of the nearest sentences those are kept whose cosine is below a share of that with
the sentence's own group (TopK-PercPos; Moreira et al. 2024, NV-Retriever, arXiv 2407.15831), of another family, and
which differ in letters from all that its group says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rosphere.errors import InputError
from rosphere.similarity import meanings
from rosphere.similarity.pairs import Groups
from rosphere.similarity.teacher_vectors import StoredVectors
from rosphere.similarity.vectors import Vectors
from rosphere.text.cleaning import fingerprint

Numbers = NDArray[np.int64]
ASKED, SEARCHED = 512, 65536  # rows of one product: sentences that ask, and among which they search


@dataclass(frozen=True, kw_only=True)
class HardNegatives:
    """Settings of mining; none is done without a teacher."""

    teacher: str | None
    per_sentence: int
    nearest: int  # sentences of other groups that are looked at
    below: float  # share of the cosine with the own group that a negative's cosine must stay below

    def __post_init__(self) -> None:
        if not 1 <= self.per_sentence <= self.nearest:
            got = f"per_sentence {self.per_sentence}, nearest {self.nearest}"
            raise InputError(f"hard_negatives: expected 1 <= per_sentence <= nearest, got {got}")
        if not 0 < self.below <= 1:
            raise InputError(f"hard_negatives.below: expected a share in (0, 1], got {self.below}")


@dataclass(frozen=True, kw_only=True)
class Mined:
    """``of[n]``: the numbers of the sentences that sentence n is to be told apart from, nearest first; how many of the
    candidates each rule took out, the rules in this order."""

    of: dict[int, list[int]]
    counts: dict[str, int]


def mined(groups: Groups, vectors: StoredVectors, settings: HardNegatives) -> Mined:
    """Of all sentences of ``groups``, whose unit vectors by the teacher these are."""
    said = meanings.of_groups(groups.group_of, map(fingerprint, groups.texts))
    _, family = np.unique(groups.families, return_inverse=True)
    family = np.where(np.array(groups.families) == "", -1, family)[groups.group_of]
    most = settings.below * _least_positive(groups, vectors)
    found: dict[int, list[int]] = {}
    rules = ("near_duplicates", "same_family", "too_near")
    counts = dict.fromkeys(("candidates", *rules, "taken"), 0)
    for asked, near, cosine in _nearest(vectors, groups.group_of, settings.nearest):
        left = np.isfinite(cosine)
        counts["candidates"] += int(left.sum())
        one = asked[:, None]
        wrong = (said[one] == said[near], (family[one] == family[near]) & (family[one] >= 0), cosine >= most[one])
        for rule, each in zip(rules, wrong, strict=True):
            counts[rule] += int((left & each).sum())
            left &= ~each
        left &= left.cumsum(1) <= settings.per_sentence
        counts["taken"] += int(left.sum())
        found |= {int(n): row[kept].tolist() for n, row, kept in zip(asked, near, left, strict=True) if kept.any()}
    return Mined(of=found, counts={**counts, "sentences": len(found)})


def _least_positive(groups: Groups, vectors: StoredVectors) -> NDArray[np.float32]:
    """Of every sentence the least cosine with another one of its group."""
    found = np.empty(len(groups.texts), np.float32)
    for members in groups.members:
        own = vectors[np.array(members)]
        cosines = own @ own.T
        np.fill_diagonal(cosines, np.inf)
        found[members] = cosines.min(1)
    return found


def _nearest(vectors: StoredVectors, group_of: Numbers, count: int) -> Iterator[tuple[Numbers, Numbers, Vectors]]:
    """Some sentences, and for each ``count`` of other groups [Q, count], nearest first, of equally near ones the
    earlier; with their cosines, -inf where there are not so many."""
    total = len(vectors)
    for start in range(0, total, ASKED):
        asked = np.arange(start, min(start + ASKED, total))
        near, cosine = np.empty((len(asked), 0), np.int64), np.empty((len(asked), 0), np.float32)
        for first in range(0, total, SEARCHED):
            searched = np.arange(first, min(first + SEARCHED, total))
            scores = vectors[asked] @ vectors[searched].T
            scores[group_of[asked][:, None] == group_of[searched]] = -np.inf
            chosen = np.argpartition(-scores, min(count, len(searched)) - 1, axis=1)[:, :count]
            near = np.concatenate((near, searched[chosen]), axis=1)
            cosine = np.concatenate((cosine, np.take_along_axis(scores, chosen, 1)), axis=1)
            order = np.lexsort((near, -cosine), axis=1)[:, :count]
            near, cosine = np.take_along_axis(near, order, 1), np.take_along_axis(cosine, order, 1)
        yield asked, near, cosine
