"""Held-out pairs must not be trained on: not as they are, and not nearly as they are.

A pair (a, b) overlaps with a held-out pair (c, d) if a is c and b is d, or a is d and b is c, where "is" means the same
letters and digits (exact), or a Jaccard index of the sets of characters of ``NEAR`` or more (near; so much is shared by
every exact pair too).

The held-out sentences near a given one are found by an index that misses none. With J(x, y) >= t, x and y share
T = ceil(t |x|) characters or more. Sort both, rarest character first: then the two rarest shared ones are among the
first |x| - T + 2 of x, and likewise of y (prefix filtering: Chaudhuri et al. 2006, Bayardo et al. 2007; two characters
instead of one: Wang et al. 2012). So a sentence is filed under every two characters of that prefix, and |y|, which is
between t |x| and |x| / t. What is found is checked exactly.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rosphere.preparation.jaccard import grams, jaccard
from rosphere.text.cleaning import fingerprint

NEAR = 0.9
ROUNDING = 1e-9  # 0.9 * 10 must not come out above 9
Pair = tuple[str, str]
Key = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Sentences ``one`` and ``other`` of a group are, or nearly are, a pair of the held-out set ``name``."""

    one: int
    other: int
    name: str
    exact: bool


class HeldOut:
    """Held-out pairs by the name of their set. Memory: some 3 kB a sentence."""

    def __init__(self, sets: Mapping[str, Iterable[Pair]]) -> None:
        self._sentences: list[frozenset[str]] = []  # distinct sets of characters
        self._exact: dict[tuple[bytes, bytes], set[str]] = {}
        self._partners: list[dict[int, set[str]]] = []  # sentence -> sentences of its pairs -> names of the sets
        numbers: dict[frozenset[str], int] = {}
        for name, pairs in sets.items():
            for pair in pairs:
                self._add(name, pair, numbers)
        frequency = Counter(itertools.chain.from_iterable(self._sentences))
        self._rank = {char: (count, char) for char, count in frequency.items()}
        self._filed: dict[tuple[int, Key], list[int]] = {}
        for number, characters in enumerate(self._sentences):
            for key in self._keys(characters):
                self._filed.setdefault((len(characters), key), []).append(number)

    def _add(self, name: str, pair: Pair, numbers: dict[frozenset[str], int]) -> None:
        self._exact.setdefault(_identity(pair), set()).add(name)
        found = []
        for characters in (grams(text, 1) for text in pair):
            found.append(numbers.setdefault(characters, len(numbers)))
            if found[-1] == len(self._sentences):
                self._sentences.append(characters)
                self._partners.append({})
        for one, other in (found, found[::-1]):
            self._partners[one].setdefault(other, set()).add(name)

    def _keys(self, characters: frozenset[str]) -> Iterator[Key]:
        ordered = sorted(characters, key=lambda char: self._rank.get(char, (0, char)))
        shared = math.ceil(NEAR * len(ordered) - ROUNDING)
        together = min(2, shared)  # a single character is near to itself alone
        return itertools.combinations(ordered[: len(ordered) - shared + together], together)

    def near(self, text: str) -> list[int]:
        """Numbers of the held-out sentences of which this one is a near copy."""
        characters = grams(text, 1)
        size = len(characters)
        if not size:
            return []
        sizes = range(math.ceil(NEAR * size - ROUNDING), math.floor(size / NEAR + ROUNDING) + 1)
        found: set[int] = set()
        for key in self._keys(characters):
            for length in sizes:
                found.update(self._filed.get((length, key), ()))
        return [number for number in found if jaccard(characters, self._sentences[number]) >= NEAR]

    def overlaps(self, texts: Sequence[str]) -> list[Overlap]:
        """Every overlap among the pairs of these sentences, for every set that it is in."""
        near_copies = [self.near(text) for text in texts]
        members: dict[int, list[int]] = {}
        for place, numbers in enumerate(near_copies):
            for number in numbers:
                members.setdefault(number, []).append(place)
        found: dict[tuple[int, int, str], None] = {}
        for place, numbers in enumerate(near_copies):
            for number in numbers:
                for partner in self._partners[number].keys() & members.keys():
                    for name in self._partners[number][partner]:
                        found |= {(place, other, name): None for other in members[partner] if other > place}
        return [
            Overlap(
                one=one,
                other=other,
                name=name,
                exact=name in self._exact.get(_identity((texts[one], texts[other])), ()),
            )
            for one, other, name in sorted(found)
        ]


def _identity(pair: Pair) -> tuple[bytes, bytes]:
    one, other = sorted(map(fingerprint, pair))
    return one, other
