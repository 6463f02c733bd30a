"""Documents packed into rows of one length: nothing is computed on padding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rosphere.errors import InputError
from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream
from rosphere.text.corpus import Corpus
from rosphere.text.tokenizer import Tokenizer

SHORTEST = 8  # a piece of a document shorter than this is not worth a place of its own


class PackedRows:
    """Rows of exactly ``length`` tokens, filled with [CLS] document [SEP] after [CLS] document [SEP].

    The packing is drawn once from the seed; each epoch visits the rows in another order.
    """

    def __init__(self, corpus: Corpus, tokenizer: Tokenizer, *, length: int, seed: int) -> None:
        if length < SHORTEST + 2:
            raise InputError(f"length: expected rows of {SHORTEST + 2} tokens or more, got {length}")
        self.corpus, self.tokenizer, self.length, self.seed = corpus, tokenizer, length, seed
        self.rows = list(pack(corpus.lengths, length, stream(seed, Stream.PACKING)))
        if not self.rows:
            raise InputError(f"the corpus has no document of {SHORTEST} tokens or more")

    def __len__(self) -> int:
        return len(self.rows)

    def order(self, epoch: int) -> NDArray[np.int64]:
        return stream(self.seed, Stream.ROWS, epoch).permutation(len(self.rows))

    def numbers(self, step: int, size: int) -> NDArray[np.int64]:
        """The rows of batch ``step``; a batch may span two epochs."""
        places = np.arange(step * size, (step + 1) * size)
        orders = {int(epoch): self.order(int(epoch)) for epoch in np.unique(places // len(self.rows))}
        return np.array([orders[int(p // len(self.rows))][p % len(self.rows)] for p in places])

    def stacked(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """(ids, document numbers, word starts) of these rows, [B, L] each."""
        ids, documents, starts = zip(*(self.row(int(number)) for number in numbers), strict=True)
        return np.stack(ids), np.stack(documents), np.stack(starts)

    def row(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """(ids, document numbers, word starts) of one row."""
        ids = np.full(self.length, self.tokenizer.pad, dtype=np.int64)
        documents = np.zeros(self.length, dtype=np.int64)
        starts = np.ones(self.length, dtype=bool)
        place = 0
        for order, (document, begin, end) in enumerate(self.rows[number], 1):
            tokens, words = self.corpus.document(document, begin, end)
            after = place + len(tokens) + 2
            ids[place:after] = [self.tokenizer.cls, *tokens, self.tokenizer.sep]
            starts[place + 1 : after - 1] = words
            starts[place + 1] = True  # a window may begin inside a word
            documents[place:after] = order
            place = after
        return ids, documents, starts


def pack(
    lengths: NDArray[np.int64], length: int, generator: np.random.Generator
) -> Iterator[list[tuple[int, int, int]]]:
    """Rows as lists of (document, begin, end): documents in random order, cut where a row is full."""
    row: list[tuple[int, int, int]] = []
    room = length
    for document in generator.permutation(len(lengths)):
        begin, end = 0, int(lengths[document])
        while end - begin >= SHORTEST:
            if room < SHORTEST + 2:
                yield row
                row, room = [], length
            piece = min(end - begin, room - 2)
            row.append((int(document), begin, begin + piece))
            begin, room = begin + piece, room - piece - 2
    if row:
        yield row
