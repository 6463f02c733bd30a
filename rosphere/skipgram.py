"""The model behind the dimension rule, trained: p(j|i) = softmax_j <u_i, v_j> over neighbouring tokens.

Trained at several dimensions on the same pairs, it shows where more dimensions stop paying.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from rosphere import fitting
from rosphere.text.corpus import Corpus


class SkipGram(nn.Module):
    """Vectors u of centres and v of contexts, with a bias per context token."""

    def __init__(self, vocabulary: int, dimension: int) -> None:
        super().__init__()
        self.u = nn.Embedding(vocabulary, dimension)
        self.v = nn.Linear(dimension, vocabulary)
        nn.init.normal_(self.u.weight, std=dimension**-0.5)

    def loss(self, pairs_N2: torch.Tensor) -> torch.Tensor:
        """Mean -log p(context | centre) in nats, with the full softmax."""
        return F.cross_entropy(self.v(self.u(pairs_N2[:, 0])), pairs_N2[:, 1])


def tokens(corpus: Corpus, limit: int) -> NDArray[np.int64]:
    """The first ``limit`` tokens of a split, documents end to end."""
    parts, found = [], 0
    for number in range(len(corpus)):
        parts.append(np.asarray(corpus.document(number)[0], dtype=np.int64))
        found += len(parts[-1])
        if found >= limit:
            break
    return np.concatenate(parts)[:limit]


def pairs(tokens_T: NDArray[np.int64], step: int, *, size: int, window: int, seed: int) -> torch.Tensor:
    """``size`` (centre, context) pairs at distance 1 to ``window``, a function of seed and step."""
    generator = np.random.default_rng([seed, 7, step])
    centre = generator.integers(window, len(tokens_T) - window, size)
    distance = generator.integers(1, window + 1, size) * generator.choice([-1, 1], size)
    return torch.from_numpy(np.stack([tokens_T[centre], tokens_T[centre + distance]], axis=1))


def curve(
    train_T: NDArray[np.int64],
    dev_T: NDArray[np.int64],
    *,
    vocabulary: int,
    dimensions: Sequence[int],
    schedule: fitting.Schedule,
    batch: int,
    window: int,
    seed: int,
    progress: fitting.Progress,
    stopping: Callable[[], bool],
) -> list[dict[str, float]]:
    """[{"dimension", "train_loss", "dev_loss"}]: the same data and steps at every dimension, full-softmax nats."""
    held = pairs(dev_T, 0, size=8192, window=window, seed=seed)
    rows = []
    for dimension in dimensions:
        fitting.seed_everything(seed)
        model = SkipGram(vocabulary, dimension)

        def objective(
            trained: nn.Module, batch_N2: torch.Tensor, backward: fitting.Backward, model: SkipGram = model
        ) -> dict[str, torch.Tensor]:
            value = model.loss(batch_N2)
            backward(value)
            return {"loss": value.detach()}

        history = fitting.fit(
            model,
            lambda step: pairs(train_T, step, size=batch, window=window, seed=seed),
            objective,
            schedule,
            seed=seed,
            callbacks=fitting.Callbacks(stopping=stopping),
        )
        with torch.no_grad():
            dev = float(model.loss(held.to(model.v.weight.device)))
        rows.append({"dimension": float(dimension), "train_loss": history[-1]["loss"], "dev_loss": dev})
        progress(len(rows), len(dimensions), rows[-1])
    return rows
