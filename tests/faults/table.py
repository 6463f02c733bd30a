"""The drill's table, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

HEAD = ("fault", "on", "moment", "exit", "recovered in", "lost", "bytes equal")


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """A line a case."""
    lines = [_line(HEAD), _line(["---"] * len(HEAD))]
    return "\n".join([*lines, *(_line(_cells(row)) for row in rows)])


def _cells(row: Mapping[str, Any]) -> list[str]:
    seconds, same = row["seconds"], row["same"]
    return [
        row["fault"],
        row["ground"],
        row["moment"],
        "-" if row["exit"] is None else str(row["exit"]),
        "-" if seconds is None else f"{seconds:.0f} s",
        "; ".join(row["lost"]) or "nothing",
        {True: "yes", False: "NO", None: "-"}[same],
    ]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"
