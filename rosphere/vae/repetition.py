"""How often a text is stuck: one token several times in a row, the common way for a weak decoder to fail."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rosphere.errors import InputError


def repetition(sentences: Sequence[Sequence[int]], *, times: int = 3) -> float:
    """Share of the sentences in which a token stands ``times`` or more times in a row."""
    if not sentences:
        raise InputError("repetition: expected a sentence or more, got none")
    return sum(_longest(each) >= times for each in sentences) / len(sentences)


def _longest(tokens: Sequence[int]) -> int:
    """Tokens in the longest run of one token; 0 of none."""
    return max((sum(1 for _ in run) for _, run in groupby(tokens)), default=0)
