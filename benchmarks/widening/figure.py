"""Dev loss against compute, and the share of it that widening saves against how long one trains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.widening.curves import Point, Prices, cost, from_random_weights, savings

Curves = Mapping[str, Sequence[Point]]


def draw(seeds: Mapping[int, Curves], prices: Prices, title: str, path: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    names = list(next(iter(seeds.values())))
    for number, name in enumerate(names):
        for curves in seeds.values():
            x = [cost(point, prices) for point in curves[name]]
            left.plot(x, [point.loss for point in curves[name]], color=f"C{number}", alpha=0.6, lw=1.2)
        left.plot([], [], color=f"C{number}", label=_said(name))
        if name.startswith("switch"):
            _band(
                right,
                [savings(from_random_weights(curves), curves[name], prices) for curves in seeds.values()],
                number,
                name,
            )
    left.set(xlabel="FLOPs, the narrow run included", ylabel="dev loss", title=title)
    left.set_ylim(top=min(7.0, left.get_ylim()[1]))
    right.set(xlabel="FLOPs of the run from random weights", ylabel="share saved at its loss", ylim=(-0.2, 1))
    right.axhline(0, color="grey", lw=0.8)
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    right.set_title("mean of the seeds, smallest to largest shaded")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _said(name: str) -> str:
    if name == "scratch":
        return "wide from random weights"
    lower = name.replace("scratch lowered", "the same, half the rate after steps:")
    return lower.replace("switch", "widened after narrow steps:")


def _band(axes: Axes, seeds: Sequence[Sequence[tuple[float, float]]], number: int, name: str) -> None:
    """Where all seeds have a finite saving."""
    rows = [
        (at[0][0], [saved for _, saved in at])
        for at in zip(*seeds, strict=True)
        if all(math.isfinite(saved) for _, saved in at)
    ]
    if rows:
        x = [spent for spent, _ in rows]
        axes.plot(x, [sum(saved) / len(saved) for _, saved in rows], color=f"C{number}", label=_said(name))
        low, high = [min(saved) for _, saved in rows], [max(saved) for _, saved in rows]
        axes.fill_between(x, low, high, color=f"C{number}", alpha=0.2)
