"""The token vectors of the lexical half, learnt on the similar groups.

The half is a network of one layer: it takes seconds where the encoder takes an hour, and sees far more pairs, batches
of hundreds of groups by InfoNCE, from the random whitened vectors on. Afterwards they hold which characters say the
same in other words, as 怎么 and 如何 do. A token that no pair has keeps its vector; the weights by rarity stay.
Shapes: N rows, T tokens of all rows together, V vocabulary, H width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from rosphere.errors import InputError
from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream
from rosphere.similarity import losses, pairs
from rosphere.similarity.lexical import Lexical
from rosphere.similarity.pairs import Groups
from rosphere.training import loop
from rosphere.training.checkpoint import History
from rosphere.training.loop import Callbacks
from rosphere.training.schedule import Schedule


@dataclass(frozen=True, kw_only=True)
class LexicalHalf:
    """Settings: there is no such half where ``share`` is 0, and its vectors stay random without a schedule."""

    share: float  # of a vector's square length
    batch_size: int  # pairs of a step, each of another group
    temperature: float
    schedule: Schedule | None

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise InputError(f"lexical.share: expected a share in [0, 1), got {self.share}")
        if self.batch_size < 2:
            raise InputError(f"lexical.batch_size: expected 2 or more, got {self.batch_size}")
        if not self.temperature > 0:
            raise InputError(f"lexical.temperature: expected a number above 0, got {self.temperature}")


@dataclass(frozen=True, kw_only=True)
class Bags:
    """Sentences as tokens one behind another; ``starts_N``: where each begins."""

    ids_T: Tensor
    starts_N: Tensor
    meaning_N: Tensor

    def to(self, device: torch.device) -> Bags:
        names = ("ids_T", "starts_N", "meaning_N")
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=True) for name in names})


class _Learner(nn.Module):
    """The table as weights; its sums are those of ``Lexical``, unscaled, for only their directions are compared."""

    weight_V: Tensor

    def __init__(self, start: Lexical) -> None:
        super().__init__()
        self.table_VH = nn.Parameter(start.table_VH.clone())
        self.register_buffer("weight_V", start.weight_V)

    def forward(self, batch: Bags) -> Tensor:
        weight_T = self.weight_V[batch.ids_T]
        return F.embedding_bag(batch.ids_T, self.table_VH, batch.starts_N, mode="sum", per_sample_weights=weight_T)


def batch(
    groups: Groups, step: int, *, batch_size: int, general_share: float, seed: int, meaning_N: NDArray[np.int64]
) -> Bags:
    """Of step ``step``: rows 2i and 2i + 1 are two sentences of one group."""
    generator = stream(seed, Stream.LEXICAL_PAIRS, step)
    drawn = pairs.drawn(groups, batch_size, general_share=general_share, generator=generator)
    numbers = np.array(drawn, np.int64).reshape(-1)
    sentences = [groups.tokens[int(number)][0].astype(np.int64) for number in numbers]
    ends = np.cumsum([len(ids) for ids in sentences])
    return Bags(
        ids_T=torch.from_numpy(np.concatenate(sentences)),
        starts_N=torch.from_numpy(np.concatenate([[0], ends[:-1]])),
        meaning_N=torch.from_numpy(meaning_N[numbers]),
    )


def learn(
    half: Lexical,
    groups: Groups,
    settings: LexicalHalf,
    *,
    general_share: float,
    meaning_N: NDArray[np.int64],
    seed: int,
    folder: Path | None = None,
    callbacks: Callbacks | None = None,
) -> History:
    """Replaces the token vectors of ``half`` by learnt ones; the loss by step, nothing where there is no schedule, or
    one of no steps.

    Cross entropy of finding each sentence's partner by cosine among all others of the batch, ``losses.info_nce``;
    ``meaning_N``: of every sentence by its number, as ``meanings.of_batches`` has them. Lengths are not learnt;
    ``lexical.rescale`` makes them what they were.
    """
    if settings.schedule is None or not settings.schedule.steps:
        return []
    learner = _Learner(half)

    def objective(model: nn.Module, rows: Bags, backward: loop.Backward) -> dict[str, Tensor]:
        loss = losses.info_nce(model(rows), temperature=settings.temperature, meaning_N=rows.meaning_N)
        backward(loss)
        return {"loss": loss.detach()}

    history = loop.fit(
        learner,
        partial(
            batch,
            groups,
            batch_size=settings.batch_size,
            general_share=general_share,
            seed=seed,
            meaning_N=meaning_N,
        ),
        objective,
        settings.schedule,
        seed=seed,
        folder=folder,
        callbacks=callbacks,
    )
    half.table_VH = learner.table_VH.detach().to(half.table_VH.device)
    return history
