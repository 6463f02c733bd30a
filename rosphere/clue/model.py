"""An encoder under the head of a task, and the losses of the four kinds."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rosphere.clue import global_pointer
from rosphere.clue.examples import Batch
from rosphere.clue.tasks import Task
from rosphere.encoder import masks
from rosphere.encoder.model import Encoder

ENTITY_SIZE = 32  # of the vectors whose products score spans
ANSWER_SIZE = 64


class TaskModel(nn.Module):
    """An encoder under a head: classes or a score of a choice from [CLS], spans from all tokens.

    With ``means`` a text is judged from [CLS] and the mean u of its tokens; a pair, or a choice with its question, from
    [CLS], the means u and v of the segments, |u - v| and u * v (Conneau et al. 2017, arXiv 1705.02364): nothing in
    masked language modelling fills [CLS], and an encoder that never saw pairs has little about them there.
    """

    def __init__(self, encoder: Encoder, task: Task, *, means: bool = False) -> None:
        super().__init__()
        self.encoder, self.task, self.means = encoder, task, means
        self.paired = task.pair or task.kind == "choices"
        hidden = encoder.config.hidden_size
        self.dropout = nn.Dropout(0.1)
        self.head: nn.Module
        if task.kind in ("classification", "choices"):
            outputs = len(task.labels) if task.kind == "classification" else 1
            self.head = nn.Linear((5 if self.paired else 2) * hidden if means else hidden, outputs)
            nn.init.normal_(self.head.weight, std=encoder.config.initializer_range)
            nn.init.zeros_(self.head.bias)
        elif task.kind == "entities":
            self.head = global_pointer.GlobalPointer(hidden, len(task.labels), ENTITY_SIZE)
        else:
            self.head = global_pointer.GlobalPointer(hidden, 1, ANSWER_SIZE, bias=False)

    def forward(self, batch: Batch) -> Tensor:
        """Scores of classes [N, C] or of choices [N, K]; of spans [N, L, L], or of entities [N, types, L, L].

        Segments are all 0 (kexue.fm/archives/8739). An example with fewer choices than others has FAR for the rest.
        """
        judged = self.task.kind in ("classification", "choices")
        at = masks.first(batch.ids_BL) if judged and not self.means else None  # then [CLS] is enough
        hidden = self.dropout(self.encoder(batch.ids_BL, masks.padded(batch.keep_BL), at=at))
        if judged:
            scores: Tensor = self.head(self._features(hidden, batch.part_BL) if self.means else hidden).float()
            return scores if self.task.kind == "classification" else _by_example(scores[:, 0], batch.sequences)
        spans: Tensor = self.head(hidden, self._possible(batch))
        return spans if self.task.kind == "entities" else spans[:, 0].float()

    def _possible(self, batch: Batch) -> Tensor:
        """[B, L]: where a span may begin and end: in the text, or the window; [CLS] is the span of no answer."""
        if self.task.kind == "spans":
            place = batch.part_BL == 2
            place[:, 0] = True
            return place
        text = batch.keep_BL.clone()
        text[:, 0] = 0
        return text.scatter_(1, batch.keep_BL.sum(1, keepdim=True) - 1, 0)

    def _features(self, hidden_BLH: Tensor, part_BL: Tensor) -> Tensor:
        """[B, 2H]: [CLS], u; of a pair [B, 5H]: [CLS], u, v, |u - v|, u * v; the mean of an empty segment is 0."""
        u, v = (_mean(hidden_BLH, part_BL == number) for number in (1, 2))
        return torch.cat((hidden_BLH[:, 0], u, *((v, (u - v).abs(), u * v) if self.paired else ())), dim=-1)

    def loss(self, batch: Batch) -> Tensor:
        return loss(self.task, self.forward(batch), batch)


def _mean(hidden_BLH: Tensor, where_BL: Tensor) -> Tensor:
    where = where_BL.to(hidden_BLH.dtype)[..., None]
    return (hidden_BLH * where).sum(1) / where.sum(1).clamp(min=1)


def _by_example(scores_B: Tensor, sequences_N: Tensor) -> Tensor:
    """[N, K]: the scores of each example's sequences in a row of its own."""
    rows = torch.split(scores_B, sequences_N.tolist())
    return nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=global_pointer.FAR)


def loss(task: Task, scores: Tensor, batch: Batch) -> Tensor:
    """Mean over the examples: cross entropy over classes, choices or all spans (first, last); GlobalPointer's own."""
    if task.kind == "entities":
        return global_pointer.loss(scores, batch.target)
    return F.cross_entropy(scores.flatten(1), batch.target)


def divergence(task: Task, one: Tensor, other: Tensor) -> Tensor:
    """(KL(p || q) + KL(q || p)) / 2 of two predictions for the same batch, mean over the examples.

    p and q are distributions over classes, choices or spans. Of entities, every span of a type is a decision of its
    own, sigmoid(score), and the divergences of decisions add up: KL + KL = (p - q)(s - t). Mean over types as well.
    """
    if task.kind == "entities":
        apart = (one.sigmoid() - other.sigmoid()) * (one - other)
        return apart.flatten(2).sum(-1).mean() / 2
    p, q = (scores.flatten(1).log_softmax(-1) for scores in (one, other))
    return ((p.exp() - q.exp()) * (p - q)).sum(-1).mean() / 2
