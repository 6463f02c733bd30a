"""The logistic kernel, the derivative of the sigmoid s(z) = 1 / (1 + exp(-z)), z = x / width: s(z) s(-z).

A hinge under it is SoftPlus; width = 1/t for the t of kexue.fm/archives/8718.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rosphere.smoothing.width import Width, exp_of_sum, reduced

_LIMIT = {torch.float32: 110.0, torch.float64: 750.0}  # exp(-t) is 0 there


def excess(x: Tensor, width: Width) -> Tensor:
    """width log(1 + exp(-t)): what smoothing adds to max(x, 0)."""
    return _decay(x, width).log1p_().mul_(width)


def tail(x: Tensor, width: Width) -> Tensor:
    """s(-t)."""
    decay = _decay(x, width)
    return decay / (1 + decay)


def density(x: Tensor, width: Width) -> Tensor:
    decay = _decay(x, width)
    return decay.div_((1 + decay).square_().mul_(width))


def sign(x: Tensor, width: Width) -> Tensor:
    return torch.tanh(0.5 * (x / width))


def score(z: Tensor) -> Tensor:
    return -torch.tanh(0.5 * z)


def _decay(x: Tensor, width: Width) -> Tensor:
    """exp(-t)"""
    grid, rest = reduced(x, width, step=1.0, limit=_LIMIT[x.dtype])
    return exp_of_sum(grid.neg_(), rest.neg_())
