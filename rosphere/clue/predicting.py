"""What a fine-tuned model says to rows: classes, entities, answers, choices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from rosphere.clue.examples import collate, examples
from rosphere.clue.kinds.kind import Prediction
from rosphere.clue.model import TaskModel
from rosphere.clue.sequences import Example
from rosphere.clue.tasks import Row
from rosphere.text.tokenizer import Tokenizer

TOKENS = 1 << 14  # in one batch: 64 sequences of 256


def predict(
    model: TaskModel, rows: Sequence[Row], tokenizer: Tokenizer, *, size: int = 64, assign: bool = True
) -> list[Prediction]:
    """One prediction per row, in order: see ``kinds.kind.Prediction``.

    With ``assign``, rows of one group (ChID's blanks under one list of candidates) get different choices.
    """
    made = examples(model.task, rows, tokenizer)
    kept = _kept(model, made, tokenizer, size)
    return model.kind.predictions(model.task, rows, made, kept, assign=assign)


def _kept(model: TaskModel, made: Sequence[Example], tokenizer: Tokenizer, size: int) -> list[Tensor]:
    """What a prediction needs of each example's scores, in order; examples of like length are scored together."""
    model.eval()
    device = next(model.parameters()).device
    found: list[Tensor] = [torch.empty(0)] * len(made)
    with torch.no_grad():
        for chosen in _batches(made, size):
            scores = model(collate([made[n] for n in chosen], model.task, tokenizer.pad).to(device)).cpu()
            for number, score in zip(chosen, scores, strict=True):
                found[number] = model.kind.kept(score)
    return found


def _batches(made: Sequence[Example], size: int) -> Iterator[list[int]]:
    """Numbers of examples, by length: at most ``size`` together, and fewer where they are many tokens."""
    by_length = sorted(range(len(made)), key=lambda number: made[number].length)
    batch: list[int] = []
    sequences = 0
    for number in by_length:
        sequences += len(made[number].sequences)
        if batch and (len(batch) == size or sequences * made[number].length > TOKENS):
            yield batch
            batch, sequences = [], len(made[number].sequences)
        batch.append(number)
    if batch:
        yield batch
