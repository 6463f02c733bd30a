"""Rows set apart: a share, by seed, and what belongs together on one side."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.clue import splitting
from rosphere.clue.tasks import TASKS


@given(st.lists(st.integers(0, 30), min_size=2, max_size=200), st.floats(0.01, 0.99), st.integers(0, 5))
def test_every_row_is_on_one_side_with_those_of_its_group(rows: list[int], share: float, seed: int) -> None:
    kept, apart = splitting.apart(rows, lambda row: row, share=share, seed=seed)
    assert sorted(kept + apart) == sorted(rows)
    assert not set(kept) & set(apart)
    if len(set(rows)) > 1:
        assert kept and apart
        largest = max(rows.count(row) for row in rows)
        assert len(apart) <= max(1, round(share * len(rows))) + largest - 1


def test_the_share_is_kept_and_the_seed_decides() -> None:
    rows = list(range(1000))
    kept, apart = splitting.apart(rows, lambda row: row, share=0.1, seed=8)
    assert (len(kept), len(apart)) == (900, 100) and apart == sorted(apart)
    assert splitting.apart(rows, lambda row: row, share=0.1, seed=8)[1] == apart
    assert splitting.apart(rows, lambda row: row, share=0.1, seed=9)[1] != apart


@pytest.mark.parametrize(
    ("name", "one", "other", "stay"),
    [
        ("sentiment", {"sentence": "很 好"}, {"sentence": "很好！"}, True),
        ("sentiment", {"sentence": "很好"}, {"sentence": "不好"}, False),
        ("faq", {"sentence1": "甲", "sentence2": "乙"}, {"sentence1": "甲", "sentence2": "丙"}, False),
        ("cmrc2018", {"context": "文", "question": "一"}, {"context": "文", "question": "二"}, True),
        ("c3", {"context": ["文"], "question": "一"}, {"context": ["文"], "question": "二"}, True),
        ("c3", {"context": [], "question": "一"}, {"context": [], "question": "二"}, False),
    ],
)
def test_what_belongs_together(name: str, one: dict[str, object], other: dict[str, object], stay: bool) -> None:
    task = replace(TASKS[name])
    assert (splitting.together(task, one) == splitting.together(task, other)) is stay
