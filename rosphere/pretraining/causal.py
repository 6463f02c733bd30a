"""Causal language modelling on packed rows: each chosen token predicts the one after it in its own document.

With masked steps in between it makes one model that fills gaps and writes (GPT-BERT: Charpentier and Samuel 2024,
arXiv 2410.24159). Unlike there, a masked token is still predicted in its own place, so that the folder stays a
masked language model of Hugging Face; ``RoFormerForCausalLM(is_decoder=True)`` of the same folder gives the causal one.

Shapes: B rows, L tokens a row.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from rosphere.pretraining.batch import Batch
from rosphere.pretraining.packing import PackedRows


def next_tokens(
    ids: NDArray[np.int64], documents: NDArray[np.int64], *, rate: float, generator: np.random.Generator
) -> Batch:
    """Chooses positions [B, L] at ``rate`` among those with a next token in their document; one at least.

    [CLS] predicts the first token, the last token [SEP].
    """
    follows = np.zeros(ids.shape, dtype=bool)
    follows[:, :-1] = (documents[:, :-1] == documents[:, 1:]) & (documents[:, :-1] > 0)
    chosen = follows & (generator.random(ids.shape) < rate)
    if not chosen.any():
        chosen.ravel()[np.flatnonzero(follows)[0]] = True
    positions = np.flatnonzero(chosen)
    return Batch(
        ids_BL=torch.from_numpy(ids),
        documents_BL=torch.from_numpy(documents),
        positions_M=torch.from_numpy(positions),
        labels_M=torch.from_numpy(ids.ravel()[positions + 1]),
        predictions=len(positions),
        causal=True,
    )


def batch(rows: PackedRows, numbers: NDArray[np.int64], *, rate: float, generator: np.random.Generator) -> Batch:
    ids, documents, _ = rows.stacked(numbers)
    return next_tokens(ids, documents, rate=rate, generator=generator)
