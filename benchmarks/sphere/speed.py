"""Milliseconds for a batch of 4096, medians over interleaved rounds, and what they are relative to the peers.

`limit` is what no sampler of this kind can undercut: a normal vector for each row, over its length.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.distributions import kl_divergence
from torch.nn.functional import normalize

from benchmarks.sphere import peers
from rosphere.sphere.distributions import HypersphericalUniform, VonMisesFisher

BATCH = 4096
DIMS = (8, 64, 128, 512, 1024)
KAPPA = 100.0

Tasks = dict[str, Callable[[], Any]]
Row = dict[str, Any]


def tables(rounds: int, device: str) -> dict[str, list[Row]]:
    where = f"batch {BATCH}, {torch.get_num_threads()} threads" if device == "cpu" else f"batch {BATCH}, {device}"
    found: dict[str, list[Row]] = {}
    for title, dims, tasks in (
        ("Draws", DIMS, _draws),
        ("Draw and backward", DIMS, _backward),
        ("KL and its derivative", (8, 128, 1024, 4096), _divergence),
    ):
        rows = {dim: _measured(tasks(dim, device), rounds, device) for dim in dims}
        found[f"{title}, ms ({where})"] = [{"d": dim} | row for dim, row in rows.items()]
        found[f"{title}, times ours"] = [
            {"d": dim} | {name: ms / row["rosphere"] for name, ms in row.items() if name != "rosphere"}
            for dim, row in rows.items()
        ]
    return found


def _draws(dim: int, device: str) -> Tasks:
    loc, kappa = _rows(dim, device)
    tasks: Tasks = {
        "rosphere": VonMisesFisher(loc, kappa, validate_args=False).sample,
        "one kappa": VonMisesFisher(loc, KAPPA, validate_args=False).sample,
        "the limit": lambda: _limit(dim, device),
    }
    if device == "cpu":
        tasks["scipy (one mean, one kappa)"] = peers.scipy_sampler(loc, KAPPA)
    if peers.HAS_TFP and device == "cpu":
        tasks |= {f"TFP jit {dtype}": peers.tfp_sampler(dtype)(loc, kappa) for dtype in ("float32", "float64")}
    if peers.HAS_POWER_SPHERICAL:
        tasks["power_spherical (another law)"] = lambda: peers.power_spherical(loc, kappa).sample()
    return tasks


def _backward(dim: int, device: str) -> Tasks:
    loc, kappa = _rows(dim, device)
    loc.requires_grad_(), kappa.requires_grad_()
    grad = torch.randn(BATCH, dim, device=device)
    tasks: Tasks = {
        "rosphere": lambda: VonMisesFisher(loc, kappa, validate_args=False).rsample().backward(grad),
        "one kappa": lambda: VonMisesFisher(loc, KAPPA, validate_args=False).rsample().backward(grad),
    }
    if peers.HAS_POWER_SPHERICAL:
        tasks["power_spherical (another law)"] = lambda: peers.power_spherical(loc, kappa).rsample().backward(grad)
    return tasks


def _divergence(dim: int, device: str) -> Tasks:
    kappa = torch.logspace(-3, 5, BATCH, dtype=torch.float64, device=device).requires_grad_()
    pole = normalize(torch.ones(dim, dtype=torch.float64, device=device), dim=0)
    uniform = HypersphericalUniform(dim, dtype=torch.float64, device=device)

    def ours() -> None:
        kl_divergence(VonMisesFisher(pole, kappa, validate_args=False), uniform).sum().backward()

    tasks: Tasks = {"rosphere": ours}
    if peers.HAS_TFP and device == "cpu":
        theirs, kappas = peers.tfp_kl("float64")(dim), np.logspace(-3, 5, BATCH)
        tasks["TFP jit float64"] = lambda: theirs(kappas)
    return tasks


def _rows(dim: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    loc = normalize(torch.randn(BATCH, dim, device=device), dim=-1)
    return loc, KAPPA * (1 + 0.01 * torch.rand(BATCH, device=device))


def _limit(dim: int, device: str) -> torch.Tensor:
    noise = torch.randn(BATCH, dim, device=device)
    return noise / torch.linalg.vector_norm(noise, dim=-1, keepdim=True)


def _measured(tasks: Tasks, rounds: int, device: str) -> dict[str, float]:
    """Median milliseconds of each task; the first two rounds, in which JAX compiles, do not count."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(rounds + 2):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            if device != "cpu":
                torch.cuda.synchronize()
            if turn >= 2:
                times[name].append(time.perf_counter() - start)
    return {name: 1e3 * statistics.median(found) for name, found in times.items()}
