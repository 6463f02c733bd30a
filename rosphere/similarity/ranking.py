"""Which of the samples are paraphrases: near in meaning, written like text, and not the source again.

    score = relevance x fluency x difference

after ParaScore (Shen et al. 2022, arXiv 2202.08479), which likewise rewards a difference up to a bound and no further.
Fluency is left to their BERT; here it is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rosphere.text.mixture import Mixture

LEXICAL = 0.5  # how much of relevance is the share of the source's information that is said again; the rest is cosine
FLUENCY = 1.0  # exponent
DIFFERENT = 0.35  # of the tokens: from here on different enough, as in ParaScore


def scores(
    counts: Mixture, source: Sequence[int], sentences: Sequence[Sequence[int]], cosines: Sequence[float]
) -> NDArray[np.float64]:
    """One score for each sentence, given the cosines of their vectors with the source's."""
    found: NDArray[np.float64] = likeness(counts, source, sentences, cosines)
    found *= fluency(counts, source, sentences) ** FLUENCY
    return found


def likeness(
    counts: Mixture, source: Sequence[int], sentences: Sequence[Sequence[int]], cosines: Sequence[float]
) -> NDArray[np.float64]:
    """relevance x difference."""
    said = np.array([coverage(counts, source, each) for each in sentences])
    relevance = LEXICAL * said + (1 - LEXICAL) * np.maximum(np.asarray(cosines), 0.0)
    different = np.array([min(1.0, distance(source, each) / DIFFERENT) for each in sentences])
    found: NDArray[np.float64] = relevance * different
    return found


def fluency(counts: Mixture, source: Sequence[int], sentences: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """The source's perplexity by that of the sentence, 1 at most: nothing is gained by more common words."""
    means = np.array([each.mean() for each in counts.log_probabilities([source, *sentences])])
    found: NDArray[np.float64] = np.exp(np.minimum(0.0, means[1:] - means[0]))
    return found


def coverage(counts: Mixture, source: Sequence[int], sentence: Sequence[int]) -> float:
    """Share of the source's tokens, each by -log p of its own, that stand in the sentence; 1 for an empty source."""
    weight = -np.log(counts.unigrams())
    wanted, there = Counter(source), Counter(sentence)
    whole = sum(weight[token] * count for token, count in wanted.items())
    return float(sum(weight[token] * count for token, count in (wanted & there).items()) / whole) if whole else 1.0


def distance(one: Sequence[int], other: Sequence[int]) -> float:
    """Levenshtein's number of insertions, deletions and substitutions, by the longer length; 0 for equal ones."""
    row = np.arange(len(other) + 1)
    for place, token in enumerate(one, 1):
        changed = np.minimum(row[:-1] + (np.asarray(other) != token), row[1:] + 1)
        row = np.concatenate(([place], changed))
        row = np.minimum.accumulate(row - np.arange(len(row))) + np.arange(len(row))  # insertions
    return float(row[-1] / max(1, len(one), len(other)))
