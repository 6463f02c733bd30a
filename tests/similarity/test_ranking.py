"""Distances by the textbook; scores that prefer what is near, fluent and different."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.similarity import ranking
from rosphere.text import ngrams
from rosphere.text.mixture import Mixture

BEGIN, END, A, B, C, D, E = range(7)
COUNTS = Mixture(
    parts=[ngrams.fit([[A, B, C], [A, C, B], [C, A, B, D], [A, B]], order=3, vocabulary=7, begin=BEGIN, end=END)],
    shares=[1.0],
)
TOKENS = st.lists(st.integers(2, 4), max_size=7).map(tuple)


def levenshtein(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    @cache
    def of(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(of(i - 1, j) + 1, of(i, j - 1) + 1, of(i - 1, j - 1) + (one[i - 1] != other[j - 1]))

    return of(len(one), len(other))


@given(one=TOKENS, other=TOKENS)
def test_distance_is_levenshteins_by_the_longer_length(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    assert ranking.distance(one, other) == pytest.approx(levenshtein(one, other) / max(1, len(one), len(other)))


def test_coverage_is_the_information_said_again() -> None:
    """d is rarer than b, so saying it again covers more; saying a token twice covers it once."""
    rare, common = (ranking.coverage(COUNTS, [B, D], each) for each in ([D, D, E], [B]))
    assert rare > common
    assert rare + common == pytest.approx(1)
    assert ranking.coverage(COUNTS, [B, D], [D, B, A]) == 1 == ranking.coverage(COUNTS, [], [A])
    weights = -np.log(COUNTS.unigrams())
    assert rare == pytest.approx(weights[D] / (weights[B] + weights[D]))


def perplexity(tokens: list[int]) -> float:
    return float(np.exp(-COUNTS.log_probabilities([tokens])[0].mean()))


def test_fluency_is_the_ratio_of_perplexities_and_never_above_one() -> None:
    found = ranking.fluency(COUNTS, [C, A, B], [[A, B], [D, D, D]])
    assert found[0] == 1.0
    assert found[1] == pytest.approx(perplexity([C, A, B]) / perplexity([D, D, D]))


def test_a_copy_is_worth_nothing_and_each_part_counts() -> None:
    source, other = [C, A, B, D], [A, B, C, D]
    copied, good, far, broken = ranking.scores(COUNTS, source, [source, other, other, [D, C, B, A]], [1, 0.9, 0.1, 0.9])
    assert copied == 0 < far < good
    assert broken < good
