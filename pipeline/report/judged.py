"""Pairs that people judged, where the page is read first: our vectors beside what costs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

WHOLE, ENCODER = "roformer_sim", "pooler"  # the vectors that are saved, with a lexical half and without one
RIVALS = (
    "TF-IDF",
    "TF-IDF fitted on the measured sentences",
    "random token vectors",
    "static",
)  # as evaluate_similarity has them


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Spearman's correlation of one set and split, as the vectors are, and that of its rivals by name."""

    name: str
    ours: float
    rivals: Mapping[str, float]


def judged(report: Mapping[str, Any]) -> Iterator[Judged]:
    """Of every graded set its test split, or what it has."""
    sets: Mapping[str, Mapping[str, Mapping[str, float]]] = report["graded"]
    for name, table in sets.items():
        stem, _, split = name.rpartition(" ")
        if split != "test" and f"{stem} test" in sets:
            continue
        ours = table[WHOLE if WHOLE in table else ENCODER]["none"]
        yield Judged(name=name, ours=ours, rivals={r: table[r]["none"] for r in RIVALS if r in table})
