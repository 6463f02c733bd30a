"""Texts as token ids with word starts, on all cores."""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from rosphere.text import corpus
from rosphere.text.tokenizer import Tokenizer
from rosphere.text.words import word_starts

CHUNK = 2000  # texts a worker takes at once


def tokenise(texts: Sequence[str], tokenizer: Tokenizer, whole_words: bool) -> Iterator[corpus.Document]:
    """(ids, word starts) per text."""
    work = [(list(texts[i : i + CHUNK]), tokenizer.folder, whole_words) for i in range(0, len(texts), CHUNK)]
    if len(work) < 4:
        yield from itertools.chain.from_iterable(map(_tokenise_chunk, work))
        return
    # "spawn": forking a process that already runs torch's threads can hang.
    with multiprocessing.get_context("spawn").Pool() as pool:
        for chunk in pool.imap(_tokenise_chunk, work):
            yield from chunk


def _tokenise_chunk(work: tuple[list[str], Path, bool]) -> list[corpus.Document]:
    texts, folder, whole_words = work
    documents: list[corpus.Document] = []
    for text, encoding in zip(texts, Tokenizer(folder).encodings(texts), strict=True):
        ids = np.array(encoding.ids, dtype=np.uint32)
        starts = np.ones(len(ids), dtype=bool)
        if whole_words:
            # jieba cuts what it does not know, kana for one, into characters; a piece "##x" still begins no word.
            pieces = np.array([token.startswith("##") for token in encoding.tokens], dtype=bool)
            starts = word_starts(text, encoding.offsets) & ~pieces
        documents.append((ids, starts))
    return documents
