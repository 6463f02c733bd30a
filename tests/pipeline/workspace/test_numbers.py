"""Which leaves of a document are numbers, and what they are called."""

from __future__ import annotations

import pytest

from pipeline.workspace import numbers

DOCUMENT = {"loss": {"final": 2.5, "curve": [3, {"dev": 2.5}]}, "steps": 10, "done": True, "name": "x", "none": None}


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, {"loss/final": 2.5, "loss/curve/0": 3.0, "loss/curve/1/dev": 2.5, "steps": 10.0}),
        ({"separator": ".", "lists": False}, {"loss.final": 2.5, "steps": 10.0}),
    ],
)
def test_numbers_at_the_leaves(how: dict, expected: dict[str, float]) -> None:
    found = numbers.flat(DOCUMENT, **how)
    assert found == expected
    assert {type(value) for value in found.values()} == {float}
