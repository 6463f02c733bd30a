"""How alike the places of two phrases are: what can be put for one another has like neighbours (Harris 1954)."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping

from rosphere.similarity.sentence import Part, Sentence, phrases

NOTHING = -1  # before the first word and after the last


class Contexts:
    """Counts of the tokens to the left and to the right of each of ``wanted``, in ``sentences``."""

    def __init__(self, wanted: Collection[Part], sentences: Iterable[Sentence]) -> None:
        self.left: defaultdict[Part, Counter[int]] = defaultdict(Counter)
        self.right: defaultdict[Part, Counter[int]] = defaultdict(Counter)
        for sentence in sentences:
            for first, last, phrase in phrases(sentence):
                if phrase in wanted:
                    self.left[phrase][sentence[first - 1][-1] if first else NOTHING] += 1
                    self.right[phrase][sentence[last][0] if last < len(sentence) else NOTHING] += 1

    def likeness(self, one: Part, other: Part) -> float:
        """Geometric mean of the cosines of both sides' log(1 + count): 0 for none in common, 1 for the same."""
        sides = (cosine(side[one], side[other]) for side in (self.left, self.right))
        return math.sqrt(math.prod(sides))


def cosine(one: Mapping[int, int], other: Mapping[int, int]) -> float:
    """Of log(1 + count); 0 where either is empty."""
    product = sum(math.log1p(one[token]) * math.log1p(other[token]) for token in one.keys() & other.keys())
    lengths = (math.sqrt(sum(math.log1p(count) ** 2 for count in each.values())) for each in (one, other))
    return product / math.prod(lengths) if product else 0.0
