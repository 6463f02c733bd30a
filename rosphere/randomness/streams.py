"""The streams of random numbers, each with a number of its own: no two draw the same where both count steps from 0."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """A number is never given twice, not even when its stream is gone: old runs would be repeated with other draws."""

    PACKING = 1  # documents to rows
    ROWS = 2  # rows of an epoch
    MASKING = 3  # words of a training batch
    DEV_MASKING = 4
    PAIRS = 5  # pairs of a batch, and their noise
    FINE_TUNING = 6  # batches of an epoch
    SKIP_GRAM = 7  # pairs of neighbouring tokens
    SENTENCES = 8  # of the text VAE
    LABELLED_PAIRS = 9
    CERTIFICATE = 10  # words that are masked where widening is proven
    MIN_HASH = 11
    NEXT_TOKENS = 12  # positions of a training batch that predict the next token
    DEV_NEXT_TOKENS = 13
    UNLABELLED = 14  # which sentences of the corpus train a sentence encoder
    LEXICAL = 15  # token vectors of a sentence vector's lexical half
    PROBES = 16  # tokens by which an exported graph is compared with its model
    HEALING = 17  # sentences from which a cut encoder learns the original's vectors
    BOOTSTRAP = 18  # units of a resample
    GRADED = 19  # pairs of a graded set on which a published encoder is compared
    LEXICAL_PAIRS = 20  # by which the token vectors of the lexical half are learnt


def generator(seed: int, stream: Stream, step: int | None = None) -> np.random.Generator:
    """A function of its arguments alone; ``step`` where there is one, a step or an epoch, else as for step 0."""
    return np.random.default_rng([seed, int(stream)] if step is None else [seed, int(stream), step])
