"""The n-grams that a paraphrase generator writes by: those of its training text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rosphere.similarity.pairs import Groups
from rosphere.text import ngrams
from rosphere.text.corpus import Corpus
from rosphere.text.mixture import Mixture
from rosphere.text.tokenizer import Tokenizer

STOPS = "。！？；!?;…"


@dataclass(frozen=True, kw_only=True)
class Counting:
    order: int
    tokens: int  # of the corpus, at most: each takes some 10 bytes of a file
    groups: float  # share of the similar groups, which are what is to be written


def counted(settings: Counting, corpus: Corpus, groups: Groups, tokenizer: Tokenizer) -> Mixture:
    """Of the groups, and of the sentences of a corpus from its first document on."""
    fit = partial(ngrams.fit, order=settings.order, vocabulary=len(tokenizer), begin=tokenizer.cls, end=tokenizer.sep)
    text = list(_first(sentences(documents(corpus), tokenizer), settings.tokens))
    shares = (settings.groups, 1 - settings.groups)
    return Mixture(parts=[fit([ids.astype(np.int64) for ids, _ in groups.tokens]), fit(text)], shares=shares)


def documents(corpus: Corpus) -> Iterator[NDArray[np.int64]]:
    return (corpus.document(number)[0].astype(np.int64) for number in range(len(corpus)))


def sentences(texts: Iterable[NDArray[np.int64]], tokenizer: Tokenizer) -> Iterator[NDArray[np.int64]]:
    """Token ids cut behind what ends a sentence: a question is one, and shall begin and end like one."""
    stops = [number for mark in STOPS if (number := tokenizer.backend.token_to_id(mark)) is not None]
    for ids in texts:
        pieces = np.split(ids, np.flatnonzero(np.isin(ids, stops)) + 1)
        yield from (piece for piece in pieces if len(piece))


def _first(texts: Iterable[NDArray[np.int64]], tokens: int) -> Iterator[NDArray[np.int64]]:
    """The first texts that reach so many tokens."""
    for text in texts:
        if tokens <= 0:
            return
        tokens -= len(text)
        yield text
