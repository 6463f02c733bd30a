"""What two sentences have in common."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.preparation.jaccard import grams, jaccard
from rosphere.text.cleaning import fingerprint, letters


@pytest.mark.parametrize(
    ("text", "n", "expected"),
    [
        ("怎么 退货？", 1, {"怎", "么", "退", "货"}),
        ("怎么 退货？", 2, {"怎么", "么退", "退货"}),
        ("Ab哈哈哈", 2, {"ab", "b哈", "哈哈"}),
        ("哈", 2, set()),
        ("。。。", 1, set()),
    ],
)
def test_grams(text: str, n: int, expected: set[str]) -> None:
    assert grams(text, n) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("怎么退货", "如何退货？", 2 / 6),
        ("你好！", "你 好", 1.0),
        ("甲", "乙", 0.0),
        ("？", "！", 0.0),
        ("", "甲", 0.0),
    ],
)
def test_jaccard(one: str, other: str, expected: float) -> None:
    assert jaccard(grams(one, 1), grams(other, 1)) == pytest.approx(expected)


TEXT = st.text("甲乙Aａa1， 。", max_size=6)


@given(TEXT, TEXT)
def test_equal_letters_are_equal_fingerprints(one: str, other: str) -> None:
    assert (letters(one) == letters(other)) is (fingerprint(one) == fingerprint(other))
