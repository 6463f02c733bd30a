"""The rule that moves the alias: by hand-worked cases, and in general."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tracking.promotion import Champion, Measured, decision
from rosphere.errors import InputError

RECALL = Champion(
    measured_by="evaluate_similarity", metric="recall", better="higher", spread=0.03, measured_on=["data/pairs"]
)


def of(value: float, data: str = "a", **more: float) -> Measured:
    return Measured(metrics={"recall": value, **more}, deps={"data/pairs": data, "data/raw": str(value)})


@pytest.mark.parametrize(
    ("new", "old", "takes", "why"),
    [
        (of(0.2), None, True, "recall 0.2, the first"),
        (of(0.5), of(0.46875), True, "recall 0.5 after 0.46875, a gain of 0.03125, more than the spread 0.03"),
        (of(0.5), of(0.484375), False, "recall 0.5 after 0.484375, a gain of 0.015625, not more than the spread 0.03"),
        (of(0.4), of(0.5), False, "recall 0.4 after 0.5, a gain of -0.1, not more than the spread 0.03"),
        (of(0.9), of(0.1, data="b"), False, "measured on another data/pairs than the champion: choose by hand"),
        (Measured(metrics={}, deps={}), None, False, "the run has no metric recall"),
        (of(0.9), Measured(metrics={}, deps={}), False, "the champion's run has no metric recall: choose by hand"),
    ],
)
def test_decisions(new: Measured, old: Measured | None, takes: bool, why: str) -> None:
    assert decision(RECALL, new, old) == (takes, why)


def test_the_spread_may_be_a_metric_of_either_run() -> None:
    rule = Champion(measured_by="evaluate_similarity", metric="recall", better="higher", spread="recall_std")
    assert decision(rule, of(0.5, recall_std=0.0), of(0.25, recall_std=0.125))[0]
    assert not decision(rule, of(0.5, recall_std=0.0), of(0.25, recall_std=0.25))[0]
    assert decision(rule, of(0.5), of(0.49))[0]  # where neither says, any gain counts


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 1e3))
def test_lower_is_the_mirror_of_higher_and_at_most_one_of_two_is_better(a: float, b: float, spread: float) -> None:
    higher = Champion(measured_by="evaluate_similarity", metric="recall", better="higher", spread=spread)
    lower = Champion(measured_by="evaluate_similarity", metric="recall", better="lower", spread=spread)
    assert decision(higher, of(a), of(b))[0] == decision(lower, of(b), of(a))[0]
    assert not (decision(higher, of(a), of(b))[0] and decision(higher, of(b), of(a))[0])


def test_a_negative_spread_is_refused() -> None:
    with pytest.raises(InputError, match="spread: expected 0 or more, got -0.1"):
        Champion(measured_by="evaluate_similarity", metric="recall", better="higher", spread=-0.1)
