"""The one filter that everything passes on which something is trained: what is held out is left out, counted by set.

| input                                                     | is left out                                         |
|-----------------------------------------------------------|-----------------------------------------------------|
| given groups and pairs, mined and general pairs           | sentences, until no held-out pair is left           |
| labelled negatives, graded pairs for training,            | the pair, where it is or nearly is a held-out one   |
| labelled pairs of roformer_sim, rows of tasks on pairs    | (contamination.py)                                  |
| documents, and with them the unlabelled and the teacher's | the sentence that is held out, known by its letters |
| sentences, the text VAE's, and counted n-grams            | (rosphere/text/screening.py)                        |

So a sentence of a held-out pair may stand in other pairs, but in no text of the corpus, unless it is of few letters.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from rosphere.preparation.contamination import HeldOut, Overlap, Pair
from rosphere.preparation.source import Group

T = TypeVar("T")


class Filter:
    """By held-out pairs. ``report`` is what passed and what was found of it: input -> {"read", "dropped", "found": set
    -> {"exact", "near"}}; of groups also "dropped_sentences"."""

    def __init__(self, held_out: HeldOut) -> None:
        self.held_out = held_out
        self._counts: dict[str, Counter[str]] = {}
        self._found: dict[str, dict[str, Counter[str]]] = {}

    def groups(self, name: str, groups: Iterable[Group]) -> Iterator[Group]:
        """Groups of which no pair is held out: sentences in most such pairs are left out until none is left, and with
        fewer than two sentences the group."""
        counts = self._input(name)
        for group in groups:
            counts["read"] += 1
            overlaps = self._overlaps(name, group.texts)
            out = _fewest({(overlap.one, overlap.other) for overlap in overlaps})
            texts = tuple(text for place, text in enumerate(group.texts) if place not in out)
            counts["dropped_sentences"] += len(out)
            if len(texts) > 1:
                yield replace(group, texts=texts)
            else:
                counts["dropped"] += 1

    def rows(self, name: str, rows: Iterable[tuple[Pair, T]], *, apart: Collection[str] = ()) -> Iterator[T]:
        """What belongs to pairs that are held out in no set but those ``apart``."""
        counts = self._input(name)
        for pair, row in rows:
            counts["read"] += 1
            if self._overlaps(name, pair, apart):
                counts["dropped"] += 1
            else:
                yield row

    def _input(self, name: str) -> Counter[str]:
        self._found.setdefault(name, {})
        return self._counts.setdefault(name, Counter(read=0, dropped=0))

    def _overlaps(self, name: str, texts: tuple[str, ...], apart: Collection[str] = ()) -> list[Overlap]:
        overlaps = [each for each in self.held_out.overlaps(texts) if each.name not in apart]
        for each in overlaps:
            self._found[name].setdefault(each.name, Counter(exact=0, near=0))["exact" if each.exact else "near"] += 1
        return overlaps

    @property
    def report(self) -> dict[str, dict[str, Any]]:
        return {
            name: {**counts, "found": {each: dict(n) for each, n in sorted(self._found[name].items())}}
            for name, counts in self._counts.items()
        }

    def reasons(self, name: str) -> str:
        """The sets in words: "3 graded_sts_test"."""
        return ", ".join(f"{counts.total()} {each}" for each, counts in sorted(self._found.get(name, {}).items()))


def _fewest(pairs: set[tuple[int, int]]) -> set[int]:
    """Members that together touch every pair: always the one in most of those left, of equals the later."""
    out: set[int] = set()
    while pairs:
        degree = Counter(itertools.chain.from_iterable(pairs))
        worst = max(degree, key=lambda member: (degree[member], member))
        out.add(worst)
        pairs = {pair for pair in pairs if worst not in pair}
    return out
