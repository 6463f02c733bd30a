"""Functions with jumps, smoothed: f * k_w in closed form, for all three kernels.

floor, round and sawtooth have a jump at every whole number. Narrow kernels feel the nearest few: each adds a tail of
the kernel to the value of f (this is kexue.fm/archives/8718's sum, which never stops at an N or M here). Wide kernels
leave little of the Fourier series of f,

    x - floor(x) = 1/2 - sum_{k>=1} sin(2 pi k x) / (pi k),

whose terms they multiply by their characteristic function at 2 pi k. Under Cauchy's kernel the series has a sum. These
three are computed in float64: their parts cancel near the zeros of f * k_w.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from rosphere.smoothing.derivatives import Kernel, evaluated, require
from rosphere.smoothing.width import Width, in_float64

_WIDE = 0.25  # from this width on the Fourier series is used
_REACH = {"gaussian": 9.0, "logistic": 41.0}  # widths at which a tail is below 1e-17
_TERMS = {"gaussian": 6, "logistic": 10}  # of the Fourier series at width _WIDE: the next is below 1e-17


def step(x: Tensor, kernel: Kernel = "gaussian", width: Width = 1.0) -> Tensor:
    """The step from 0 to 1 at x = 0, smoothed: the kernel's distribution function at x / w, both tails right."""
    return evaluated("step", x, kernel, width)


def sign(x: Tensor, kernel: Kernel = "gaussian", width: Width = 1.0) -> Tensor:
    """sign(x) smoothed: erf(x / (sqrt(2) w)), tanh(x / 2w) or (2/pi) atan(x / w)."""
    return evaluated("sign", x, kernel, width)


def floor(x: Tensor, kernel: Kernel = "gaussian", width: Width = 1.0) -> Tensor:
    """The greatest whole number <= x, smoothed; n - 1/2 at whole numbers n, x - 1/2 for a wide kernel."""
    z, width = in_float64(x, width)
    whole, rest = _nearest(z)
    below = whole - torch.where(rest >= 0, 0.0, 1.0)

    def narrow(width: Width) -> Tensor:
        return below + _jumps(rest, kernel, width)

    return _either(narrow, lambda width: z - 0.5 + _ripple(rest, kernel, width), kernel, width).to(x.dtype)


def round(x: Tensor, kernel: Kernel = "gaussian", width: Width = 1.0) -> Tensor:
    """The nearest whole number, smoothed: floor(x + 1/2), an odd function; x for a wide kernel."""
    z, width = in_float64(x, width)
    whole, rest = _nearest(z)

    def narrow(width: Width) -> Tensor:
        return whole + _half_jumps(rest, kernel, width)

    return _either(narrow, lambda width: z + _ripple(rest, kernel, width, shifted=True), kernel, width).to(x.dtype)


def sawtooth(x: Tensor, kernel: Kernel = "gaussian", width: Width = 1.0) -> Tensor:
    """x - floor(x) smoothed, of period 1 and between 0 and 1; 1/2 for a wide kernel."""
    z, width = in_float64(x, width)
    rest = z - z.round()
    above = torch.where(rest >= 0, rest, 1 + rest)

    def narrow(width: Width) -> Tensor:
        return above - _jumps(rest, kernel, width)

    return _either(narrow, lambda width: 0.5 - _ripple(rest, kernel, width), kernel, width).to(x.dtype)


def _nearest(x: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest whole number and what is left, in [-1/2, 1/2]; of an infinite x nothing is left."""
    whole = x.round()
    return whole, torch.where(x.isinf(), 0.0, x - whole)


def _either(narrow: Callable[[Width], Tensor], wide: Callable[[Width], Tensor], kernel: Kernel, width: Width) -> Tensor:
    """The sum that converges quickly at this width; a width in a tensor asks for both."""
    require(kernel, hinge=False)
    if kernel == "cauchy":
        return narrow(width)
    if not isinstance(width, Tensor):
        return narrow(width) if width < _WIDE else wide(width)
    return torch.where(width < _WIDE, narrow(width.clamp(max=_WIDE)), wide(width.clamp(min=_WIDE)))


def _jumps(rest: Tensor, kernel: Kernel, width: Width) -> Tensor:
    """f * k_w - f of the floor at a distance ``rest`` from the nearest whole number."""
    if kernel == "cauchy":
        sine = torch.sin(math.pi * rest)
        outside = torch.atan2(_tanh(width) * torch.cos(math.pi * rest), torch.where(rest >= 0, sine, -sine)) / math.pi
        return torch.where(rest >= 0, -outside, outside)
    far = torch.zeros_like(rest)
    for number in range(_count(kernel, width), 0, -1):
        far = far + evaluated("tail", number - rest, kernel, width) - evaluated("tail", number + rest, kernel, width)
    own = evaluated("tail", rest, kernel, width)
    return torch.where(rest >= 0, -own, own) + far


def _half_jumps(rest: Tensor, kernel: Kernel, width: Width) -> Tensor:
    """The same of rounding: its jumps lie halfway between whole numbers."""
    if kernel == "cauchy":
        return torch.atan2(_tanh(width) * torch.sin(math.pi * rest), torch.cos(math.pi * rest)) / math.pi
    total = torch.zeros_like(rest)
    for number in range(_count(kernel, width), -1, -1):
        place = number + 0.5
        here, there = (evaluated("tail", each, kernel, width) for each in (place - rest, place + rest))
        total = total + (here - there)  # in this order, what is odd stays odd to the last bit
    return total


def _ripple(rest: Tensor, kernel: Kernel, width: Width, *, shifted: bool = False) -> Tensor:
    """sum_k sin(2 pi k x) / (pi k) under the kernel; ``shifted``: by half a period."""
    total = torch.zeros_like(rest)
    for k in range(_TERMS[kernel], 0, -1):
        sine = torch.sin(2 * math.pi * k * rest) * (-1 if shifted and k % 2 else 1)
        total = total + sine * _damping(k, kernel, width) / (math.pi * k)
    return total


def _damping(k: int, kernel: Kernel, width: Width) -> Width:
    """The characteristic function of the kernel at 2 pi k: exp(-a²/2), or pi a / sinh(pi a), for a = 2 pi k w."""
    if not isinstance(width, Tensor):
        return float(_damping(k, kernel, torch.tensor(width, dtype=torch.float64)))
    a = 2 * math.pi * k * width
    if kernel == "gaussian":
        return torch.exp(-0.5 * a * a)
    return 2 * math.pi * a * torch.exp(-math.pi * a) / -torch.expm1(-2 * math.pi * a)


def _count(kernel: Kernel, width: Width) -> int:
    """Jumps to each side that are felt."""
    return math.ceil(_REACH[kernel] * (_WIDE if isinstance(width, Tensor) else width) + 0.5)


def _tanh(width: Width) -> Width:
    return torch.tanh(math.pi * width) if isinstance(width, Tensor) else math.tanh(math.pi * width)
