"""The model behind the dimension rule, trained: p(j|i) = softmax_j <u_i, v_j> over neighbouring tokens.

Trained at several dimensions on the same pairs, it shows where more dimensions stop paying. Training may use the full
softmax or, for large vocabularies, negative sampling (Mikolov et al. 2013, arXiv 1310.4546), whose scores tend to
log p(j|i) - log q(j) for the noise q, the counts to the power 3/4. Quality is the full softmax's loss in both cases.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from rosphere.randomness.state import seed_everything
from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream
from rosphere.text.corpus import Corpus
from rosphere.training import loop
from rosphere.training.loop import Callbacks
from rosphere.training.schedule import Schedule


class SkipGram(nn.Module):
    """Vectors u of centres and v of contexts, with a bias per context token; ``noise`` [V] for negative sampling."""

    def __init__(self, vocabulary: int, dimension: int, noise: torch.Tensor | None = None) -> None:
        super().__init__()
        self.u = nn.Embedding(vocabulary, dimension)
        self.v = nn.Linear(dimension, vocabulary)
        self.register_buffer("log_noise", torch.zeros(vocabulary) if noise is None else noise.log())
        nn.init.normal_(self.u.weight, std=dimension**-0.5)

    def loss(self, pairs_N2: torch.Tensor) -> torch.Tensor:
        """Mean -log p(context | centre) in nats, with the full softmax."""
        return F.cross_entropy(self.v(self.u(pairs_N2[:, 0])) + self.log_noise, pairs_N2[:, 1])

    def sampled_loss(self, pairs_N2: torch.Tensor, noise_K: torch.Tensor) -> torch.Tensor:
        """Mean of -log s(<u, v> - log K) - sum_k log s(log K - <u, v_k>), the K noise tokens shared by the batch."""
        u_ND, (_, context_N) = self.u(pairs_N2[:, 0]), pairs_N2.unbind(1)
        shift = math.log(len(noise_K))
        true_N = (u_ND * self.v.weight[context_N]).sum(-1) + self.v.bias[context_N] - shift
        false_NK = F.linear(u_ND, self.v.weight[noise_K], self.v.bias[noise_K]) - shift
        return (F.softplus(-true_N) + F.softplus(false_NK).sum(-1)).mean()


def most_frequent(tokens_T: NDArray[np.int64], size: int, *others: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The streams without all but the ``size`` most frequent tokens of the first, which become 0, 1, ... by rank."""
    kept, counts = np.unique(tokens_T, return_counts=True)
    kept = kept[np.argsort(-counts, kind="stable")][:size]
    rank = np.full(max(int(stream.max()) for stream in (tokens_T, *others)) + 1, -1, dtype=np.int64)
    rank[kept] = np.arange(len(kept))
    return [ranks[ranks >= 0] for ranks in (rank[stream] for stream in (tokens_T, *others))]


def knee(rows: Sequence[Mapping[str, float]], share: float = 0.9) -> float:
    """The smallest dimension with this share of what the best one gains over the smallest, in dev loss."""
    first, best = rows[0]["dev_loss"], min(row["dev_loss"] for row in rows)
    return next(row["dimension"] for row in rows if first - row["dev_loss"] >= share * (first - best))


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
    generator = stream(seed, Stream.SKIP_GRAM, step)
    centre = generator.integers(window, len(tokens_T) - window, size)
    distance = generator.integers(1, window + 1, size) * generator.choice([-1, 1], size)
    return torch.from_numpy(np.stack([tokens_T[centre], tokens_T[centre + distance]], axis=1))


def curve(
    train_T: NDArray[np.int64],
    dev_T: NDArray[np.int64],
    *,
    vocabulary: int,
    dimensions: Sequence[int],
    schedule: Schedule,
    batch: int,
    window: int,
    seed: int,
    progress: loop.Progress,
    stopping: Callable[[], bool],
    negatives: int = 0,
) -> list[dict[str, float]]:
    """[{"dimension", "train_loss", "dev_loss"}]: the same data and steps at every dimension.

    dev_loss is in nats of the full softmax; train_loss too, unless ``negatives`` noise tokens a step stand for it.
    """
    held = pairs(dev_T, 0, size=8192, window=window, seed=seed)
    noise = _noise(train_T, vocabulary) if negatives else None
    rows = []
    for dimension in dimensions:
        seed_everything(seed)
        model = SkipGram(vocabulary, dimension, noise)

        def objective(
            trained: nn.Module, batch_N2: torch.Tensor, backward: loop.Backward, model: SkipGram = model
        ) -> dict[str, torch.Tensor]:
            if noise is None:
                value = model.loss(batch_N2)
            else:
                drawn_K = torch.multinomial(noise, negatives, replacement=True).to(batch_N2.device)
                value = model.sampled_loss(batch_N2, drawn_K)
            backward(value)
            return {"loss": value.detach()}

        history = loop.fit(
            model,
            lambda step: pairs(train_T, step, size=batch, window=window, seed=seed),
            objective,
            schedule,
            seed=seed,
            callbacks=Callbacks(stopping=stopping),
        )
        with torch.no_grad():
            dev = float(model.loss(held.to(model.v.weight.device)))
        rows.append({"dimension": float(dimension), "train_loss": history[-1]["loss"], "dev_loss": dev})
        progress(len(rows), len(dimensions), rows[-1])
    return rows


def _noise(tokens_T: NDArray[np.int64], vocabulary: int) -> torch.Tensor:
    """[V]: counts to the power 3/4, one more for each so that none is 0, as probabilities."""
    weights = torch.bincount(torch.from_numpy(tokens_T), minlength=vocabulary).add(1.0).pow(0.75)
    return weights / weights.sum()
