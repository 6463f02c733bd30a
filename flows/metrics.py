"""The numbers in the stages' metrics files, and how they moved."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.workspace import numbers

Numbers = dict[str, float]


def read(root: Path, paths: Iterable[str]) -> Numbers:
    """`{"reports/pretrain.json: loss.final": 2.5, ...}` of the metrics files that exist.

    Only numbers at the end of nested mappings are read: a list is a curve, and curves belong in plots.

    Raises:
        ValueError: a file does not hold a JSON object.
    """
    found: Numbers = {}
    for path in paths:
        if path.endswith(".json") and (root / path).is_file():
            inside = numbers.flat(_load(root / path), separator=".", lists=False)
            found |= {f"{path}: {key}": value for key, value in inside.items()}
    return found


def table(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """A Markdown table of what stands in the files now, against what stood there before; what moved comes first."""
    moved = sorted(after, key=lambda key: before.get(key) == after[key])
    rows = [
        f"| {key} | {_number(before.get(key))} | {_number(after[key])} | {_change(before.get(key), after[key])} |"
        for key in moved
    ]
    return "\n".join(["| metric | before | now | change |", "| :-- | --: | --: | --: |", *rows])


def _load(file: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{file} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ValueError(f"{file} must hold a JSON object, got {type(document).__name__}")
    return document


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _change(before: float | None, now: float) -> str:
    if before is None:
        return "new"
    return "=" if before == now else f"{now - before:+.6g}"
