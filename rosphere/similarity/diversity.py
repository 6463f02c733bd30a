"""How different generated sentences are, from one another and from what they paraphrase."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def distinct(texts: Sequence[str], n: int) -> float:
    """Share of different character n-grams among all of them (Li et al. 2016, arXiv 1510.03055); 0 without any."""
    found = Counter(gram for text in texts for gram in _grams(text, n))
    return len(found) / found.total() if found else 0.0


def overlap(one: str, other: str, n: int = 2) -> float:
    """Jaccard's similarity of the sets of character n-grams: 1 for a copy, 0 for nothing in common."""
    first, second = set(_grams(one, n)), set(_grams(other, n))
    union = first | second
    return len(first & second) / len(union) if union else float(one == other)


def self_similarity(texts: Sequence[str], n: int = 2) -> float:
    """Mean overlap over pairs of different places: how much the sentences for one source repeat one another."""
    pairs = [(one, other) for place, one in enumerate(texts) for other in texts[place + 1 :]]
    return sum(overlap(one, other, n) for one, other in pairs) / len(pairs) if pairs else 0.0


def _grams(text: str, n: int) -> list[str]:
    return [text[start : start + n] for start in range(len(text) - n + 1)]
