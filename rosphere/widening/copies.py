"""How copies of a unit share the weights that read them: equally, or unevenly so that they part in training."""

from __future__ import annotations

import torch
from torch import Tensor

ROWS = 256  # at a time: shares are reckoned in float64, several times over


def split(weight: Tensor, origin: Tensor, *, noise: float, generator: torch.Generator) -> Tensor:
    """[rows, old units] to [rows, new units]: each column shared out among the copies of its unit.

    Without noise every copy takes 1 / copies. With noise, every weight is shared out on its own, in the
    proportions 1 + noise z, z uniform in (-1, 1); the shares are rounded to multiples of the last bit of the
    weight and the last copy takes the rest, so that they add up to the weight exactly in its own dtype.
    Columns of origin -1 copy nothing and are zero.
    """
    there = origin >= 0
    wide = weight.new_zeros(len(weight), len(origin))
    for part, place in zip(torch.split(weight, ROWS), torch.split(wide, ROWS), strict=True):
        place[:, there] = _split(part, origin[there], noise, generator).to(weight.dtype)
    return wide


def _split(weight: Tensor, origin: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    wide = weight[:, origin].double()
    if not noise:
        return wide.div_(torch.bincount(origin)[origin])
    share = torch.rand(wide.shape, dtype=torch.float64, generator=generator).mul_(2).sub_(1).mul_(noise).add_(1)
    share /= _summed(share, origin)[:, origin]
    size = weight.abs()
    bit = (torch.nextafter(size, torch.full_like(size, torch.inf)) - size)[:, origin].double()
    wide.mul_(share).div_(bit).round_().mul_(bit)
    last = torch.zeros(weight.shape[1], dtype=torch.long)
    last.scatter_reduce_(0, origin, torch.arange(len(origin)), "amax")
    wide[:, last] += weight.double() - _summed(wide, origin)
    return wide


def _summed(wide: Tensor, origin: Tensor) -> Tensor:
    """Sums over the copies of each old unit."""
    return wide.new_zeros(len(wide), int(origin.max()) + 1).index_add_(1, origin, wide)


def first(origin: Tensor) -> Tensor:
    """For each new unit the number of the first copy of the same old unit; a unit of origin -1 is its own."""
    numbers = torch.arange(len(origin))
    earliest = torch.full((int(origin.max()) + 1,), len(origin)).scatter_reduce_(
        0, origin.clamp(min=0), torch.where(origin >= 0, numbers, len(origin)), "amin"
    )
    return torch.where(origin >= 0, earliest[origin], numbers)
