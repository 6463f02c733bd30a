"""Counted probabilities: worked out by hand, against dictionaries, and as a distribution."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rosphere.errors import InputError
from rosphere.text import ngrams
from rosphere.text.ngrams import NGrams

BEGIN, END, A, B, C = range(5)
VOCABULARY = 9
TEXT = st.lists(st.lists(st.integers(2, VOCABULARY - 1), max_size=9), min_size=1, max_size=30)


def fitted(text: Sequence[Sequence[int]], order: int, vocabulary: int = VOCABULARY) -> NGrams:
    return ngrams.fit(text, order=order, vocabulary=vocabulary, begin=BEGIN, end=END)


def test_two_sentences_by_hand() -> None:
    """a b and a c. Different tokens before a, b, c, end: 1, 1, 1, 2, so p(b) = 0.5 / 5 + (3 x 0.5 + 1) / 5 / 5."""
    model = fitted([[A, B], [A, C]], 2, vocabulary=5)
    alone = {BEGIN: 0.1, END: 0.3, A: 0.2, B: 0.2, C: 0.2}
    after_a = [0.5 * alone[BEGIN], 0.5 * alone[END], 0.5 * alone[A], 0.5 / 2 + 0.5 * alone[B], 0.5 / 2 + 0.5 * alone[C]]
    assert model.unigrams() == pytest.approx(list(alone.values()))
    assert model.distribution([A]) == pytest.approx(after_a)
    expected = [1 / 2 + 1 / 2 * alone[A], after_a[B], 0.5 + 0.5 * alone[END]]
    assert np.exp(model.log_probabilities([[A, B]])[0]) == pytest.approx(expected)
    assert model.perplexity([[A, B]]) == pytest.approx(math.prod(expected) ** (-1 / 3))


def test_discounts_follow_the_counts_of_counts() -> None:
    """n = 6, 3, 2, 1: Y = 6 / 12; D(1) = 1 - 2 Y 3 / 6, D(2) = 2 - 3 Y 2 / 3, D(3) = 3 - 4 Y 1 / 2."""
    counts = np.array([1.0] * 6 + [2.0] * 3 + [3.0] * 2 + [4.0])
    assert ngrams.discounts(counts) == pytest.approx((0.0, 0.5, 1.0, 2.0))
    assert ngrams.discounts(counts[:-1]) == (0.0, 0.5, 1.0, 1.5)


class Slow:
    """The formula, with dictionaries of tuples."""

    def __init__(self, text: Sequence[Sequence[int]], order: int) -> None:
        whole = [(BEGIN, *sequence, END) for sequence in text]
        raw = [
            Counter(each[i : i + n] for each in whole for i in range(len(each) - n + 1)) for n in range(1, order + 1)
        ]
        self.order, self.counts = order, list[dict[tuple[int, ...], float]]()
        for n, grams in enumerate(raw, 1):
            before: dict[tuple[int, ...], set[int]] = defaultdict(set)
            for longer in raw[n] if n < order else ():
                before[longer[1:]].add(longer[0])
            middle = n < order
            self.counts.append({g: len(before[g]) if middle and g[0] != BEGIN else count for g, count in grams.items()})
        self.counts[0][BEGIN,] = 0
        self.discounts = [ngrams.discounts(np.array(list(each.values()), float)) for each in self.counts]

    def p(self, token: int, context: tuple[int, ...]) -> float:
        context = context[-(self.order - 1) :] if self.order > 1 else ()
        lower = self.p(token, context[1:]) if context else 1 / VOCABULARY
        counts, discount = self.counts[len(context)], self.discounts[len(context)]
        follow = {gram[-1]: count for gram, count in counts.items() if gram[:-1] == context}
        total = sum(follow.values())
        if not total:
            return lower
        own = follow.get(token, 0)
        held = sum(discount[min(3, int(count))] for count in follow.values())
        return (own - discount[min(3, int(own))]) / total + held / total * lower


@settings(deadline=None, max_examples=40)
@given(text=TEXT, asked=TEXT, order=st.integers(1, 5))
def test_as_dictionaries_have_it(text: list[list[int]], asked: list[list[int]], order: int) -> None:
    model, slow = fitted(text, order), Slow(text, order)
    for sequence, found in zip(asked, model.log_probabilities(asked), strict=True):
        whole = (BEGIN, *sequence, END)
        expected = [slow.p(token, whole[:place]) for place, token in enumerate(whole) if place]
        assert np.exp(found) == pytest.approx(expected, rel=1e-4)


@settings(deadline=None, max_examples=60)
@given(text=TEXT, written=st.lists(st.integers(2, VOCABULARY - 1), max_size=8), order=st.integers(1, 5))
def test_probabilities_sum_to_one_and_are_those_of_sequences(
    text: list[list[int]], written: list[int], order: int
) -> None:
    model = fitted(text, order)
    chances = model.distribution(written)
    assert chances.sum() == pytest.approx(1, abs=1e-5)
    assert chances.min() > 0
    for token in range(2, VOCABULARY):
        found = model.log_probabilities([[*written, token]])[0]
        assert math.log(chances[token]) == pytest.approx(found[len(written)], abs=1e-5)


@settings(deadline=None, max_examples=60)
@given(text=TEXT, written=st.lists(st.integers(2, VOCABULARY - 1), max_size=6), length=st.integers(0, 3))
def test_followers_are_what_stands_behind(text: list[list[int]], written: list[int], length: int) -> None:
    tail = tuple([BEGIN, *written][-length:] if length else ())
    whole = [(BEGIN, *sequence, END) for sequence in text]
    expected = {s[i + len(tail)] for s in whole for i in range(len(s) - len(tail)) if s[i : i + len(tail)] == tail}
    assert set(fitted(text, 4).followers(written, length).tolist()) == expected


def test_a_large_vocabulary_and_order_are_no_overflow() -> None:
    text = [[199_999 - n, 150_000 + n, 3, 199_998] for n in range(50)]
    model = fitted(text, 6, vocabulary=200_000)
    assert model.perplexity(text) < 60 < model.perplexity([[7, 8, 9]])


def test_refuses_no_text_and_no_order() -> None:
    with pytest.raises(InputError, match="n-grams: expected text to count, got none"):
        fitted([], 2)
    with pytest.raises(ValueError, match="order: expected 1 or more, got 0"):
        fitted([[A]], 0)
