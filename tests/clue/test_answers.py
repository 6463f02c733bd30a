"""Exact match and F1 of answers, against the definition written again."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.clue import answers

SIGNS = "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』"
TEXT = st.text("甲乙丙。，《1a B-", max_size=10)


def by_definition(text: str) -> list[str]:
    """Segments as CMRC's script makes them, for texts whose Latin words carry no punctuation of their own."""
    found, word = [], ""
    for char in text.lower().strip():
        if char in SIGNS:
            continue
        if "\u4e00" <= char <= "\u9fa5":
            found += [*word.split(), char]
            word = ""
        else:
            word += char
    return [*found, *word.split()]


def f1_by_definition(gold: list[str], guess: str) -> float:
    best = 0.0
    for answer in gold:
        one, other = by_definition(answer), by_definition(guess)
        runs = [
            size
            for begin, start in product(range(len(one)), range(len(other)))
            for size in range(1, min(len(one) - begin, len(other) - start) + 1)
            if one[begin : begin + size] == other[start : start + size]
        ]
        if runs:
            precision, recall = max(runs) / len(other), max(runs) / len(one)
            best = max(best, 2 * precision * recall / (precision + recall))
    return best


@given(st.lists(TEXT, min_size=1, max_size=3), TEXT)
def test_against_the_definition(gold: list[str], guess: str) -> None:
    assert answers.f1(gold, guess) == pytest.approx(f1_by_definition(gold, guess))
    kept = ["".join(c for c in text.lower().strip() if c not in SIGNS) for text in (*gold, guess)]
    assert answers.exact(gold, guess) == float(kept[-1] in kept[:-1])


@pytest.mark.parametrize(
    ("gold", "guess", "exact", "f1"),
    [
        (["光荣和ω-force"], "光荣和ω-Force。", 1.0, 1.0),
        (["1963年"], "1963年被任", 0.0, 2 * 2 / (2 + 4)),  # 1963, 年 of 1963, 年, 被, 任
        (["战国无双3"], "战国无双 3", 0.0, 1.0),  # the script keeps blanks inside for exact match
        (["甲乙", "丙丁"], "丙丁", 1.0, 1.0),
        (["甲乙丙"], "甲丁丙", 0.0, 2 * 1 / 6),  # a run, not a subsequence
        (["甲"], "", 0.0, 0.0),
        (["……"], "…", 0.0, 2 / 3),  # of the script's punctuation "……" is the one that matches no character
        (["3.14"], "3.14", 1.0, 1.0),
    ],
)
def test_known_cases(gold: list[str], guess: str, exact: float, f1: float) -> None:
    assert answers.exact(gold, guess) == exact
    assert answers.f1(gold, guess) == pytest.approx(f1)
