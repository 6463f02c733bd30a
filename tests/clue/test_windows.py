"""Windows lose nothing: every token is in one, every short span whole in one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.clue import windows


@given(st.integers(0, 60), st.integers(1, 20), st.data())
def test_windows_cover_the_text(length: int, size: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, size))
    found = windows.slide(length, size, stride)
    assert {place for begin, end in found for place in range(begin, end)} == set(range(length))
    assert all(end - begin <= size for begin, end in found)
    assert [begin for begin, _ in found] == [stride * n for n in range(len(found))]
    assert sum(end == length for _, end in found) == 1, "none after the one that reaches the end"
    for first in range(length):
        last = first + size - stride
        if last < length:
            assert any(begin <= first and last < end for begin, end in found)


@pytest.mark.parametrize("stride", [0, 6, -1])
def test_strides_that_would_skip_or_stand_still_are_refused(stride: int) -> None:
    with pytest.raises(ValueError, match="expected 0 < stride <= size"):
        windows.slide(10, 5, stride)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=10), st.data())
def test_tokens_of_characters_against_a_loop(sizes: list[int], data: st.DataObject) -> None:
    ends = [sum(sizes[: n + 1]) for n in range(len(sizes))]
    offsets = list(zip([0, *ends[:-1]], ends, strict=True))
    begin = data.draw(st.integers(0, ends[-1] - 1))
    end = data.draw(st.integers(begin + 1, ends[-1]))
    holding = [n for n, (start, stop) in enumerate(offsets) if set(range(start, stop)) & set(range(begin, end))]
    assert windows.tokens_of((begin, end), offsets) == (holding[0], holding[-1])


def test_no_answer_no_tokens() -> None:
    assert windows.tokens_of(None, [(0, 1)]) is None
    assert windows.tokens_of((1, 2), [(0, 1), (2, 3)]) is None, "a blank between two tokens"


def test_the_first_answer_that_stands_somewhere() -> None:
    assert windows.first_answer({"text": ["丁", "乙丙"], "answer_start": [-1, 1]}) == (1, 3)
    assert windows.first_answer({"text": ["丁"], "answer_start": [-1]}) is None
    assert windows.first_answer(None) is None


def test_a_span_that_is_cut_is_no_target() -> None:
    assert windows.inside((3, 5), 2, 6, shift=10) == (11, 13)
    assert windows.inside((3, 5), 2, 5, shift=10) == (0, 0)
    assert windows.inside((3, 5), 4, 9, shift=10) == (0, 0)
    assert windows.inside(None, 0, 9, shift=10) == (0, 0)
