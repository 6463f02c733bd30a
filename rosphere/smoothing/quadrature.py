"""Any piecewise function, smoothed by numerical integration: Gauss and Legendre's rule between breakpoints."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

from rosphere.smoothing.derivatives import Kernel, evaluated, require
from rosphere.smoothing.width import Width, in_float64

_POINTS = 16
# Edges of the pieces in widths, so close that 16 points integrate the density to rounding, so far that 1e-16 is left.
_EDGES: dict[str, tuple[float, ...]] = {
    "gaussian": tuple(1.5 * n for n in range(7)),
    "logistic": tuple(4.0 * n for n in range(11)),
    "cauchy": (0.0, 0.5, *(2.0**n for n in range(54))),
}


def smooth(
    f: Callable[[Tensor], Tensor], kernel: Kernel, width: Width, *, breakpoints: Sequence[float] = ()
) -> Callable[[Tensor], Tensor]:
    """The function x -> integral of f(y) k_w(x - y) dy, computed in float64 and returned in x's dtype.

    ``f`` works on tensors of any shape elementwise and need not be differentiable: derivatives in x and in the width
    fall on the kernel; parameters inside f get theirs. ``breakpoints`` are the places of its jumps and kinks; between
    them f should be smooth over about two widths. The error is then about 1e-14 of the integral of |f(y)| k_w(x - y):
    absolute, not relative as that of the closed forms. f may grow like a polynomial under the Gaussian and logistic
    kernels; Cauchy's needs a bounded f.
    """
    require(kernel, hinge=False)
    places = sorted(breakpoints)
    if not all(map(math.isfinite, places)):
        raise ValueError(f"breakpoints: expected finite numbers, got {places}")

    def smoothed(x: Tensor) -> Tensor:
        z, scale = in_float64(x, width)
        still = scale.detach() if isinstance(scale, Tensor) else scale
        u, weights = _nodes(z.detach(), kernel, still, places)
        y = z.detach()[..., None] + (still[..., None] if isinstance(still, Tensor) else still) * u
        value = f(y) * _live_density(u, z, kernel, scale) * weights
        return value.sum(-1).to(x.dtype)

    return smoothed


def _nodes(x: Tensor, kernel: Kernel, width: Width, places: Sequence[float]) -> tuple[Tensor, Tensor]:
    """u = (y - x) / w and weights, [..., pieces * points], with an edge of a piece at every breakpoint in reach."""
    half = _EDGES[kernel]
    regular = torch.tensor([-edge for edge in half[:0:-1]] + [*half], dtype=x.dtype, device=x.device)
    width = width[..., None] if isinstance(width, Tensor) else width
    broken = (torch.tensor(places, dtype=x.dtype, device=x.device) - x[..., None]) / width
    shape = broken.shape[:-1]
    edges = torch.cat((regular.expand(*shape, -1), broken.clamp(-half[-1], half[-1])), dim=-1).sort(-1).values
    points, weights = (torch.from_numpy(row).to(x.device) for row in _rule())
    lengths = edges.diff(dim=-1)[..., None]
    return (edges[..., :-1, None] + lengths * points).flatten(-2), (lengths * weights).flatten(-2)


def _live_density(u: Tensor, x: Tensor, kernel: Kernel, width: Width) -> Tensor:
    """The density at u, in units of u, as a function of x and the width while the places y do not move."""
    if isinstance(width, Tensor):
        x, wide = torch.broadcast_tensors(x, width)  # type: ignore[no-untyped-call]
        width = wide[..., None]
    still = width.detach() if isinstance(width, Tensor) else width
    distance = still * u - (x - x.detach())[..., None]
    return still * evaluated("density", distance, kernel, width)


@cache
def _rule() -> tuple[np.ndarray, np.ndarray]:
    """Gauss and Legendre's points and weights on [0, 1]."""
    points, weights = np.polynomial.legendre.leggauss(_POINTS)
    return 0.5 * (points + 1), 0.5 * weights
