"""Tasks whose answer is one of several: what follows from that, whatever the several are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from rosphere.clue import softmax
from rosphere.clue.kinds.kind import Kind, Prediction, accuracy
from rosphere.clue.sequences import Batch, Example
from rosphere.clue.tasks import Row, Task


class OneOf(Kind):
    """An example's target is a number; its scores, of which all are kept, are logits of one distribution."""

    def targets(self, task: Task, chosen: Sequence[Example], max_length: int) -> Tensor:
        """[N] numbers of the right ones."""
        return torch.tensor([example.target for example in chosen])

    def loss(self, scores: Tensor, batch: Batch) -> Tensor:
        return softmax.loss(scores, batch.target)

    def divergence(self, one: Tensor, other: Tensor) -> Tensor:
        return softmax.divergence(one, other)

    def kept(self, score: Tensor) -> Tensor:
        return score

    def measures(self, task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]) -> dict[str, float]:
        return {"accuracy": accuracy(self, task, rows, predictions)}

    def written(self, task: Task, row: Row, guess: Prediction) -> object:
        return guess

    def line(self, task: Task, row: Row) -> Mapping[str, Any]:
        return {}
