"""Texts as token ids with word starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rosphere.text import corpus
from rosphere.text.character_encoder import Pieces
from rosphere.text.cleaning import clean
from rosphere.text.tokenizer import Tokenizer
from rosphere.text.words import word_starts

CHUNK = 2000  # texts that are encoded at once


def tokenise(texts: Sequence[str], tokenizer: Tokenizer, whole_words: bool) -> Iterator[corpus.Document]:
    """(ids, word starts) per text, cleaned where the tokenizer is ours; without ``whole_words`` every token begins a
    word."""
    for text, pieces in pieces_of([clean(text) for text in texts] if tokenizer.made_here else texts, tokenizer):
        yield pieces.ids, starts(text, pieces) if whole_words else np.ones(len(pieces.ids), dtype=bool)


def pieces_of(texts: Sequence[str], tokenizer: Tokenizer) -> Iterator[tuple[str, Pieces]]:
    """Clean texts with their tokens."""
    for begin in range(0, len(texts), CHUNK):
        chunk = texts[begin : begin + CHUNK]
        yield from zip(chunk, tokenizer.pieces(chunk), strict=True)


def starts(text: str, pieces: Pieces) -> NDArray[np.bool_]:
    """Which tokens begin a word."""
    # jieba cuts what it does not know, kana for one, into characters; a piece "##x" still begins no word.
    begun: NDArray[np.bool_] = word_starts(text, pieces.begins) & ~pieces.continues
    return begun
