"""An encoder under the head of a task."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rosphere.clue.kinds.table import KINDS
from rosphere.clue.sequences import Batch
from rosphere.clue.tasks import Task
from rosphere.encoder import masks
from rosphere.encoder.model import Encoder


class TaskModel(nn.Module):
    """An encoder under a head: classes or a score of a choice from [CLS], spans from all tokens.

    With ``means`` a text is read from [CLS] and the mean u of its tokens; a pair, or a choice with its question, from
    [CLS], the means u and v of the segments, |u - v| and u * v (Conneau et al. 2017, arXiv 1705.02364): nothing in
    masked language modelling fills [CLS], and an encoder that never saw pairs has little about them there.
    """

    def __init__(self, encoder: Encoder, task: Task, *, means: bool = False) -> None:
        super().__init__()
        self.encoder, self.task, self.means = encoder, task, means
        self.kind = KINDS[task.kind]
        self.segments = self.kind.segments(task)
        hidden = encoder.config.hidden_size
        size = {0: 1, 1: 2, 2: 5}[self.segments] * hidden if means else hidden
        self.dropout = nn.Dropout(0.1)
        self.head = self.kind.head(task, size, std=encoder.config.initializer_range)

    def forward(self, batch: Batch) -> Tensor:
        """Scores of classes [N, C] or of choices [N, K]; of spans [N, L, L], or of entities [N, types, L, L].

        Segments are all 0 (kexue.fm/archives/8739). An example with fewer choices than others has FAR for the rest.
        """
        at = masks.first(batch.ids_BL) if self.segments and not self.means else None  # then [CLS] is enough
        vectors = self.dropout(self.encoder(batch.ids_BL, masks.padded(batch.keep_BL), at=at))
        if self.segments and self.means:
            vectors = self._features(vectors, batch.part_BL)
        return self.kind.scores(self.head, vectors, batch)

    def _features(self, hidden_BLH: Tensor, part_BL: Tensor) -> Tensor:
        """[B, 2H]: [CLS], u; of a pair [B, 5H]: [CLS], u, v, |u - v|, u * v; the mean of an empty segment is 0."""
        u, v = (_mean(hidden_BLH, part_BL == number) for number in (1, 2))
        paired = (v, (u - v).abs(), u * v) if self.segments == 2 else ()
        return torch.cat((hidden_BLH[:, 0], u, *paired), dim=-1)

    def loss(self, batch: Batch) -> Tensor:
        return loss(self.task, self.forward(batch), batch)


def _mean(hidden_BLH: Tensor, where_BL: Tensor) -> Tensor:
    where = where_BL.to(hidden_BLH.dtype)[..., None]
    return (hidden_BLH * where).sum(1) / where.sum(1).clamp(min=1)


def loss(task: Task, scores: Tensor, batch: Batch) -> Tensor:
    """Mean over the examples: cross entropy over classes, choices or all spans (first, last); GlobalPointer's own."""
    return KINDS[task.kind].loss(scores, batch)


def divergence(task: Task, one: Tensor, other: Tensor) -> Tensor:
    """(KL(p || q) + KL(q || p)) / 2 of two predictions for the same batch, mean over the examples."""
    return KINDS[task.kind].divergence(one, other)
