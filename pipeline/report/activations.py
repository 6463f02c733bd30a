"""Does smoothness matter? Loss against the width of the kernel that smooths ReLU (benchmarks/activations.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from pipeline.report.palette import BLUE, MARKERS, SERIES

SMOOTH = "smooth_relu_gaussian:"
Rows = Sequence[Mapping[str, Any]]


def widths(rows: Rows) -> list[tuple[float, Mapping[str, Any]]]:
    """ReLU, width 0, and the smooth ReLUs of fixed width, by width."""
    found = [(0.0, row) for row in rows if row["activation"] == "relu"]
    for row in rows:
        name = str(row["activation"])
        if name.startswith(SMOOTH) and not name.endswith(":learned"):
            found.append((float(name.removeprefix(SMOOTH)), row))
    return sorted(found, key=lambda pair: pair[0])


def draw(axis: Axes, rows: Rows) -> None:
    known = widths(rows)
    across = [width for width, _ in known]
    losses, spreads = ([row[key] for _, row in known] for key in ("dev_loss", "spread"))
    axis.errorbar(across, losses, spreads, fmt="o-", capsize=3, color=BLUE, label="smooth ReLU (0: ReLU)")
    others = [row for row in rows if row not in [row for _, row in known]]
    right = max(across, default=0.0)
    for number, row in enumerate(others, 1):
        colour = SERIES[number % len(SERIES)]
        axis.axhline(row["dev_loss"], ls="--", lw=1, color=colour)
        axis.plot(
            [right],
            [row["dev_loss"]],
            marker=MARKERS[number % len(MARKERS)],
            color=colour,
            label=called(str(row["activation"])),
        )
    axis.set_xlabel("width of the kernel (bars: s. d. over seeds)")
    axis.set_ylabel("masked-token loss on dev, nats")
    axis.figure.legend(loc="outside upper center", ncols=3)


def sentence(rows: Rows) -> str:
    """The best and GELU with the same seeds, and whether the difference is above what it varies by."""
    gelu = next((row for row in rows if row["activation"] == "gelu"), None)
    best, seeds = min(rows, key=lambda row: float(row["dev_loss"])), min(int(row["seeds"]) for row in rows)
    said = f"The lowest loss is that of {called(best['activation'])}, {best['dev_loss']:.3f}"
    if gelu is None or best is gelu:
        return f"{said}{', and nothing beats GELU' if gelu else ''}."
    apart, spread = -float(best["against_gelu"]), float(best["against_gelu_spread"])
    if seeds < 2:
        return f"{said}, {apart:.3f} nats below GELU: with one seed nobody knows whether that is chance."
    verdict = (
        f"that beats GELU over {seeds} seeds" if apart > spread else "nothing beats GELU by more than seeds differ"
    )
    return f"{said}, {apart:.3f} ± {spread:.3f} nats below GELU with the same seed: {verdict}."


def called(name: str) -> str:
    """As papers have it."""
    word, *numbers = name.split(":")
    known = {"gelu": "GELU", "relu": "ReLU", "silu": "SiLU", "smooth_leaky_relu_gaussian": "SAU"}
    if name == "smooth_relu_logistic:1":
        return "SoftPlus"
    if name.startswith(SMOOTH):
        return f"smooth ReLU, width {numbers[0]}"
    return known.get(word, name)
