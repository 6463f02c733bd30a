"""Documents packed into rows of one length: nothing is computed on padding."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

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
        self.packing = pack(corpus.lengths, length, stream(seed, Stream.PACKING))
        if not len(self):
            raise InputError(f"the corpus has no document of {SHORTEST} tokens or more")

    def __len__(self) -> int:
        return len(self.packing.first) - 1

    def order(self, epoch: int) -> NDArray[np.int64]:
        return stream(self.seed, Stream.ROWS, epoch).permutation(len(self))

    def numbers(self, step: int, size: int) -> NDArray[np.int64]:
        """The rows of batch ``step``; a batch may span two epochs."""
        places = np.arange(step * size, (step + 1) * size)
        orders = {int(epoch): self.order(int(epoch)) for epoch in np.unique(places // len(self))}
        return np.array([orders[int(p // len(self))][p % len(self)] for p in places])

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
        for order, (document, begin, end) in enumerate(self.packing.row(number), 1):
            tokens, words = self.corpus.document(document, begin, end)
            after = place + len(tokens) + 2
            ids[place:after] = [self.tokenizer.cls, *tokens, self.tokenizer.sep]
            starts[place + 1 : after - 1] = words
            starts[place + 1] = True  # a window may begin inside a word
            documents[place:after] = order
            place = after
        return ids, documents, starts


@dataclass(frozen=True, kw_only=True)
class Packing:
    """Pieces of documents in rows: 12 bytes a piece and 8 a row, for a corpus may have a hundred million documents.

    Piece i is the tokens [``begins[i]``, ``ends[i]``) of document ``documents[i]``; row j is the pieces from
    ``first[j]`` to ``first[j + 1]``.
    """

    documents: NDArray[np.int32]
    begins: NDArray[np.int32]
    ends: NDArray[np.int32]
    first: NDArray[np.int64]

    def row(self, number: int) -> list[tuple[int, int, int]]:
        """(document, begin, end) of each piece."""
        part = slice(self.first[number], self.first[number + 1])
        columns = (self.documents[part].tolist(), self.begins[part].tolist(), self.ends[part].tolist())
        return list(zip(*columns, strict=True))


def pack(lengths: NDArray[np.int64], length: int, generator: np.random.Generator) -> Packing:
    """Documents in random order, cut where a row is full; what is shorter than SHORTEST is left out.

    Memory, while it lasts: 16 bytes a document beside the packing.
    """
    documents, begins, ends = array("i"), array("i"), array("i")
    first = array("q")
    room = 0  # in no row yet
    for document in generator.permutation(len(lengths)):
        begin, end = 0, int(lengths[document])
        while end - begin >= SHORTEST:
            if room < SHORTEST + 2:
                first.append(len(documents))
                room = length
            piece = min(end - begin, room - 2)
            documents.append(document)
            begins.append(begin)
            ends.append(begin + piece)
            begin, room = begin + piece, room - piece - 2
    first.append(len(documents))
    return Packing(
        documents=np.array(documents, dtype=np.int32),
        begins=np.array(begins, dtype=np.int32),
        ends=np.array(ends, dtype=np.int32),
        first=np.array(first, dtype=np.int64),
    )
