"""What a benchmark calls saved, by hand."""

from __future__ import annotations

import math

import pytest

from benchmarks.widening.curves import Point, cost, reached, savings

PRICES = (1.0, 4.0)
SCRATCH = [Point(0, 0, 9.0), Point(0, 10, 6.0), Point(0, 20, 6.5), Point(0, 40, 5.0), Point(0, 50, 4.0)]
OURS = [Point(20, 0, 5.5), Point(20, 5, 5.5), Point(20, 10, 4.5)]


def test_costs_and_losses_literally() -> None:
    assert cost(Point(20, 5, 0.0), PRICES) == 40.0
    assert reached(OURS, 6.0, PRICES) == 20.0, "it begins below: widening is free"
    assert reached(OURS, 5.0, PRICES) == pytest.approx(40 + 0.5 * 20)
    assert reached(OURS, 4.5, PRICES) == 60.0
    assert reached(OURS, 4.4, PRICES) == math.inf
    assert reached([], 4.4, PRICES) == math.inf


def test_savings_at_the_lowest_loss_so_far() -> None:
    assert savings([SCRATCH], OURS, PRICES) == [
        (40.0, 1 - 20 / 40),
        (80.0, 1 - 20 / 80),  # the loss rose: what it had before counts
        (160.0, pytest.approx(1 - 50 / 160)),
        (200.0, -math.inf),
    ]


def test_the_best_of_several_runs_from_random_weights_counts() -> None:
    lowered = [Point(0, 10, 6.0), Point(0, 15, 5.2)]
    assert savings([SCRATCH, lowered], OURS, PRICES) == [
        (40.0, 1 - 20 / 40),
        (40.0, 1 - 20 / 40),
        (60.0, pytest.approx(1 - (40 + 0.3 * 20) / 60)),
        (80.0, pytest.approx(1 - (40 + 0.3 * 20) / 80)),
        (160.0, pytest.approx(1 - 50 / 160)),
        (200.0, -math.inf),
    ]


def test_a_rise_after_widening_costs_until_it_is_made_good() -> None:
    rising = [Point(20, 0, 5.5), Point(20, 5, 6.0), Point(20, 10, 5.0)]
    assert reached(rising, 5.5, PRICES) == 20.0
    assert reached(rising, 5.25, PRICES) == pytest.approx(40 + 0.75 * 20)
