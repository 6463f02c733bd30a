"""Does smoothness matter? Loss against the width of the kernel that smooths ReLU (benchmarks/activations.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from stages.page.palette import BLUE, MARKERS, SERIES

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
            [right], [row["dev_loss"]], marker=MARKERS[number % len(MARKERS)], color=colour, label=row["activation"]
        )
    axis.set_xlabel("width of the kernel (bars: s. d. over seeds)")
    axis.set_ylabel("masked-token loss on dev, nats")
    axis.legend(fontsize=7.5)


def sentence(rows: Rows) -> str:
    """The best and ReLU, and whether the difference is above what seeds differ by."""
    best, seeds = min(rows, key=lambda row: float(row["dev_loss"])), min(int(row["seeds"]) for row in rows)
    relu = next((row for row in rows if row["activation"] == "relu"), None)
    said = f"The lowest loss is that of {best['activation']}, {best['dev_loss']:.3f}"
    if relu is None or best is relu:
        return f"{said}."
    apart, spread = relu["dev_loss"] - best["dev_loss"], max(relu["spread"], best["spread"])
    told = (
        "with one seed nobody knows whether that is chance"
        if seeds < 2
        else (f"{'more' if apart > spread else 'no more'} than seeds differ by ({spread:.3f})")
    )
    return f"{said}, {apart:.3f} nats below ReLU: {told}."
