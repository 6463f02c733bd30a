"""What a static encoder is distilled on: the sentences of similar groups, and behind them sentences of the corpus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rosphere.errors import InputError
from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream
from rosphere.text import reading
from rosphere.text.corpus import Corpus
from rosphere.text.tokenizer import Tokenizer

SHORTEST = 6  # tokens of a sentence of the corpus


def read(groups: Path, corpus: Path, tokenizer: Tokenizer, *, most: int, max_length: int, seed: int) -> list[str]:
    """All sentences of the groups, and at most ``most`` of a prepared split, drawn by the seed and cut at
    ``max_length`` tokens; each once.

    Raises:
        InputError: fewer than two in all.
    """
    found = dict.fromkeys(_of_groups(groups))
    found |= dict.fromkeys(_of_corpus(corpus, tokenizer, most=most, max_length=max_length, seed=seed))
    if len(found) < 2:
        raise InputError(f"{groups}, {corpus}: expected two sentences or more, got {len(found)}")
    return list(found)


def _of_groups(path: Path) -> Iterator[str]:
    for number, row in reading.rows(path):
        yield reading.text_field(row, "text", path=path, number=number)
        yield from row["synonyms"]


def _of_corpus(folder: Path, tokenizer: Tokenizer, *, most: int, max_length: int, seed: int) -> Iterator[str]:
    """Without those that have unknown tokens: what they say, nobody knows."""
    corpus = Corpus(folder)
    long_enough = np.flatnonzero(corpus.lengths >= SHORTEST)
    for number in stream(seed, Stream.UNLABELLED).permutation(long_enough)[:most]:
        ids = corpus.document(int(number))[0][:max_length]
        if tokenizer.unk not in ids:
            yield tokenizer.decode(ids.tolist())
