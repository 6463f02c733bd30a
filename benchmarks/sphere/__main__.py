"""The von Mises-Fisher law: how right, how fast, and next to whom.

    python -m benchmarks.sphere [accuracy] [moments] [speed] [--draws N] [--device cuda] [--json FILE]

SciPy is always a peer; power_spherical and TensorFlow Probability on JAX join where `pip install -e .[peers]` has
installed them. TFP is asked in float64 too, which JAX allows for the whole process.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.sphere import accuracy, moments, speed

Row = dict[str, Any]


def printed(title: str, rows: list[Row]) -> None:
    print(f"\n{title}")
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([_shown(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)), flush=True)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ("accuracy", "moments", "speed")
    parser.add_argument("parts", nargs="*", help=f"any of {', '.join(parts)} (default: all)")
    parser.add_argument("--draws", type=int, default=100_000, help="draws per cell of the moments' grid")
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds of each timing")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if unknown := set(options.parts) - set(parts):
        parser.error(f"parts: expected any of {', '.join(parts)}, got {', '.join(sorted(unknown))}")
    wanted = options.parts or parts
    tables: dict[str, list[Row]] = {}
    if "accuracy" in wanted:
        tables["Relative error against mpmath, worst cell of the grid"] = accuracy.table(options.device)
    if "moments" in wanted:
        tables[f"Standard errors off, {options.draws:,} draws a cell"] = moments.table(options.draws, options.device)
    if "speed" in wanted:
        tables |= speed.tables(options.rounds, options.device)
    for title, rows in tables.items():
        printed(title, rows)
    if options.json:
        options.json.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
