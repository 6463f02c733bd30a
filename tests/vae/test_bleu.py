"""BLEU-4 of a corpus, against a brute force that shares nothing with it."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rosphere.errors import InputError
from rosphere.vae.bleu import corpus_bleu

WORDS = st.lists(st.integers(0, 4), max_size=9)


def brute(candidates: list[list[int]], references: list[list[int]]) -> float:
    """By crossing matched n-grams off a list, with fractions."""
    product = Fraction(1)
    for n in (1, 2, 3, 4):
        matched = total = 0
        for candidate, reference in zip(candidates, references, strict=True):
            left = [reference[i : i + n] for i in range(len(reference)) if i + n <= len(reference)]
            for i in range(len(candidate) - n + 1):
                total += 1
                if candidate[i : i + n] in left:
                    left.remove(candidate[i : i + n])
                    matched += 1
        if n == 1:
            if not matched:
                return 0.0
            product *= Fraction(matched, total)
        else:
            product *= Fraction(matched + 1, total + 1)
    c, r = sum(len(x) for x in candidates), sum(len(x) for x in references)
    return float(product) ** 0.25 * (1.0 if c >= r else math.exp(1 - r / c))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5))
def test_against_brute_force(pairs: list[tuple[list[int], list[int]]]) -> None:
    candidates, references = map(list, zip(*pairs, strict=True))
    assert corpus_bleu(candidates, references) == pytest.approx(brute(candidates, references), abs=1e-12)


def test_on_paper() -> None:
    """The cat sat on mat / the cat sat on the mat: p = 5/5, (3+1)/(4+1), (2+1)/(3+1), (1+1)/(2+1); c = 5, r = 6."""
    expected = (1 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25 * math.exp(1 - 6 / 5)
    assert corpus_bleu([[1, 2, 3, 4, 6]], [[1, 2, 3, 4, 1, 6]]) == pytest.approx(expected)


def test_a_repeated_word_counts_as_often_as_the_reference_has_it() -> None:
    """Papineni's "the the the the the the the" against "the cat is on the mat": p_1 = 2/7."""
    found = corpus_bleu([[1] * 7], [[1, 2, 3, 4, 1, 5]])
    assert found == pytest.approx((2 / 7 * 1 / 7 * 1 / 6 * 1 / 5) ** 0.25)


def test_copies_are_worth_one_and_nothing_in_common_or_nothing_written_zero() -> None:
    assert corpus_bleu([[1, 2], [3, 4, 5, 6, 7]], [[1, 2], [3, 4, 5, 6, 7]]) == 1.0
    assert corpus_bleu([[1, 2]], [[3, 4]]) == corpus_bleu([[]], [[3, 4]]) == 0.0


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="a reference for each candidate, got 1 for 2"):
        corpus_bleu([[1], [2]], [[1]])
    with pytest.raises(InputError, match="got 0 for 0"):
        corpus_bleu([], [])
