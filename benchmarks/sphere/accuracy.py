"""log C, KL(vMF || uniform) and dKL/dkappa over the grid, against mpmath with 60 digits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import torch
from torch.distributions import kl_divergence

from benchmarks.sphere import peers
from rosphere.sphere.distributions import HypersphericalUniform, VonMisesFisher

NAMES = ("log C", "KL", "dKL/dkappa")
Numbers = tuple[float, float, float]


def exact(dim: int, kappa: float) -> tuple[Any, Any, Any]:
    with mpmath.workdps(60):
        v, x = mpmath.mpf(dim) / 2 - 1, mpmath.mpf(kappa)
        i, above, beyond = (mpmath.besseli(v + k, x, maxterms=10**6) for k in range(3))
        log_c = v * mpmath.log(x) - mpmath.mpf(dim) / 2 * mpmath.log(2 * mpmath.pi) - mpmath.log(i)
        log_area = mpmath.log(2) + mpmath.mpf(dim) / 2 * mpmath.log(mpmath.pi) - mpmath.loggamma(mpmath.mpf(dim) / 2)
        ratio = above / i
        slope = ratio * (1 / x - ratio + beyond / above)
        return log_c, x * ratio + log_c + log_area, x * slope


def ours(dtype: torch.dtype, device: str) -> Callable[[int, float], Numbers]:
    def of(dim: int, kappa: float) -> Numbers:
        x = torch.tensor(kappa, dtype=dtype, device=device, requires_grad=True)
        pole = torch.zeros(dim, dtype=dtype, device=device).index_fill(0, torch.tensor(0, device=device), 1)
        law = VonMisesFisher(pole, x)
        kl = kl_divergence(law, HypersphericalUniform(dim, dtype=dtype, device=device))
        (slope,) = torch.autograd.grad(kl, x)
        return -float(law.log_normalizer.detach()), float(kl.detach()), float(slope)

    return of


def of_tfp(dtype: str) -> Callable[[int, float], Numbers]:
    kl = peers.tfp_kl(dtype)

    def of(dim: int, kappa: float) -> Numbers:
        value, slope = kl(dim)(np.asarray([kappa]))
        return peers.tfp_log_c(dim, kappa, dtype), float(value[0]), float(slope[0])

    return of


def table(device: str) -> list[dict[str, Any]]:
    sources: dict[str, tuple[Callable[[int, float], Numbers], type]] = {
        "rosphere float64": (ours(torch.float64, device), np.float64),
        "rosphere float32": (ours(torch.float32, device), np.float32),
        "scipy.special.ive": (peers.scipy_quantities, np.float64),
    }
    if peers.HAS_TFP:
        sources["TFP jit float64"] = of_tfp("float64"), np.float64
        sources["TFP jit float32"] = of_tfp("float32"), np.float32
    cells = [(dim, kappa) for dim in peers.DIMS for kappa in peers.KAPPAS]
    truth = {(d, k, t): exact(d, float(t(k))) for d, k in cells for t in (np.float64, np.float32)}
    return [
        {"of": name, **_worst({(d, k): (of(d, k), truth[d, k, dtype]) for d, k in cells})}
        for name, (of, dtype) in sources.items()
    ]


def _worst(cells: dict[tuple[int, float], tuple[Numbers, tuple[Any, Any, Any]]]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for column, name in enumerate(NAMES):
        errors = {
            cell: float(abs(mpmath.mpf(got[column]) / true[column] - 1)) if math.isfinite(got[column]) else math.nan
            for cell, (got, true) in cells.items()
        }
        finite = {cell: error for cell, error in errors.items() if not math.isnan(error)}
        worst = max(finite, key=lambda cell: finite[cell])
        row |= {
            name: finite[worst],
            f"{name} at d, kappa": f"{worst[0]}, {worst[1]:g}",
            f"{name} not finite": len(errors) - len(finite),
        }
    return row
