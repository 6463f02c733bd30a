"""Tokens three times in a row."""

from __future__ import annotations

import pytest

from rosphere.errors import InputError
from rosphere.vae.measures import writing
from rosphere.vae.repetition import repetition


def test_repetition_literal() -> None:
    rows = [[1, 1, 1], [1, 1, 2, 1], [], [5, 6, 7, 7, 7, 7], [3]]
    assert repetition(rows) == 2 / 5
    assert repetition(rows, times=2) == 3 / 5
    assert repetition(rows, times=4) == 1 / 5
    assert repetition([[1, 2, 1, 2, 1, 2]]) == 0.0


def test_of_nothing_there_is_no_share() -> None:
    with pytest.raises(InputError, match="repetition: expected a sentence or more"):
        repetition([])


def test_what_is_written_is_measured_each_by_itself() -> None:
    given, again, drawn = [[7, 8], [9, 9, 9]], [[7, 8], [6, 7]], [[5, 5, 5], [5, 5, 5], [4, 5, 5], []]
    found = writing(again, given, drawn)
    assert found["held_out_repetition"] == 0.5 and found["reconstruction_repetition"] == 0.0
    assert found["sample_repetition"] == 0.5 and found["sample_distinct"] == 0.75 and found["samples"] == 4
    assert found["bleu"] < writing(given, given, drawn)["bleu"] == 1.0
