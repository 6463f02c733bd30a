"""One distribution an example, over classes, choices or spans: a linear head, cross entropy, symmetric KL."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


def linear(size: int, outputs: int, *, std: float) -> nn.Linear:
    """A linear head with weights from N(0, std^2) and no bias at first."""
    head = nn.Linear(size, outputs)
    nn.init.normal_(head.weight, std=std)
    nn.init.zeros_(head.bias)
    return head


def loss(scores: Tensor, target: Tensor) -> Tensor:
    """Cross entropy, mean over the examples. ``scores`` [N, ...], ``target`` [N] numbers of the flattened scores."""
    return F.cross_entropy(scores.flatten(1), target)


def divergence(one: Tensor, other: Tensor) -> Tensor:
    """(KL(p || q) + KL(q || p)) / 2 of two predictions [N, ...] for the same batch, mean over the examples."""
    p, q = (scores.flatten(1).log_softmax(-1) for scores in (one, other))
    return ((p.exp() - q.exp()) * (p - q)).sum(-1).mean() / 2
