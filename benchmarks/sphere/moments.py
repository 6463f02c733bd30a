"""The sampler's mean, variance and gradient in kappa over the grid, in standard errors from the closed forms.

Whole points are drawn, each with a kappa of its own, and <mu, x> is taken from them. The closed forms
have been compared with mpmath (accuracy.py); the fourth moment, for the variance's own spread, is the sample's.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.sphere import peers
from rosphere.sphere.distributions import VonMisesFisher

NUMBERS_AT_ONCE = 1 << 22


def table(draws: int, device: str) -> list[dict[str, Any]]:
    """One row for each d: the worst of all kappas, of three tests each."""
    rows = []
    for dim in peers.DIMS:
        cells = []
        for kappa in peers.KAPPAS:
            cells.append(cell(dim, kappa, draws, device))
            print(f"d {dim}, kappa {kappa:g}: " + ", ".join(f"{n} {z:+.2f}" for n, z in cells[-1].items()), flush=True)
        rows.append({"d": dim} | {name: max(abs(each[name]) for each in cells) for name in cells[0]})
    return rows


def cell(dim: int, kappa: float, draws: int, device: str) -> dict[str, float]:
    torch.manual_seed(1000 * dim + peers.KAPPAS.index(kappa))
    sums = torch.zeros(5, dtype=torch.float64, device=device)
    rows = max(1, NUMBERS_AT_ONCE // dim)
    for start in range(0, draws, rows):
        sums += _sums(dim, kappa, min(rows, draws - start), device)
    first, second, fourth, gradient, gradient_square = (float(number) / draws for number in sums)
    law = VonMisesFisher(torch.eye(dim, dtype=torch.float64)[0], kappa)
    variance = float(law.variance_along_mean)
    return {
        "mean": first / math.sqrt(variance / draws),
        "variance": (second - variance) / math.sqrt((fourth - variance**2) / draws),
        "gradient in kappa": (gradient - variance) / math.sqrt((gradient_square - gradient**2) / draws),
    }


def _sums(dim: int, kappa: float, count: int, device: str) -> Tensor:
    """Of w - A, its square and fourth power, dw/dkappa and its square, over `count` new draws."""
    loc = normalize(torch.randn(dim, dtype=torch.float64, device=device), dim=-1)
    kappas = torch.full((count,), kappa, dtype=torch.float64, device=device, requires_grad=True)
    law = VonMisesFisher(loc, kappas, validate_args=False)
    w = law.rsample() @ loc
    (gradient,) = torch.autograd.grad(w.sum(), kappas)
    off = w.detach() - law.mean_resultant_length.detach()
    return torch.stack([part.sum() for part in (off, off**2, off**4, gradient, gradient**2)])
