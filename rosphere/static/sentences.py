"""What a static encoder is distilled on: the sentences of similar groups, and behind them sentences of the corpus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rosphere.errors import InputError
from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream
from rosphere.similarity.unlabelled import SHORTEST
from rosphere.text import reading
from rosphere.text.corpus import of_sentences
from rosphere.text.tokenizer import Tokenizer


def read(
    groups: Path, corpus: Path, tokenizer: Tokenizer, *, most: int, max_length: int, seed: int
) -> tuple[list[str], NDArray[np.int64]]:
    """All sentences of the groups, and at most ``most`` of a prepared split, drawn by the seed and cut at
    ``max_length`` tokens; and the numbers of those to learn from, each text once.

    The list is the one that stage 2 of RoFormer-Sim is taught on: what a teacher has said of it serves both.

    Raises:
        InputError: fewer than two to learn from.
    """
    texts, known = [*_of_groups(groups)], dict[str, int]()
    for number, text in enumerate(texts):
        known.setdefault(text, number)
    for text, whole in _of_corpus(corpus, tokenizer, most=most, max_length=max_length, seed=seed):
        if whole:
            known.setdefault(text, len(texts))
        texts.append(text)
    if len(known) < 2:
        raise InputError(f"{groups}, {corpus}: expected two sentences or more, got {len(known)}")
    return texts, np.array(list(known.values()))


def _of_groups(path: Path) -> Iterator[str]:
    for number, row in reading.rows(path):
        yield reading.text_field(row, "text", path=path, number=number)
        yield from row["synonyms"]


def _of_corpus(
    folder: Path, tokenizer: Tokenizer, *, most: int, max_length: int, seed: int
) -> Iterator[tuple[str, bool]]:
    """Texts, and whether all tokens are known: what the others say, nobody knows."""
    corpus = of_sentences(folder)
    long_enough = np.flatnonzero(corpus.lengths >= SHORTEST)
    for number in stream(seed, Stream.UNLABELLED).permutation(long_enough)[:most]:
        ids = corpus.document(int(number))[0][:max_length]
        yield tokenizer.decode(ids.tolist()), tokenizer.unk not in ids
