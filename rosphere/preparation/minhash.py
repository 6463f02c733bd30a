"""Near-duplicate lines among very many: MinHash and locality-sensitive hashing, each pair found checked exactly.

Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rosphere.preparation.jaccard import counted, grams, jaccard
from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream

CHUNK = 4096  # lines hashed at once
MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))  # of splitmix64


@dataclass(frozen=True, kw_only=True)
class Banding:
    """bands x rows hash functions over character n-grams (n from 1 to 3, a code point being 21 bits).

    Two lines of Jaccard index s agree in one hash with probability s, in all rows of a band with s^rows, and so meet in
    at least one band with probability 1 - (1 - s^rows)^bands: an S-curve that rises about s = (1 / bands)^(1 / rows).
    With 32 x 4 hashes this is 0.42; pairs of 0.2 meet with 0.05, of 0.5 with 0.87, of 0.6 with 0.988.
    """

    n: int = 2
    bands: int = 32
    rows: int = 4
    neighbours: int = 8  # lines of one bucket that each line is compared with, so that boilerplate stays linear

    def recall(self, similarity: float) -> float:
        """The S-curve: the probability that a pair of this similarity is found."""
        return float(1 - (1 - similarity**self.rows) ** self.bands)


def similar(lines: Sequence[str], threshold: float, banding: Banding, *, seed: int) -> Iterator[tuple[int, int, float]]:
    """(i, j, J) with i < j and J of the lines' n-grams >= threshold; each pair once, and none that is not one.

    Pairs are missed as the S-curve says, and in buckets of more than ``neighbours`` + 1 lines. Lines with fewer than n
    letters have no n-grams and are in no pair. Memory: 4 bytes a line and band beside the lines.
    """
    sets = lru_cache(maxsize=1 << 14)(lambda number: grams(lines[number], banding.n))
    usable = np.array([number for number, line in enumerate(lines) if len(counted(line)) >= banding.n], dtype=np.int64)
    keys_NB = keys([lines[number] for number in usable], banding, seed=seed)
    for ones, others in _meetings(keys_NB, banding.neighbours):
        for one, other in zip(usable[ones].tolist(), usable[others].tolist(), strict=True):
            if (score := jaccard(sets(one), sets(other))) >= threshold:
                yield one, other, score


def keys(lines: Sequence[str], banding: Banding, *, seed: int) -> NDArray[np.uint32]:
    """[N, bands]: one hash of each band's MinHashes. Lines need n letters or more.

    MinHash k of a line is min over its n-grams x of (a_k m(x) + b_k) mod 2^64, with a_k odd, a_k and b_k drawn from
    the seed and m the mixing function of splitmix64.
    """
    generator = stream(seed, Stream.MIN_HASH)
    a, b = generator.integers(0, 2**64, size=(2, banding.bands, banding.rows), dtype=np.uint64)
    a |= np.uint64(1)
    made = np.empty((len(lines), banding.bands), dtype=np.uint32)
    for begin in range(0, len(lines), CHUNK):
        part = slice(begin, begin + CHUNK)
        mixed_G, starts_N = _grams([counted(line) for line in lines[part]], banding.n)
        for band in range(banding.bands):
            key_N = np.zeros(len(starts_N), dtype=np.uint64)
            for row in range(banding.rows):
                key_N = _mixed(key_N ^ np.minimum.reduceat(a[band, row] * mixed_G + b[band, row], starts_N))
            made[part, band] = key_N >> np.uint64(32)
    return made


def _grams(lines: Sequence[str], n: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Mixed codes of the n-grams of all lines, one line after the other, and where each line's begin."""
    points = np.frombuffer("".join(lines).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    lengths = np.array([len(line) for line in lines])
    codes = np.zeros(len(points) - n + 1, dtype=np.uint64)
    for place in range(n):
        codes = codes << np.uint64(21) | points[place : len(points) - n + 1 + place]
    ends = np.cumsum(lengths)
    left = np.repeat(ends, lengths)[: len(codes)] - np.arange(len(codes))  # letters to the end of the line
    counts = lengths - n + 1
    return _mixed(codes[left >= n]), np.cumsum(counts) - counts


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ x >> np.uint64(30)) * MULTIPLIERS[0]
    x = (x ^ x >> np.uint64(27)) * MULTIPLIERS[1]
    return x ^ x >> np.uint64(31)


def _meetings(keys_NB: NDArray[np.uint32], neighbours: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs (smaller number first) in one bucket of a band, each in the first band where the two meet."""
    for band in range(keys_NB.shape[1]):
        order = np.argsort(keys_NB[:, band], kind="stable")
        sorted_N = keys_NB[order, band]
        for step in range(1, neighbours + 1):
            same = sorted_N[step:] == sorted_N[:-step]
            ones, others = order[:-step][same], order[step:][same]
            if not len(ones):
                break
            new = ~(keys_NB[ones, :band] == keys_NB[others, :band]).any(1)
            yield ones[new], others[new]
