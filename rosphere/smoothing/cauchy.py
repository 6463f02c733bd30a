"""The Cauchy kernel 1 / (pi (1 + z²)), z = x / width.

Its tails are so heavy that the integral exists for bounded functions only, and for the floor, which is x and a bounded
function, as a principal value; not for a hinge.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rosphere.smoothing.width import Width


def tail(x: Tensor, width: Width) -> Tensor:
    """1/2 - atan(t) / pi."""
    t = x.abs() / width
    return torch.atan2(torch.ones_like(t), t) / math.pi


def density(x: Tensor, width: Width) -> Tensor:
    return 1 / (math.pi * width * (1 + (x / width).square()))


def sign(x: Tensor, width: Width) -> Tensor:
    return torch.atan(x / width) * (2 / math.pi)


def score(z: Tensor) -> Tensor:
    return -2 * z / (1 + z.square())
