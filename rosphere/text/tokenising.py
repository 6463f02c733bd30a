"""Texts as token ids with word starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rosphere.text import corpus
from rosphere.text.tokenizer import Encoded, Tokenizer
from rosphere.text.words import word_starts

CHUNK = 2000  # texts that are encoded at once


def tokenise(texts: Sequence[str], tokenizer: Tokenizer, whole_words: bool) -> Iterator[corpus.Document]:
    """(ids, word starts) per text; without ``whole_words`` every token begins a word."""
    for begin in range(0, len(texts), CHUNK):
        chunk = list(texts[begin : begin + CHUNK])
        for text, encoded in zip(chunk, tokenizer.encodings(chunk), strict=True):
            ids = np.array(encoded.ids, dtype=np.uint32)
            yield ids, starts(text, encoded) if whole_words else np.ones(len(ids), dtype=bool)


def starts(text: str, encoded: Encoded) -> NDArray[np.bool_]:
    """Which tokens begin a word."""
    # jieba cuts what it does not know, kana for one, into characters; a piece "##x" still begins no word.
    pieces = np.array([token.startswith("##") for token in encoded.tokens], dtype=bool)
    begun: NDArray[np.bool_] = word_starts(text, encoded.offsets) & ~pieces
    return begun
