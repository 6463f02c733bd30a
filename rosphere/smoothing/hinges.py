"""Functions with kinks, smoothed: f * k_w in closed form. Where f is convex, f * k_w is convex and nowhere below f."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rosphere.smoothing.derivatives import Kernel, evaluated, require
from rosphere.smoothing.width import Width, in_float64


def relu(x: Tensor, kernel: Kernel = "gaussian", width: Width = 1.0) -> Tensor:
    """max(x, 0) smoothed: x Phi(x/w) + w phi(x/w) (Gaussian), w log(1 + exp(x/w)) (logistic: SoftPlus).

    Convex, increasing, above max(x, 0) by w / sqrt(2 pi) or w log 2 at 0 and by less elsewhere.
    """
    return evaluated("relu", x, kernel, width)


def leaky_relu(x: Tensor, slope: float | Tensor, kernel: Kernel = "gaussian", width: Width = 1.0) -> Tensor:
    """slope x + (1 - slope) relu(x): max(x, slope x) smoothed, for a slope <= 1; its slope may be learned.

    With the Gaussian kernel this is SAU (Biswas et al. 2021, arXiv 2109.13210) with its factor 1 - slope on both terms.
    """
    if not isinstance(slope, Tensor) and slope == 0:  # 0 times infinity is not a number
        return relu(x, kernel, width)
    bent = torch.where(x >= 0, x, slope * x)
    return bent + (1 - slope) * evaluated("excess", x, kernel, width)


def abs(x: Tensor, kernel: Kernel = "gaussian", width: Width = 1.0) -> Tensor:
    """|x| smoothed: x erf(x / (sqrt(2) w)) + 2 w phi(x/w) (Gaussian), |x| + 2 w log(1 + exp(-|x|/w)) (logistic)."""
    return evaluated("abs", x, kernel, width)


def maximum(x: Tensor, y: Tensor, kernel: Kernel = "gaussian", width: Width = 1.0) -> Tensor:
    """y + relu(x - y): max(x, y) smoothed over their difference; symmetric in x and y.

    The logistic kernel gives w log(exp(x/w) + exp(y/w)).
    """
    apart = torch.where(x.isinf() & (x == y), 0.0, x - y)
    return torch.where(x >= y, x, y) + evaluated("excess", apart, kernel, width)


def clip(x: Tensor, low: float, high: float, kernel: Kernel = "gaussian", width: Width = 1.0) -> Tensor:
    """min(max(x, low), high) smoothed: low + relu(x - low) - relu(x - high), where it exists. Computed in float64."""
    if not -math.inf < low < high < math.inf:
        raise ValueError(f"low, high: expected finite numbers low < high, got {low} and {high}")
    require(kernel, hinge=False)
    z, width = in_float64(x, width)
    clipped = torch.where(z >= high, high, torch.where(z >= low, z, low))
    if kernel == "cauchy":
        return (clipped + _clip_under_cauchy(z, low, high, width)).to(x.dtype)
    added = evaluated("excess", z - low, kernel, width) - evaluated("excess", z - high, kernel, width)
    return (clipped + added).to(x.dtype)


def _clip_under_cauchy(x: Tensor, low: float, high: float, width: Width) -> Tensor:
    """[w log((w² + b²) / (w² + a²)) / 2 - |a| atan(w/|a|) + |b| atan(w/|b|)] / pi for a = x - low, b = x - high."""
    near = x.clamp(-1e100, 1e100)  # farther out it vanishes, and the squares need room
    a, b = near - low, near - high
    below, above = width * width + a * a, width * width + b * b
    share = (high - low) * (low + high - 2 * near) / below  # above / below - 1
    close = share.abs() < 0.5
    logarithm = torch.where(close, torch.where(close, share, 0.0).log1p(), (above / below).log())
    return (0.5 * width * logarithm - _turned(a, width) + _turned(b, width)) / math.pi


def _turned(a: Tensor, width: Width) -> Tensor:
    """|a| atan(w / |a|), with the right-hand derivative at 0."""
    size = torch.where(a >= 0, a, -a)
    return size * torch.atan2(width * torch.ones_like(size), size)
