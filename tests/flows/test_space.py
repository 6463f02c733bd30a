"""What may be tried, as one types it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from flows.space import grid, read, split
from pipeline.workspace.graph import PlanError


def test_choices_and_ranges() -> None:
    found = read({"a": "25, 50", "b": "1e-4..1e-2", "c": "log:1e-4..1e-2", "d": "1..8", "e": "[1,2],[3]", "f": "x"})
    assert found == {
        "a": CategoricalDistribution(["25", "50"]),
        "b": FloatDistribution(1e-4, 1e-2),
        "c": FloatDistribution(1e-4, 1e-2, log=True),
        "d": IntDistribution(1, 8),
        "e": CategoricalDistribution(["[1,2]", "[3]"]),
        "f": CategoricalDistribution(["x"]),
    }


def test_a_grid_is_every_combination() -> None:
    assert grid(read({"a": "1,2", "b": "x,y"})) == [
        {"a": "1", "b": "x"},
        {"a": "1", "b": "y"},
        {"a": "2", "b": "x"},
        {"a": "2", "b": "y"},
    ]


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({}, "needs something to vary"),
        ({"a": "1,,2"}, "a: expected choices"),
        ({"a": ""}, "a: expected choices"),
        ({"a": "2..1"}, r"a: expected a range such as 1e-4..1e-2, got '2..1'"),
        ({"a": "e..1"}, "a: expected a range"),
        ({"a": "log:0..1"}, "a: expected a range"),
    ],
)
def test_refusals(space: dict[str, str], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        read(space)


def test_a_range_has_no_grid() -> None:
    with pytest.raises(PlanError, match="a: a grid needs choices"):
        grid(read({"a": "1..2"}))


@given(st.lists(st.one_of(st.integers().map(str), st.lists(st.integers(), min_size=1).map(str)), min_size=1))
def test_only_commas_outside_brackets_part(choices: list[str]) -> None:
    assert split(",".join(choices)) == choices
