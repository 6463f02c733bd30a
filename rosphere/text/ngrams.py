"""A language model that only counts: interpolated modified Kneser-Ney over token ids (Chen and Goodman 1998).

    p(w | c) = max(a(cw) - D(a(cw)), 0) / a(c) + rest(c) p(w | c without its first token)
    rest(c)  = (D(1) N1(c) + D(2) N2(c) + D(3) N3(c)) / a(c)

a(cw) is how often cw occurs where it has all the tokens of the order or begins a sequence, otherwise how many different
tokens stand before it; a(c) sums over w; Nk(c) counts the w with a(cw) = k (3: or more). An unseen c has rest 1. Below
one token all are equally likely. The discounts D of an order follow from its counts, section 3.3 there; where the
counts are too few for that they are 0.5, 1 and 1.5, as in KenLM.

An n-gram is named by its place in the sorted n-grams of its length, and its key is (place of its first n - 1 tokens) x
vocabulary + last token: so any order and vocabulary fit in 64 bits, and what may follow a context lies together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rosphere.errors import InputError

Ids = NDArray[np.int64]
NUMBERS = "numbers"  # the tensor of vocabulary, begin, end, order
FEW = (0.0, 0.5, 1.0, 1.5)  # discounts where the counts are too few to say


@dataclass(frozen=True, kw_only=True)
class Level:
    """The n-grams of one length; with none, the empty one."""

    keys: Ids  # sorted
    share: NDArray[np.float32]  # the first summand of p
    rest: NDArray[np.float32]  # as a context


@dataclass(frozen=True, kw_only=True)
class NGrams:
    """``levels[n]`` are the n-grams of n tokens. ``begin`` stands before every sequence and ``end`` after it."""

    vocabulary: int
    begin: int
    end: int
    levels: list[Level]

    @property
    def order(self) -> int:
        return len(self.levels) - 1

    def log_probabilities(self, sequences: Sequence[Sequence[int]]) -> list[NDArray[np.float64]]:
        """log p of each token of each sequence and of its end: arrays one longer than the sequences."""
        tokens, starts = _joined(sequences, self.begin, self.end)
        chances, context = np.full(len(tokens), 1 / self.vocabulary), np.zeros(len(tokens), np.int64)
        for shorter, level in zip(self.levels, self.levels[1:], strict=False):
            known, gram = context >= 0, self._places(level, context, tokens)
            chances[known] *= shorter.rest[context[known]]
            chances[gram >= 0] += level.share[gram[gram >= 0]]
            context = np.where(starts, -1, np.roll(gram, 1))
        found = np.split(np.log(chances), np.flatnonzero(starts)[1:])
        return [each[1:] for each in found]

    def perplexity(self, sequences: Sequence[Sequence[int]]) -> float:
        """exp of the mean of -log p over all tokens and ends."""
        return float(np.exp(-np.concatenate(self.log_probabilities(sequences)).mean()))

    def distribution(self, written: Sequence[int]) -> NDArray[np.float64]:
        """p [V] of what comes after begin and these tokens."""
        chances = np.full(self.vocabulary, 1 / self.vocabulary)
        for shorter, level, context in zip(self.levels, self.levels[1:], self._contexts(written), strict=False):
            chances *= shorter.rest[context]
            first, last = np.searchsorted(level.keys, [context * self.vocabulary, (context + 1) * self.vocabulary])
            chances[level.keys[first:last] - context * self.vocabulary] += level.share[first:last]
        return chances

    def unigrams(self) -> NDArray[np.float64]:
        """p [V] without a context."""
        first = self.levels[1]
        chances = np.full(self.vocabulary, self.levels[0].rest[0] / self.vocabulary, np.float64)
        chances[first.keys] += first.share
        return chances

    def followers(self, written: Sequence[int], length: int) -> Ids:
        """Tokens seen after the last ``length`` tokens (fewer at the beginning); none where those were never seen."""
        contexts, length = self._contexts(written), min(length, len(written) + 1)
        if len(contexts) <= length:
            return np.empty(0, np.int64)
        keys, base = self.levels[length + 1].keys, contexts[length] * self.vocabulary
        found: Ids = keys[slice(*np.searchsorted(keys, [base, base + self.vocabulary]))] - base
        return found

    def _contexts(self, written: Sequence[int]) -> list[int]:
        """Places of the last 0, 1, 2, ... tokens, begin included, as far as they were seen."""
        tail = np.array([self.begin, *written][-self.order + 1 :] if self.order > 1 else [], np.int64)
        found, places = [0], np.zeros(len(tail), np.int64)
        for number, level in enumerate(self.levels[1 : len(tail) + 1]):
            places = self._places(level, places, tail[number:])
            if places[-1] < 0:
                break
            found.append(int(places[-1]))
            places = places[:-1]
        return found

    def _places(self, level: Level, context: Ids, tokens: Ids) -> Ids:
        """Where context and token are among the level's n-grams; -1 for an unseen one."""
        keys = context * self.vocabulary + tokens
        place = np.minimum(np.searchsorted(level.keys, keys), len(level.keys) - 1)
        return np.where((context >= 0) & (level.keys[place] == keys), place, -1)


def fit(sequences: Sequence[Sequence[int] | Ids], *, order: int, vocabulary: int, begin: int, end: int) -> NGrams:
    """Counts the n-grams of sequences of token ids below ``vocabulary``, up to ``order`` or the longest there is; no
    sequence contains ``begin``.

    Raises InputError for no sequences, and ValueError for an order below 1.
    """
    if order < 1:
        raise ValueError(f"order: expected 1 or more, got {order}")
    if not len(sequences):
        raise InputError("n-grams: expected text to count, got none")
    tokens, starts = _joined(sequences, begin, end)
    keys, counts, grams, firsts = [np.zeros(1, np.int64)], [np.ones(1)], [np.zeros(len(tokens), np.int64)], []
    opening, place = (
        [np.zeros(1, bool)],
        np.arange(len(tokens)) - np.maximum.accumulate(np.where(starts, np.arange(len(tokens)), 0)),
    )
    for length in range(1, order + 1):
        valid = np.flatnonzero(place >= length - 1)
        if not len(valid):  # no sequence is that long
            break
        own = grams[-1][valid - (length > 1)] * vocabulary + tokens[valid]
        distinct, first, inverse, count = np.unique(own, return_index=True, return_inverse=True, return_counts=True)
        gram = np.full(len(tokens), -1)
        gram[valid] = inverse
        keys.append(distinct)
        counts.append(count.astype(np.float64))
        opening.append(place[valid[first]] == length - 1)
        firsts.append(valid[first])
        grams.append(gram)
    for length in range(1, len(keys) - 1):  # what stands in the middle counts by what stands before it
        before = np.bincount(grams[length][firsts[length]], minlength=len(keys[length])).astype(np.float64)
        counts[length] = np.where(opening[length], counts[length], before)
    counts[1][keys[1] == begin] = 0.0  # never predicted
    return NGrams(vocabulary=vocabulary, begin=begin, end=end, levels=_levels(keys, counts, vocabulary))


def _levels(keys: list[Ids], counts: list[NDArray[np.float64]], vocabulary: int) -> list[Level]:
    rests, shares = [], [np.zeros(1, np.float32)]
    for length in range(1, len(keys)):
        parent, count = keys[length] // vocabulary, counts[length]
        discount = np.array(discounts(count))[np.minimum(count, 3).astype(np.int64)]
        held, total = (np.bincount(parent, each, minlength=len(keys[length - 1])) for each in (discount, count))
        rests.append(np.divide(held, total, out=np.ones_like(held), where=total > 0).astype(np.float32))
        shares.append((np.divide(count - discount, total[parent])).astype(np.float32))
    rests.append(np.ones(len(keys[-1]), np.float32))
    return [Level(keys=k, share=s, rest=r) for k, s, r in zip(keys, shares, rests, strict=True)]


def discounts(counts: NDArray[np.float64]) -> tuple[float, ...]:
    """D(0) = 0, D(1), D(2), D(3 or more): k - (k + 1) Y n(k + 1) / n(k), Y = n(1) / (n(1) + 2 n(2))."""
    n = [int((counts == k).sum()) for k in range(5)]
    if not all(n[1:]):
        return FEW
    y = n[1] / (n[1] + 2 * n[2])
    found = (0.0, *(k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)))
    return found if all(0 <= each <= k for k, each in enumerate(found)) else FEW


def _joined(sequences: Sequence[Sequence[int] | Ids], begin: int, end: int) -> tuple[Ids, NDArray[np.bool_]]:
    """All of begin, tokens, end, ... and where the sequences begin."""
    lengths = np.array([len(each) + 2 for each in sequences], np.int64)
    after = np.cumsum(lengths)
    tokens, starts = np.full(lengths.sum(), end, np.int64), np.zeros(lengths.sum(), bool)
    starts[after - lengths] = True
    tokens[after - lengths] = begin
    inside = ~starts
    inside[after - 1] = False
    tokens[inside] = np.concatenate([np.asarray(each, np.int64) for each in sequences]) if len(sequences) else []
    return tokens, starts


def tensors(found: NGrams) -> dict[str, NDArray[Any]]:
    """Everything, by name, for a file. The numbers are a tensor too: metadata has no fixed order in safetensors."""
    levels = {
        f"{name}.{number}": getattr(level, name)
        for number, level in enumerate(found.levels)
        for name in ("keys", "share", "rest")
    }
    return {NUMBERS: np.array([found.vocabulary, found.begin, found.end, found.order], np.int64), **levels}


def of_tensors(tensor: Callable[[str], NDArray[Any]]) -> NGrams:
    """The model whose ``tensors`` these are."""
    vocabulary, begin, end, order = map(int, tensor(NUMBERS))
    levels = [
        Level(**{name: tensor(f"{name}.{number}") for name in ("keys", "share", "rest")}) for number in range(order + 1)
    ]
    return NGrams(vocabulary=vocabulary, begin=begin, end=end, levels=levels)
