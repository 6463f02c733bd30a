"""Fine-tuning an encoder on one task, predicting, scoring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rosphere import fitting
from rosphere.checkpoint import History
from rosphere.clue import global_pointer, scoring
from rosphere.clue.examples import Batch, Example, collate, examples
from rosphere.clue.tasks import Row, Task
from rosphere.encoder import masks
from rosphere.encoder.model import Encoder
from rosphere.fitting import Callbacks, Schedule
from rosphere.text.tokenizer import Tokenizer

SPAN_SIZE = 32


class TaskModel(nn.Module):
    """An encoder under a head: classes from [CLS], or spans from all tokens.

    With ``pair_features`` a pair is judged from [CLS], the means u and v of its segments, |u - v| and u * v (Conneau
    et al. 2017, arXiv 1705.02364): an encoder that never saw pairs in pretraining has little about them in [CLS].
    """

    def __init__(self, encoder: Encoder, task: Task, *, pair_features: bool = False) -> None:
        super().__init__()
        self.encoder, self.task = encoder, task
        self.pair_features = pair_features and task.pair
        hidden = encoder.config.hidden_size
        self.dropout = nn.Dropout(0.1)
        self.head: nn.Module
        if task.kind == "classification":
            self.head = nn.Linear(5 * hidden if self.pair_features else hidden, len(task.labels))
            nn.init.normal_(self.head.weight, std=encoder.config.initializer_range)
            nn.init.zeros_(self.head.bias)
        else:
            self.head = global_pointer.GlobalPointer(hidden, len(task.labels), SPAN_SIZE)

    def forward(self, batch: Batch) -> Tensor:
        """Class logits [B, C] or span scores [B, types, L, L]; segments are all 0 (kexue.fm/archives/8739)."""
        alone = self.task.kind == "classification" and not self.pair_features  # then [CLS] is enough
        at = masks.first(batch.ids_BL) if alone else None
        hidden = self.dropout(self.encoder(batch.ids_BL, masks.padded(batch.keep_BL), at=at))
        if self.task.kind == "classification":
            classes: Tensor = self.head(self._paired(hidden, batch.part_BL) if self.pair_features else hidden)
            return classes.float()
        text = batch.keep_BL.clone()  # no entity begins or ends on [CLS] or the final [SEP]
        text[:, 0] = 0
        text.scatter_(1, batch.keep_BL.sum(1, keepdim=True) - 1, 0)
        spans: Tensor = self.head(hidden, text)
        return spans

    @staticmethod
    def _paired(hidden_BLH: Tensor, part_BL: Tensor) -> Tensor:
        """[B, 5H]: [CLS], u, v, |u - v|, u * v; the mean of an empty segment is 0."""
        chosen = [(part_BL == number).to(hidden_BLH.dtype)[..., None] for number in (1, 2)]
        u, v = ((hidden_BLH * where).sum(1) / where.sum(1).clamp(min=1) for where in chosen)
        return torch.cat((hidden_BLH[:, 0], u, v, (u - v).abs(), u * v), dim=-1)

    def loss(self, batch: Batch) -> Tensor:
        if self.task.kind == "classification":
            return F.cross_entropy(self.forward(batch), batch.target)
        return global_pointer.loss(self.forward(batch), batch.target)


def order(lengths: Sequence[int], epoch: int, size: int, seed: int) -> list[list[int]]:
    """Batches of one epoch: shuffled, then sorted by length within pools of 20 batches, batches shuffled again."""
    generator = np.random.default_rng([seed, 6, epoch])
    shuffled = generator.permutation(len(lengths))
    pools = [shuffled[start : start + 20 * size] for start in range(0, len(shuffled), 20 * size)]
    batches = [
        sorted_pool[start : start + size].tolist()
        for pool in pools
        for sorted_pool in [pool[np.argsort(np.take(lengths, pool), kind="stable")]]
        for start in range(0, len(pool), size)
    ]
    return [batches[place] for place in generator.permutation(len(batches))]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to fine-tune; ``schedule`` knows everything but the number of steps."""

    epochs: int
    rows: int
    schedule: Callable[[int], Schedule]


def finetune(
    model: TaskModel,
    rows: Sequence[Row],
    tokenizer: Tokenizer,
    recipe: Recipe,
    *,
    seed: int,
    folder: Path | None,
    callbacks: Callbacks,
) -> History:
    made = examples(model.task, rows, tokenizer)
    lengths = [len(example.ids) for example in made]
    a_epoch = len(order(lengths, 0, recipe.rows, seed))

    def batch(step: int) -> Batch:
        chosen = order(lengths, step // a_epoch, recipe.rows, seed)[step % a_epoch]
        return collate([made[number] for number in chosen], model.task, tokenizer.pad)

    def objective(trained: nn.Module, batch: Batch, backward: fitting.Backward) -> dict[str, Tensor]:
        value = model.loss(batch)
        backward(value)
        return {"loss": value.detach()}

    schedule = recipe.schedule(recipe.epochs * a_epoch)
    return fitting.fit(model, batch, objective, schedule, seed=seed, folder=folder, callbacks=callbacks)


@torch.no_grad()
def predict(model: TaskModel, rows: Sequence[Row], tokenizer: Tokenizer, *, size: int = 64) -> list[scoring.Prediction]:
    """One prediction per row, in order: a label, or a list of (label, first character, last character)."""
    model.eval()
    made = examples(model.task, rows, tokenizer)
    found: list[scoring.Prediction] = [""] * len(made)
    device = next(model.parameters()).device
    by_length = sorted(range(len(made)), key=lambda number: len(made[number].ids))
    for start in range(0, len(made), size):
        chosen = by_length[start : start + size]
        scores = model(collate([made[n] for n in chosen], model.task, tokenizer.pad).to(device)).cpu()
        for number, score in zip(chosen, scores, strict=True):
            found[number] = _decoded(model.task, made[number], score)
    return found


def _decoded(task: Task, example: Example, scores: Tensor) -> scoring.Prediction:
    if task.kind == "classification":
        return task.labels[int(scores.argmax())]
    spans = [tuple(map(int, place)) for place in (scores > 0).nonzero()]
    return [
        (task.labels[label], example.offsets[first - 1][0], example.offsets[last - 1][1] - 1)
        for label, first, last in spans
    ]
