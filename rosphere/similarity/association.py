"""What stands for what in sentences that say the same, found by counting.

Of two things, such as words, that sentences of one group have in each other's stead more often than chance would have
it, one may stand for the other:

    weight(x, y) = n log(n T / (n_x n_y))

n of T groups have a sentence with x and without y, and another with y and without x; n_x and n_y groups have each. It
is the leading term of the log-likelihood ratio (Dunning 1993). What is often met together in one sentence (到账 and
几天) goes with the other and does not stand for it.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T", bound=Hashable)
S = TypeVar("S")
SEEN = 3  # groups in which two must stand for one another
WEIGHT, RATIO = 4.0, 1.15  # at least; n by what chance gives: commonplaces stand beside everything
ALTERNATIVES = 24  # kept of each
PAIRS = 200_000  # of sentences that are counted, at most


@dataclass(frozen=True, kw_only=True)
class Table(Generic[T]):
    """For each thing those that may stand for it, with their weights, the most certain first."""

    alternatives: Mapping[T, Sequence[tuple[T, float]]]


def counted(groups: Sequence[Sequence[Collection[T]]], *, seen: int = SEEN) -> Table[T]:
    """Of groups of sentences, each the things that it has; what fewer than ``seen`` groups have is left out."""
    chosen = _first(groups, PAIRS)
    alone = Counter(x for group in chosen for x in set(itertools.chain.from_iterable(group)))
    frequent = {x for x, count in alone.items() if count >= seen}
    instead: Counter[tuple[T, T]] = Counter()
    beside: Counter[tuple[T, T]] = Counter()
    for group in chosen:
        each = [frequent.intersection(sentence) for sentence in group]
        instead.update({p for a, b in itertools.permutations(each, 2) for p in itertools.product(a - b, b - a)})
        beside.update({pair for sentence in each for pair in itertools.permutations(sentence, 2)})
    found: defaultdict[T, list[tuple[T, float]]] = defaultdict(list)
    for (x, y), count in instead.items():
        ratio = count * len(chosen) / (alone[x] * alone[y])
        weight = count * math.log(ratio)
        if count >= SEEN and ratio >= RATIO and weight >= WEIGHT and 2 * beside[x, y] <= count:
            found[x].append((y, weight))
    return Table(alternatives={x: _best(others) for x, others in found.items()})


def _first(groups: Sequence[Sequence[S]], pairs: int) -> list[Sequence[S]]:
    """The first groups with so many ordered pairs of sentences in all."""
    sizes = itertools.accumulate(len(group) * (len(group) - 1) for group in groups)
    return [group for group, size in zip(groups, sizes, strict=True) if size <= pairs]


def _certain(found: tuple[Any, float]) -> tuple[float, Any]:
    thing, weight = found
    return -weight, thing


def _best(found: list[tuple[T, float]]) -> list[tuple[T, float]]:
    return sorted(found, key=_certain)[:ALTERNATIVES]
