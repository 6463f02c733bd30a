"""|x| / width without the rounding that a tail would show.

exp(-t²/2) at t = 37 turns one rounding of t into 1400 of them, exp(-t) at t = 700 into 700. Here t = |x| / width
comes in two parts, t = grid + rest: grid is a whole number of steps, so that |x| - grid * width is computed exactly
(the argument reduction of Cody and Waite 1980), and rest is at most half a step and has an error of its own size.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

Width = float | Tensor

_KEPT = {torch.float32: 17, torch.float64: 43}  # bits of the width that a grid number of 7 or 10 bits may multiply
_LOST = {torch.float32: 7, torch.float64: 10}


def reduced(x: Tensor, width: Width, *, step: float, limit: float) -> tuple[Tensor, Tensor]:
    """(grid, rest) with |x| / width = grid + rest, or about ``limit`` where it is more; NaN stays NaN."""
    high, low = _halves(width, x.dtype)
    inverse = 1 / width
    size = torch.minimum(x.abs(), limit * width) if isinstance(width, Tensor) else x.abs().clamp(max=limit * width)
    number = (size * (inverse / step)).round_()
    size = size.sub_(number * (step * high))
    if isinstance(low, Tensor) or low:
        size = size.sub_(number * (step * low))
    return number.mul_(step), size.mul_(inverse)


def _halves(width: Width, dtype: torch.dtype) -> tuple[Width, Width]:
    """The width as a number with few bits and the rest."""
    if isinstance(width, Tensor):
        much = width * (2.0 ** _LOST[dtype] + 1)  # Veltkamp's splitting
        high = much - (much - width)
        return high, width - high
    mantissa, exponent = math.frexp(width)
    cut = math.ldexp(round(math.ldexp(mantissa, _KEPT[dtype])), exponent - _KEPT[dtype])
    return cut, width - cut


def exp_of_sum(large: Tensor, small: Tensor) -> Tensor:
    """exp(large + small) with the rounding of the sum made good (the fast two-sum of Dekker 1971)."""
    total = large + small
    missed = (large - total).add_(small)
    value = total.exp_()
    return value.add_(missed.mul_(value))


def checked(width: Width) -> Width:
    """Refuses numbers that float32 cannot divide by; a tensor is not looked at, which would wait for the device."""
    if not isinstance(width, Tensor) and not 1e-30 <= width <= 1e30:
        raise ValueError(f"width: expected a number from 1e-30 to 1e30, got {width}")
    return width


def in_float64(x: Tensor, width: Width) -> tuple[Tensor, Width]:
    """Both in float64, for sums in which terms cancel."""
    if not x.is_floating_point():
        raise ValueError(f"x: expected a floating dtype, got {x.dtype}")
    return x.double(), width.double() if isinstance(width, Tensor) else checked(width)
