"""What others report for CLUE's tasks: figures with their split and their source, nothing measured here.

Accuracy, of CLUENER F1, of CMRC 2018 exact match (so CLUE; kexue.fm/archives/8739 may mean the mean of it and F1).
Test figures come from hidden answers and cannot be set beside a score on dev.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Published:
    """One system's figures in per cent, by task."""

    system: str
    split: Literal["dev", "test"]
    source: str
    figures: Mapping[str, float]


_NAMES = "iflytek tnews afqmc cmnli ocnli cluewsc2020 csl cmrc2018 c3 chid cluener".split()


def _figures(values: str, names: list[str] = _NAMES) -> dict[str, float]:
    """'60.06 - 72.41' by the order of the names; '-' is a figure that is not given."""
    return {name: float(value) for name, value in zip(names, values.split(), strict=True) if value != "-"}


_README = "CLUE's README"
_DEV = "kexue.fm/archives/8764 and the README of GAU-alpha; single runs"

PUBLISHED = (
    Published(
        system="BERT base",
        split="dev",
        source=_DEV,
        figures=_figures("60.06 56.80 72.41 79.56 73.93 78.62 83.93 56.17 60.54 85.69 79.45"),
    ),
    Published(
        system="RoBERTa-wwm-ext",
        split="dev",
        source=_DEV,
        figures=_figures("60.64 58.06 74.05 81.24 76.00 87.50 84.50 56.54 67.66 86.71 79.47"),
    ),
    Published(
        system="RoFormer base",
        split="dev",
        source=_DEV,
        figures=_figures("60.91 57.54 73.52 80.92 76.07 86.84 84.63 56.26 67.24 86.57 79.72"),
    ),
    Published(
        system="ALBERT-tiny",
        split="test",
        source=_README,
        figures=_figures("48.71 53.35 69.92 70.61 - 58.5 74.56 53.35 50.26 43.53 -"),
    ),
    Published(
        system="BERT base",
        split="test",
        source=_README,
        figures=_figures("60.29 56.58 73.70 79.69 - 62.0 80.36 71.60 64.50 82.04 -"),
    ),
    Published(
        system="RoBERTa-wwm-ext",
        split="test",
        source=_README,
        figures=_figures("60.31 56.94 74.04 80.51 - 67.8 81.0 75.20 66.50 83.62 -"),
    ),
    Published(
        system="RoFormer base",
        split="test",
        source="JunnYu/RoFormer_pytorch, test 1.0",
        figures=_figures("59.54 57.34 74.46 80.23 73.67 80.69 84.57 - - - -"),
    ),
    Published(
        system="human",
        split="test",
        source="CLUE's human baseline, quoted from memory",
        figures=_figures("80.3 71 81 76 90.3 98 84 92.4 96.0 87.1 -"),
    ),
)


def beside(task: str, split: Literal["dev", "test"]) -> list[Published]:
    """Who reports a figure for this task on this split."""
    return [each for each in PUBLISHED if each.split == split and task in each.figures]
