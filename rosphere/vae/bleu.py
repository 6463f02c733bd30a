"""BLEU of a corpus (Papineni et al. 2002), one reference a sentence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from rosphere.errors import InputError


def corpus_bleu(candidates: Sequence[Sequence[int]], references: Sequence[Sequence[int]], *, order: int = 4) -> float:
    """exp(mean over n <= order of log p_n) min(1, exp(1 - r/c)), in [0, 1].

    p_n is the share of the candidates' n-grams that stand in their references, each counted at most as often as there,
    over all sentences; for n > 1 with one added to both counts (Lin and Och 2004; smoothing 2 of Chen and Cherry 2014),
    so that a corpus without a common 4-gram is not worth 0. c and r are the tokens of all candidates and references.
    """
    if len(candidates) != len(references) or not candidates:
        raise InputError(f"expected a reference for each candidate, got {len(references)} for {len(candidates)}")
    logs = []
    for n in range(1, order + 1):
        common, total = 0, 0
        for candidate, reference in zip(candidates, references, strict=True):
            found = _grams(candidate, n)
            common += (found & _grams(reference, n)).total()
            total += found.total()
        if not (common if n == 1 else total + 1):
            return 0.0
        logs.append(math.log(common / total) if n == 1 else math.log((common + 1) / (total + 1)))
    length, wanted = sum(map(len, candidates)), sum(map(len, references))
    return math.exp(sum(logs) / order + min(0.0, 1 - wanted / length))


def _grams(tokens: Sequence[int], n: int) -> Counter[tuple[int, ...]]:
    return Counter(tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1))
