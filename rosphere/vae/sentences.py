"""Batches of sentences: what a text VAE is trained on and measured with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rosphere.errors import InputError
from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream
from rosphere.text import batching
from rosphere.text.corpus import of_sentences
from rosphere.text.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Sentences as [CLS] w_1 ... w_n [SEP], padded, and how much of the run is done when they are trained on.

    ``done`` in [0, 1) comes with the batch, so that a schedule of the objective depends on the step alone and a resumed
    run goes on as one that was never stopped.
    """

    ids_BL: Tensor
    keep_BL: Tensor
    done: float = 1.0

    def to(self, device: torch.device) -> Batch:
        return replace(self, ids_BL=self.ids_BL.to(device), keep_BL=self.keep_BL.to(device))

    def rows(self, which_M: Tensor) -> Batch:
        """These rows, in this order, as often as they are named."""
        return replace(self, ids_BL=self.ids_BL[which_M], keep_BL=self.keep_BL[which_M])

    @property
    def tokens(self) -> int:
        """Tokens to predict: the words and the [SEP] of every sentence."""
        return int(self.keep_BL[:, 1:].sum())

    def words(self) -> list[list[int]]:
        """The ids of every sentence without [CLS], [SEP] and padding."""
        lengths = self.keep_BL.sum(1).tolist()
        return [ids[1 : int(n) - 1] for ids, n in zip(self.ids_BL.tolist(), lengths, strict=True)]


class Sentences:
    """Sentences as sequences of ids, [CLS] and [SEP] included, none longer than asked for."""

    def __init__(self, rows: Sequence[list[int]], pad: int) -> None:
        self.rows, self.pad = list(rows), pad

    @classmethod
    def read(cls, folder: Path, tokenizer: Tokenizer, max_length: int) -> Sentences:
        """The sentences of a prepared split (``data/corpus/sentences-train``) that fit into ``max_length`` tokens."""
        corpus = of_sentences(folder)
        short = np.flatnonzero(corpus.lengths <= max_length - 2)
        if not len(short):
            raise InputError(f"{folder}: expected sentences of at most {max_length - 2} tokens, there are none")
        rows = [[tokenizer.cls, *map(int, corpus.document(int(n))[0]), tokenizer.sep] for n in short]
        return cls(rows, tokenizer.pad)

    @classmethod
    def of(cls, texts: Sequence[str], tokenizer: Tokenizer) -> Sentences:
        """Texts of any length; one without a token is an InputError."""
        ids = tokenizer.ids(texts)
        empty = [text for text, found in zip(texts, ids, strict=True) if not found]
        if empty:
            raise InputError(f"expected a sentence, got {empty[0]!r}, which has no token")
        return cls([[tokenizer.cls, *found, tokenizer.sep] for found in ids], tokenizer.pad)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, numbers: Sequence[int], *, done: float = 1.0) -> Batch:
        ids, keep = batching.pad([self.rows[number] for number in numbers], self.pad)
        return Batch(ids_BL=ids, keep_BL=keep, done=done)

    def training_batch(self, step: int, *, of: int, size: int, seed: int) -> Batch:
        """``size`` sentences drawn by (seed, step) for step ``step`` of a run of ``of`` steps."""
        generator = stream(seed, Stream.SENTENCES, step)
        return self.batch(generator.integers(0, len(self.rows), size).tolist(), done=step / of)

    def batches(self, size: int, limit: int | None = None) -> list[Batch]:
        """The first ``limit`` sentences in their order, ``size`` at a time."""
        count = len(self.rows) if limit is None else min(limit, len(self.rows))
        return [self.batch(range(start, min(start + size, count))) for start in range(0, count, size)]
