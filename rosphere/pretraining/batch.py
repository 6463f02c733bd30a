"""A batch of packed rows with tokens to predict, masked or causal, and its loss.

Shapes: B rows, L tokens a row, M predicted positions, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from rosphere.encoder import masks
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Batch:
    ids_BL: Tensor  # as the model sees them: with masks in place, if any
    documents_BL: Tensor  # 1, 2, ... within a row; 0 is padding
    positions_M: Tensor  # flat indices into B * L
    labels_M: Tensor
    predictions: int  # of the whole batch, also where this is a share of it
    causal: bool = False  # a token sees itself and what stands before it in its document, and predicts the next

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


def prediction_loss(model: MaskedLanguageModel, batch: Batch) -> tuple[Tensor, Tensor]:
    """Mean cross entropy (nats) and accuracy over the predicted positions; the head runs on those only.

    Of a share: its part of the two means of the whole batch, so that parts add up.
    """
    where = None if model.config.rotary else masks.positions(batch.documents_BL)
    mask = masks.causal(batch.documents_BL) if batch.causal else masks.packed(batch.documents_BL)
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
