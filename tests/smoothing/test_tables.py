"""The polynomials of the Gaussian kernel, made anew: Chebyshev's interpolation with 60 digits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath as mp
import pytest
import torch

from rosphere.smoothing import gaussian


def mills(t: Any) -> Any:
    return mp.sqrt(mp.pi / 2) * mp.exp(t * t / 2) * mp.erfc(t / mp.sqrt(2))


def factor(name: str, h: Any) -> Any:
    """phi(0) M / h or phi(0) (1 - t M) / h² at h = 1 / (t + 4)."""
    t = 1 / h - 4
    return (mills(t) / h if name == "TAIL" else (1 - t * mills(t)) / h**2) / mp.sqrt(2 * mp.pi)


def interpolated(f: Callable[[Any], Any], count: int) -> list[Any]:
    """Coefficients, the highest power first, of the polynomial through Chebyshev's points."""
    nodes = [mp.cos(mp.pi * (2 * k + 1) / (2 * count)) for k in range(count)]
    matrix = mp.matrix(count, count)
    for row, node in enumerate(nodes):
        for power in range(count):
            matrix[row, power] = node ** (count - 1 - power)
    return list(mp.lu_solve(matrix, mp.matrix([f(node) for node in nodes])))


@pytest.mark.parametrize(
    ("name", "dtype", "digits", "bound"),
    [
        ("EXCESS", torch.float32, 1e-8, 3e-8),
        ("TAIL", torch.float32, 1e-8, 3e-8),
        ("EXCESS", torch.float64, 1e-15, 1e-15),
        ("TAIL", torch.float64, 1e-15, 1e-15),
    ],
)
def test_a_table(name: str, dtype: torch.dtype, digits: float, bound: float) -> None:
    table: Sequence[float] = getattr(gaussian, f"_{name}")[dtype]
    with mp.workdps(80):
        least = 1 / (mp.mpf(gaussian._LIMIT[dtype]) + 4)
        middle, half = (mp.mpf(1) / 4 + least) / 2, (mp.mpf(1) / 4 - least) / 2

        def f(u: Any) -> Any:
            return factor(name, middle + half * u)

        for written, true in zip(table, interpolated(f, len(table)), strict=True):
            assert abs(written - true) < digits * max(abs(true), mp.mpf(1) / 10)
        for place in range(-20, 21):
            u = mp.mpf(place) / 20
            assert abs(mp.polyval([mp.mpf(c) for c in table], u) / f(u) - 1) < bound
