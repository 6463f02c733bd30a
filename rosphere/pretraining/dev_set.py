"""What a language model is measured on: fixed rows, fixed predictions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rosphere.encoder.model import MaskedLanguageModel
from rosphere.pretraining import causal as next_tokens
from rosphere.pretraining import masked
from rosphere.pretraining.batch import Batch, prediction_loss
from rosphere.pretraining.packing import PackedRows
from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream


class DevSet:
    """Fixed rows under fixed masks, so that every model and every step is measured on the same predictions."""

    def __init__(self, rows: PackedRows, *, size: int, limit: int, rate: float, causal: bool = False) -> None:
        self.rows, self.size, self.limit = rows, size, limit
        self.masked = self._batches(masked.batch, Stream.DEV_MASKING, rate)
        self.causal = self._batches(next_tokens.batch, Stream.DEV_NEXT_TOKENS, 1.0) if causal else []

    def __call__(self, model: MaskedLanguageModel) -> dict[str, float]:
        """{"dev_loss", "dev_accuracy"} of masked tokens, {"dev_causal_loss", "dev_causal_accuracy"} of next ones.

        Means over all predictions, in nats and shares; of the next tokens, all positions predict.
        """
        found = _means(model, self.masked)
        named = {"dev_loss": found[0], "dev_accuracy": found[1]}
        if self.causal:
            found = _means(model, self.causal)
            named |= {"dev_causal_loss": found[0], "dev_causal_accuracy": found[1]}
        return named

    def _batches(self, make: Callable[..., Batch], name: Stream, rate: float) -> list[Batch]:
        count = min(self.limit, len(self.rows))
        chunks = np.array_split(np.arange(count), max(1, count // self.size))
        generator = stream(self.rows.seed, name)
        return [make(self.rows, numbers, rate=rate, generator=generator) for numbers in chunks]


def _means(model: MaskedLanguageModel, batches: list[Batch]) -> tuple[float, float]:
    device = next(model.parameters()).device
    total = hits = count = 0.0
    for batch in batches:
        value, accuracy = prediction_loss(model, batch.to(device))
        weight = batch.predictions
        total, hits, count = total + float(value) * weight, hits + float(accuracy) * weight, count + weight
    return total / count, hits / count
