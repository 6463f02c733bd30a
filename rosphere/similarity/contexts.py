"""How alike the places of two phrases are: what can be put for one another has like neighbours (Harris 1954)."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping

from rosphere.similarity.sentence import WORDS, Part, Sentence

NOTHING = -1  # before the first word and after the last


class Contexts:
    """Counts of the tokens to the left and to the right of each of ``wanted``, in ``sentences``."""

    def __init__(self, wanted: Collection[Part], sentences: Iterable[Sentence]) -> None:
        self.left: defaultdict[Part, Counter[int]] = defaultdict(Counter)
        self.right: defaultdict[Part, Counter[int]] = defaultdict(Counter)
        known = frozenset(wanted)
        begun = {phrase[:length] for phrase in known for length in range(1, len(phrase) + 1)}
        for sentence in sentences:
            if not begun.isdisjoint(sentence):  # most sentences have none of them
                self._count(sentence, known, begun)

    def _count(self, sentence: Sentence, wanted: Collection[Part], begun: Collection[Part]) -> None:
        for first, word in enumerate(sentence):
            phrase, last = word, first + 1
            while phrase in begun:
                if phrase in wanted:
                    self.left[phrase][sentence[first - 1][-1] if first else NOTHING] += 1
                    self.right[phrase][sentence[last][0] if last < len(sentence) else NOTHING] += 1
                if last - first == WORDS or last == len(sentence):
                    break
                phrase, last = phrase + sentence[last], last + 1

    def count(self, phrase: Part) -> int:
        return self.left[phrase].total()

    def likeness(self, one: Part, other: Part) -> float:
        """Geometric mean of the cosines of both sides' log(1 + count): 0 for none in common, 1 for the same."""
        sides = (cosine(side[one], side[other]) for side in (self.left, self.right))
        return math.sqrt(math.prod(sides))


def cosine(one: Mapping[int, int], other: Mapping[int, int]) -> float:
    """Of log(1 + count); 0 where either is empty."""
    product = sum(math.log1p(one[token]) * math.log1p(other[token]) for token in one.keys() & other.keys())
    lengths = (math.sqrt(sum(math.log1p(count) ** 2 for count in each.values())) for each in (one, other))
    return product / math.prod(lengths) if product else 0.0
