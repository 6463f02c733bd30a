"""What widening saves: the curves of a run from random weights and of a widened one, compared at equal loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Point(NamedTuple):
    """A moment of a run: what it has cost so far and what it is worth."""

    narrow_steps: int
    wide_steps: int
    loss: float


Prices = tuple[float, float]  # of a narrow step and of a wide one, in FLOPs or in seconds


def cost(point: Point, prices: Prices) -> float:
    return point.narrow_steps * prices[0] + point.wide_steps * prices[1]


def reached(points: Sequence[Point], loss: float, prices: Prices) -> float:
    """The cost at which a run first has this loss or a lower one, by straight lines between its points; inf if never.

    A run that begins below it, as a widened model may, has it at its first point: widening itself costs nothing.
    """
    if points and points[0].loss <= loss:
        return cost(points[0], prices)
    for before, after in zip(points, points[1:], strict=False):
        if before.loss > loss >= after.loss:
            share = (before.loss - loss) / (before.loss - after.loss)
            return cost(before, prices) + share * (cost(after, prices) - cost(before, prices))
    return math.inf


def from_random_weights(curves: Mapping[str, Sequence[Point]]) -> list[Sequence[Point]]:
    return [points for name, points in curves.items() if name.startswith("scratch")]


def savings(scratch: Sequence[Sequence[Point]], ours: Sequence[Point], prices: Prices) -> list[tuple[float, float]]:
    """(cost of a run from random weights, share of it saved) at each point of such runs.

    -inf where ours never gets there.

    What counts is the lowest loss that any of the runs from random weights has had for that cost: noise of the last
    step is no reason to train longer.
    """
    found, lowest = [], math.inf
    for point in sorted((point for run in scratch for point in run), key=lambda point: cost(point, prices)):
        lowest = min(lowest, point.loss)
        spent = cost(point, prices)
        if spent:
            found.append((spent, 1 - reached(ours, lowest, prices) / spent))
    return found
