"""Masked language modelling on packed rows: BERT's objective without computing on padding.

Devlin et al. 2019 (arXiv 1810.04805): 15 % of the words are chosen; of their tokens 80 % become [MASK], 10 % a random
token, 10 % stay. All tokens of a chosen word are predicted (whole-word masking, Cui et al. 2019, arXiv 1906.08101).

Shapes: B rows, L tokens a row, M predicted positions, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from rosphere.encoder import masks
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.pretraining.packing import PackedRows
from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream
from rosphere.text.corruption import corrupt
from rosphere.text.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class Batch:
    ids_BL: Tensor  # with masks in place
    documents_BL: Tensor  # 1, 2, ... within a row; 0 is padding
    positions_M: Tensor  # flat indices into B * L
    labels_M: Tensor
    predictions: int  # of the whole batch, also where this is a share of it

    def share(self, rank: int, processes: int) -> Batch:
        """The rows that fall to process ``rank`` of ``processes``: some of them, and maybe no predictions."""
        rows, length = self.ids_BL.shape
        if rows < processes:
            raise InputError(f"rows: expected one or more for each of {processes} processes, got {rows}")
        first, after = rows * rank // processes, rows * (rank + 1) // processes
        mine = (self.positions_M >= first * length) & (self.positions_M < after * length)
        return replace(
            self,
            ids_BL=self.ids_BL[first:after],
            documents_BL=self.documents_BL[first:after],
            positions_M=self.positions_M[mine] - first * length,
            labels_M=self.labels_M[mine],
        )

    def to(self, device: torch.device) -> Batch:
        names = ("ids_BL", "documents_BL", "positions_M", "labels_M")
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=True) for name in names})


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
    ids, documents, starts = (np.stack(parts) for parts in zip(*(rows.row(int(n)) for n in numbers), strict=True))
    return mask(ids, documents, starts, rows.tokenizer, rate=rate, generator=generator)


def training_batch(rows: PackedRows, step: int, *, size: int, rate: float) -> Batch:
    """Batch ``step`` of a run: a pure function of the rows' seed and the step."""
    generator = stream(rows.seed, Stream.MASKING, step)
    return batch(rows, rows.numbers(step, size), rate=rate, generator=generator)


def loss(model: MaskedLanguageModel, batch: Batch) -> tuple[Tensor, Tensor]:
    """Mean cross entropy (nats) and accuracy over the predicted positions; the head runs on those only.

    Of a share: its part of the two means of the whole batch, so that parts add up.
    """
    where = None if model.config.rotary else masks.positions(batch.documents_BL)
    mask = masks.packed(batch.documents_BL)
    hidden = model.encoder(batch.ids_BL, mask, positions_BL=where, at=batch.positions_M)
    logits = model.logits(hidden)
    with torch.no_grad():
        hits = _hits(logits, batch.labels_M)
    logits = logits.float()
    total = F.cross_entropy(logits, batch.labels_M, reduction="sum")
    return total / batch.predictions, hits / batch.predictions


def _hits(logits_MV: Tensor, labels_M: Tensor) -> Tensor:
    """How many labels have the largest logit."""
    if torch.finfo(logits_MV.dtype).bits >= 32:  # the largest logit is found five times as fast as its place
        return (logits_MV.gather(1, labels_M[:, None])[:, 0] == logits_MV.amax(-1)).float().sum()
    return (logits_MV.argmax(-1) == labels_M).float().sum()  # with 8 bits the largest often has equals


class DevSet:
    """Fixed rows under fixed masks, so that every model and every step is measured on the same predictions."""

    def __init__(self, rows: PackedRows, *, size: int, limit: int, rate: float) -> None:
        count = min(limit, len(rows))
        generator = stream(rows.seed, Stream.DEV_MASKING)
        chunks = np.array_split(np.arange(count), max(1, count // size))
        self.batches = [batch(rows, numbers, rate=rate, generator=generator) for numbers in chunks]

    def __call__(self, model: MaskedLanguageModel) -> dict[str, float]:
        """{"dev_loss", "dev_accuracy"}: means over all predictions."""
        device = next(model.parameters()).device
        total = hits = count = 0.0
        for batch in self.batches:
            value, accuracy = loss(model, batch.to(device))
            weight = batch.predictions
            total, hits, count = total + float(value) * weight, hits + float(accuracy) * weight, count + weight
        return {"dev_loss": total / count, "dev_accuracy": hits / count}
