"""Our side: texts packed into rows, fused attention, the head on masked positions, rosphere.training.loop's loop."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.encoder.data import RATE, VOCAB, Texts
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.encoder.precision import Requested, for_training
from rosphere.pretraining import masked
from rosphere.pretraining.batch import Batch, prediction_loss
from rosphere.pretraining.packing import PackedRows
from rosphere.randomness.state import seed_everything
from rosphere.text import corpus, tokenizer
from rosphere.training import loop
from rosphere.training.schedule import Schedule


class Training:
    def __init__(
        self, shape: EncoderConfig, texts: Texts, folder: Path, *, compiled: bool, requested: Requested = "auto"
    ) -> None:
        self.texts, self.folder = texts, folder
        self.precision = for_training(requested, shape.hidden_size).precision
        tokenizer.save(VOCAB, folder / "tokenizer")
        self.tokenizer = tokenizer.Tokenizer(folder / "tokenizer")
        seed_everything(0)
        self.model = MaskedLanguageModel(shape)
        if compiled:
            self.model.encoder.compile_blocks()
        self.done = 0

    def tokens_per_second(self, steps: int) -> float:
        """Of text, special tokens included; packing and masking are part of the time, writing the corpus is not."""
        documents = [(ids, np.ones(len(ids), dtype=bool)) for ids in self.texts.steps(self.done, steps)]
        self.done += steps
        corpus.write(documents, self.folder / "corpus", vocab_size=len(VOCAB), shard_tokens=10**9)
        rows = PackedRows(
            corpus.Corpus(self.folder / "corpus"), self.tokenizer, length=self.texts.sequence, seed=self.done
        )
        size = len(rows) // steps
        times: list[float] = []

        def objective(model: nn.Module, batch: Batch, backward: loop.Backward) -> dict[str, Tensor]:
            if torch.cuda.is_available() and len(times) in (0, steps):
                torch.cuda.synchronize()
            times.append(time.perf_counter())
            value, accuracy = prediction_loss(self.model, batch)
            backward(value)
            return {"loss": value.detach(), "accuracy": accuracy}

        loop.fit(
            self.model,
            lambda step: masked.training_batch(rows, step, size=size, rate=RATE),
            objective,
            Schedule(steps=steps + 1, learning_rate=1e-4, log_every=10**9),
            seed=0,
            precision=self.precision,
        )
        return steps * size * self.texts.sequence / (times[-1] - times[0])


def flops_per_token(config: EncoderConfig, sequence: int) -> float:
    """Forward and backward as really computed: the head, and the end of the last block, on masked tokens only."""
    return config.flops_per_token(sequence, predicted=RATE)
