"""Masked language modelling on packed rows: BERT's objective without computing on padding.

Devlin et al. 2019 (arXiv 1810.04805): 15 % of the words are chosen; of their tokens 80 % become [MASK], 10 % a random
token, 10 % stay. All tokens of a chosen word are predicted (whole-word masking, Cui et al. 2019, arXiv 1906.08101).

Shapes: B rows, L tokens a row, M predicted positions.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from rosphere.pretraining.batch import Batch
from rosphere.pretraining.packing import PackedRows
from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream
from rosphere.text.corruption import corrupt
from rosphere.text.tokenizer import Tokenizer


def mask(
    ids: NDArray[np.int64],
    documents: NDArray[np.int64],
    starts: NDArray[np.bool_],
    tokenizer: Tokenizer,
    *,
    rate: float,
    generator: np.random.Generator,
) -> Batch:
    """Chooses whole words at ``rate`` and hides them; at least one token is always predicted."""
    special = (documents == 0) | (ids == tokenizer.cls) | (ids == tokenizer.sep)
    word = np.cumsum(starts.ravel()).reshape(ids.shape)
    chosen = (generator.random(int(word.max()) + 1) < rate)[word] & ~special
    if not chosen.any():
        chosen.ravel()[np.flatnonzero(~special)[0]] = True
    positions = np.flatnonzero(chosen)
    labels = ids.ravel()[positions]
    hidden = ids.copy()
    hidden.ravel()[positions] = corrupt(labels, tokenizer, generator)
    return Batch(
        ids_BL=torch.from_numpy(hidden),
        documents_BL=torch.from_numpy(documents),
        positions_M=torch.from_numpy(positions),
        labels_M=torch.from_numpy(labels),
        predictions=len(labels),
    )


def batch(rows: PackedRows, numbers: NDArray[np.int64], *, rate: float, generator: np.random.Generator) -> Batch:
    ids, documents, starts = rows.stacked(numbers)
    return mask(ids, documents, starts, rows.tokenizer, rate=rate, generator=generator)


def training_batch(rows: PackedRows, step: int, *, size: int, rate: float) -> Batch:
    """Batch ``step`` of a run: a pure function of the rows' seed and the step."""
    generator = stream(rows.seed, Stream.MASKING, step)
    return batch(rows, rows.numbers(step, size), rate=rate, generator=generator)
