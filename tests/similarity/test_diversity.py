"""Diversity by hand, and its limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.similarity.diversity import distinct, overlap, self_similarity

TEXTS = st.lists(st.text("甲乙丙", max_size=6), max_size=5)


def test_literals() -> None:
    assert distinct(["怎么退货", "怎么退款"], 1) == pytest.approx(5 / 8)
    assert distinct(["怎么退货", "怎么退款"], 2) == pytest.approx(4 / 6)
    assert overlap("怎么退货", "怎么退款") == pytest.approx(2 / 4)
    assert overlap("怎么退货", "怎么退款", 1) == pytest.approx(3 / 5)
    assert self_similarity(["怎么退货", "怎么退款", "甲乙"]) == pytest.approx(0.5 / 3)


def test_limits() -> None:
    assert distinct([], 2) == distinct(["甲"], 2) == 0.0
    assert self_similarity(["甲乙"]) == self_similarity([]) == 0.0
    assert self_similarity(["甲乙", "甲乙"]) == 1.0
    assert (overlap("甲", "甲"), overlap("甲", "乙"), overlap("", "")) == (1.0, 0.0, 1.0)


@given(texts=TEXTS, n=st.integers(1, 3))
def test_shares_lie_between_0_and_1_and_repetition_lowers_distinctness(texts: list[str], n: int) -> None:
    assert 0 <= distinct(texts, n) <= 1
    assert 0 <= self_similarity(texts, n) <= 1
    assert distinct(texts * 2, n) == pytest.approx(distinct(texts, n) / 2)
    assert all(overlap(a, b, n) == overlap(b, a, n) for a in texts for b in texts)
