"""Texts as bags of pieces, and pieces as sums of parts, so that a rare pair of characters is known by its characters.

    x_s = n_s^(-1/2) sum of the pieces of sentence s          w = C v

n_s are its pieces. A piece's vector w is its own part, of weight OWN, and for a pair of ideographs those of both
characters. Ridge regression punishes large v: what is met often gets a vector of its own, what is met seldom is near to
the sum of its characters. For saving, C v is one flat table again. Shapes: S sentences, P pieces, which are the parts
too.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rosphere.static.pieces import Pieces, is_pair

OWN = 0.5  # of a pair, beside 1 of each of its characters
UNKNOWN = 0  # the number of the piece that has no vector

Bags: TypeAlias = sparse.csr_array
Matrix = NDArray[np.float32]


def counts(numbers: Sequence[Sequence[int]], size: int) -> Bags:
    """[S, size] in float32: how often a sentence has each piece, divided by the root of how many it has."""
    lengths = np.array([len(each) for each in numbers], np.int64)
    columns = np.fromiter(itertools.chain.from_iterable(numbers), np.int32, count=int(lengths.sum()))
    values = np.repeat(1 / np.sqrt(np.maximum(lengths, 1)), lengths).astype(np.float32)
    return sparse.csr_array((values, columns, np.concatenate([[0], np.cumsum(lengths)])), shape=(len(lengths), size))


def composition(pieces: Pieces) -> Bags:
    """C [P, P] in float32; the row of the unknown piece is empty."""
    place = {piece: number for number, (piece, _) in enumerate(pieces)}
    rows, columns, values = [], [], []
    for piece, number in place.items():
        parts = [(number, OWN), *((place[each], 1.0) for each in piece)] if is_pair(piece) else [(number, 1.0)]
        for part, weight in parts if number != UNKNOWN else ():
            rows.append(number)
            columns.append(part)
            values.append(weight)
    shape = (len(pieces), len(pieces))
    return sparse.csr_array(sparse.coo_array((np.array(values, np.float32), (rows, columns)), shape=shape))
