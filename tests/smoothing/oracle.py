"""Convolutions f * k_w by mpmath: from the kernels' distribution functions, and by quadrature to check those."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import mpmath as mp

KERNELS = ("gaussian", "logistic", "cauchy")
HINGED = ("gaussian", "logistic")


def density(z: Any, kernel: str) -> Any:
    if kernel == "gaussian":
        return mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)
    return 1 / (4 * mp.cosh(z / 2) ** 2) if kernel == "logistic" else 1 / (mp.pi * (1 + z * z))


def step(x: Any, w: Any, kernel: str) -> Any:
    z = x / w
    if kernel == "gaussian":
        return mp.erfc(-z / mp.sqrt(2)) / 2
    return 1 / (1 + mp.exp(-z)) if kernel == "logistic" else mp.atan2(1, -z) / mp.pi


def relu(x: Any, w: Any, kernel: str) -> Any:
    """Cauchy's up to an infinite constant: right in differences."""
    z = x / w
    if kernel == "gaussian":
        return x * step(x, w, kernel) + w * density(z, kernel)
    if kernel == "logistic":
        return w * mp.log1p(mp.exp(z)) if z < 0 else x + w * mp.log1p(mp.exp(-z))
    return x * step(x, w, kernel) - w * mp.log(1 + z * z) / (2 * mp.pi)


def floor(x: Any, w: Any, kernel: str) -> Any:
    """A sum of steps for narrow kernels, the Fourier series for wide ones, its sum for Cauchy's."""
    if kernel == "cauchy":
        q, angle = mp.exp(-2 * mp.pi * w), 2 * mp.pi * (x - mp.floor(x))
        return x - mp.mpf(1) / 2 + mp.atan2(q * mp.sin(angle), 1 - q * mp.cos(angle)) / mp.pi
    if w < 0.4:
        first = int(mp.floor(x))
        reach = int((30 if kernel == "gaussian" else 400) * w * mp.mp.dps / 60) + 3
        steps = (step(x - n, w, kernel) for n in range(first - reach + 1, first + reach + 1))
        return first - reach + mp.fsum(steps)
    damping: Callable[[Any], Any] = (
        (lambda a: mp.exp(-a * a / 2)) if kernel == "gaussian" else (lambda a: mp.pi * a / mp.sinh(mp.pi * a))
    )
    terms = (damping(2 * mp.pi * k * w) * mp.sin(2 * mp.pi * k * x) / (mp.pi * k) for k in range(1, 25))
    return x - mp.mpf(1) / 2 + mp.fsum(terms)


CLOSED: dict[str, Callable[[Any, Any, str], Any]] = {
    "relu": relu,
    "leaky_relu": lambda x, w, k: x / 4 + 3 * relu(x, w, k) / 4,
    "abs": lambda x, w, k: relu(x, w, k) + relu(-x, w, k),
    "maximum": lambda x, w, k: 3 * mp.mpf(1) / 4 + relu(x - 3 * mp.mpf(1) / 4, w, k),
    "clip": lambda x, w, k: relu(x, w, k) - relu(x - 6, w, k),
    "step": step,
    "sign": lambda x, w, k: 2 * step(x, w, k) - 1,
    "floor": floor,
    "round": lambda x, w, k: floor(x + mp.mpf(1) / 2, w, k),
    "sawtooth": lambda x, w, k: x - floor(x, w, k),
}


@cache
def exact(name: str, x: float, w: float, kernel: str) -> Any:
    """f * k_w at x, with digits enough for values of 1e-308 that are differences of ones."""
    for digits in (60, 420):
        with mp.workdps(digits):
            value = CLOSED[name](mp.mpf(x), mp.mpf(w), kernel)
        if abs(value) > 1e-40:
            break
    return value


def convolved(f: Callable[[Any], Any], x: Any, w: Any, kernel: str, breakpoints: Sequence[float]) -> Any:
    """The integral of f(y) k_w(x - y) dy itself."""
    edges = [*(x + w * n for n in range(-40, 41, 4)), *map(mp.mpf, breakpoints)]
    return mp.quad(lambda y: f(y) * density((x - y) / w, kernel) / w, sorted([-mp.inf, *edges, mp.inf]))
