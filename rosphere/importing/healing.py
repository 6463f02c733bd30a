"""What another vocabulary and fewer layers cost is healed by learning the original's vectors of many sentences.

    L = mean_i 1 - cos(s_i, t_i)

s_i is the mean of the student's last states, t_i the original's unit vector of the same sentence (Reimers and Gurevych
2020, arXiv 2004.09813, with the cosine in place of the squared error: only directions are compared later).
Shapes: N sentences of a batch, L tokens, H hidden size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from rosphere.encoder import masks
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream
from rosphere.similarity.model import mean
from rosphere.text import batching
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import loop
from rosphere.training.checkpoint import History
from rosphere.training.loop import Callbacks
from rosphere.training.schedule import Schedule

POOL = 16  # batches whose sentences are sorted by length, so that little is padding
Batch = tuple[Tensor, Tensor, Tensor]  # ids [N, L], which of them are there [N, L], the original's vectors [N, H]


class MeanEncoder(nn.Module):
    """The mean of an encoder's last states, [CLS] and [SEP] included."""

    def __init__(self, language: MaskedLanguageModel) -> None:
        super().__init__()
        self.encoder = language.encoder

    def forward(self, ids_NL: Tensor, keep_NL: Tensor) -> Tensor:
        return mean(self.encoder(ids_NL, masks.padded(keep_NL)), keep_NL)


class Taught:
    """Sentences, and the original's vectors of them, in batches by number."""

    def __init__(
        self,
        texts: Sequence[str],
        vectors: Callable[[NDArray[np.int64]], Tensor],
        tokenizer: Tokenizer,
        *,
        max_length: int,
        batch_size: int,
        seed: int,
    ) -> None:
        """``vectors`` gives rows [N, H] for numbers of ``texts``, which are read to ``max_length`` tokens."""
        if not 1 <= batch_size <= len(texts):
            raise InputError(f"batch_size: expected 1 to {len(texts)}, the number of sentences, got {batch_size}")
        self.vectors, self.pad, self.batch_size, self.seed = vectors, tokenizer.pad, batch_size, seed
        self.sentences = [[tokenizer.cls, *ids[: max_length - 2], tokenizer.sep] for ids in tokenizer.ids(texts)]
        self._lengths = np.array([len(each) for each in self.sentences])
        self._epoch, self._order = -1, list[NDArray[np.int64]]()

    def batch(self, step: int) -> Batch:
        """Epoch after epoch its whole batches; those of an epoch hold no sentence twice."""
        epoch, place = divmod(step, len(self.sentences) // self.batch_size)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._batches(epoch)
        chosen = self._order[place]
        ids, keep = batching.pad([self.sentences[number] for number in chosen.tolist()], self.pad)
        return ids, keep, self.vectors(chosen)

    def _batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """Of sentences of like length, in any order."""
        generator = stream(self.seed, Stream.HEALING, epoch)
        numbers = generator.permutation(len(self.sentences))
        numbers = numbers[: len(numbers) // self.batch_size * self.batch_size]
        pools = (
            numbers[start : start + POOL * self.batch_size] for start in range(0, len(numbers), POOL * self.batch_size)
        )
        ordered = np.concatenate([pool[np.argsort(self._lengths[pool], kind="stable")] for pool in pools])
        found = ordered.reshape(-1, self.batch_size)
        return [found[place] for place in generator.permutation(len(found))]


def loss(student_NH: Tensor, taught_NH: Tensor) -> Tensor:
    return 1 - F.cosine_similarity(student_NH.float(), taught_NH, dim=-1).mean()


def heal(
    language: MaskedLanguageModel, taught: Taught, schedule: Schedule, *, folder: Path, callbacks: Callbacks
) -> History:
    """Trains the encoder of ``language`` in place, and goes on where a run that was stopped has left ``folder``."""

    def objective(model: nn.Module, batch: Batch, backward: loop.Backward) -> dict[str, Tensor]:
        ids, keep, wanted = batch
        found = loss(model(ids, keep), wanted)
        backward(found)
        return {"loss": found.detach()}

    return loop.fit(
        MeanEncoder(language), taught.batch, objective, schedule, seed=taught.seed, folder=folder, callbacks=callbacks
    )
