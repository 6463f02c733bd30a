"""Isometries R^d -> R^D at random, and noise that nothing reads: the growth of a stream under RMSNorm.

With U'U = 1 and a = sqrt(D / d), the stream a U x has the root mean square of x, so RMSNorm commutes with a U, whatever
its epsilon. Readers W become W U' / a + Z (1 - U U'): all that the second term reads is always zero.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rosphere.sphere import rotation


def isometry(new: int, old: int, generator: torch.Generator) -> Tensor:
    """U [new, old], float64, U'U = 1, from the uniform (Haar) distribution; new > old.

    Stewart (1980): the product of reflections of which the i-th takes axis i to a random direction of the axes from i
    on, here applied to the first ``old`` axes.
    """
    axes = torch.eye(old, new, dtype=torch.float64)
    for number in reversed(range(old)):
        direction = torch.randn(new - number, dtype=torch.float64, generator=generator)
        axis = torch.zeros_like(direction)
        axis[0] = 1
        axes[number:, number:] = rotation.reflect(axes[number:, number:], axis, direction)
    return axes.mT.contiguous()


def read(weight: Tensor, matrix: Tensor, *, noise: float, generator: torch.Generator) -> Tensor:
    """W [rows, old] to W M' + Z (1 - M M' / |M|²) [rows, new] for a multiple M of an isometry.

    Z is normal, its standard deviation ``noise`` times the root mean square of W M'.
    """
    wide = weight.double() @ matrix.mT
    if noise:
        spread = noise * wide.square().mean().sqrt()
        free = spread * torch.randn(wide.shape, dtype=torch.float64, generator=generator)
        wide += free - (free @ matrix) @ matrix.mT / matrix[:, 0].square().sum()
    return wide.to(weight.dtype)
