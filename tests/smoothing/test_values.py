"""Every closed form against mpmath in relative terms, from width 1e-4 to 10 and x from -50 to 50, tails included."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import mpmath as mp
import pytest
import torch
from torch import Tensor

from rosphere import smoothing
from tests.smoothing import oracle

WIDTHS = (1e-4, 1e-2, 0.07, 0.24, 0.3, 1.0, 10.0)
CASES = [
    (n, k)
    for n in oracle.CLOSED
    for k in oracle.KERNELS
    if k != "cauchy" or n not in ("relu", "leaky_relu", "abs", "maximum")
]


def closed(name: str, x: Tensor, kernel: Any, width: float | Tensor) -> Tensor:
    match name:
        case "leaky_relu":
            return smoothing.leaky_relu(x, 0.25, kernel, width)
        case "maximum":
            return smoothing.maximum(x, torch.full_like(x, 0.75), kernel, width)
        case "clip":
            return smoothing.clip(x, 0.0, 6.0, kernel, width)
    return getattr(smoothing, name)(x, kernel, width)


@cache
def points(width: float) -> tuple[float, ...]:
    """Far, near and in the kernel's tails; all of them numbers of float32."""
    near = torch.linspace(-1, 1, 17, dtype=torch.float64) * 37 * width
    grid = torch.cat((torch.linspace(-50, 50, 21, dtype=torch.float64), torch.linspace(-1.3, 1.4, 11).double(), near))
    return tuple(grid.clamp(-50, 50).float().tolist())


def errors(name: str, kernel: str, dtype: torch.dtype) -> dict[tuple[float, float], float]:
    """|error| / |f * k_w|, where that is not subnormal; leaky_relu crosses 0, and is judged by its two terms."""
    tiny, found = torch.finfo(dtype).tiny, {}
    for width in WIDTHS:
        xs = points(width)
        for x, got in zip(xs, closed(name, torch.tensor(xs, dtype=dtype), kernel, width).tolist(), strict=True):
            true = oracle.exact(name, x, width, kernel)
            if abs(true) < 2 * tiny:
                assert abs(got) <= 4 * tiny, (x, width)
            else:
                terms = abs(x) / 4 + abs(true - mp.mpf(x) / 4) if name == "leaky_relu" else abs(true)
                found[x, width] = float(abs(mp.mpf(got) - true) / terms)
    return found


@pytest.mark.parametrize(("name", "kernel"), CASES)
@pytest.mark.parametrize(
    ("dtype", "bound"), [(torch.float64, 1e-13), (torch.float32, 1e-6)], ids=["float64", "float32"]
)
def test_right_in_relative_terms(name: str, kernel: str, dtype: torch.dtype, bound: float) -> None:
    found = errors(name, kernel, dtype)
    worst = max(found, key=lambda place: found[place])
    assert found[worst] < bound, f"{found[worst]:.2e} at x, width = {worst}"


@pytest.mark.parametrize("kernel", oracle.HINGED)
def test_the_deepest_tail(kernel: str) -> None:
    """Smooth ReLU at 1e-200 and the smallest normal number."""
    for x in (-29.9, -37.3) if kernel == "gaussian" else (-460.0, -708.0):
        true = oracle.exact("relu", x, 1.0, kernel)
        assert true < 1e-195
        got = float(smoothing.relu(torch.tensor(x, dtype=torch.float64), kernel))
        assert abs(mp.mpf(got) / true - 1) < 1e-15 * 8


@pytest.mark.parametrize("kernel", oracle.KERNELS)
def test_the_oracle_is_the_convolution(kernel: str) -> None:
    x, w = mp.mpf("0.8"), mp.mpf("0.6")
    for name, f, places in (
        ("step", lambda y: mp.mpf(y > 0), [0]),
        ("clip", lambda y: min(max(y, mp.mpf(0)), mp.mpf(6)), [0, 6]),
        ("sign", mp.sign, [0]),
        *([("relu", lambda y: max(y, mp.mpf(0)), [0]), ("abs", abs, [0])] if kernel != "cauchy" else []),
    ):
        assert abs(oracle.convolved(f, x, w, kernel, places) - oracle.CLOSED[name](x, w, kernel)) < 1e-9


@pytest.mark.parametrize("kernel", oracle.KERNELS)
def test_a_width_in_a_tensor_gives_what_the_number_gives(kernel: str) -> None:
    for name in (n for n, k in CASES if k == kernel):
        x = torch.linspace(-3, 3, 31, dtype=torch.float64)
        widths = torch.tensor([[0.05], [0.2], [0.5], [2.0]], dtype=torch.float64)
        together = closed(name, x, kernel, widths)
        alone = torch.stack([closed(name, x, kernel, float(w)) for w in widths])
        torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("name", "kernel"), CASES)
def test_a_narrow_kernel_gives_the_function_back(name: str, kernel: str) -> None:
    x = torch.tensor([-7.3, -0.8, 0.2, 0.6, 3.2, 8.9], dtype=torch.float64)
    plain = {
        "relu": x.clamp(min=0),
        "leaky_relu": torch.where(x > 0, x, x / 4),
        "abs": x.abs(),
        "maximum": x.clamp(min=0.75),
        "clip": x.clamp(0, 6),
        "step": (x > 0).double(),
        "sign": x.sign(),
        "floor": x.floor(),
        "round": x.round(),
        "sawtooth": x - x.floor(),
    }[name]
    assert (closed(name, x, kernel, 1e-7) - plain).abs().max() < 1e-6


def test_the_known_forms() -> None:
    """SoftPlus, the GELU's own Gaussian part, tanh, log-sum-exp; SAU's value at 0 is (1 - slope) w / sqrt(2 pi)."""
    x = torch.linspace(-4, 4, 33, dtype=torch.float64)
    torch.testing.assert_close(smoothing.relu(x, "logistic", 0.5), torch.nn.functional.softplus(x, beta=2))
    bell = torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    torch.testing.assert_close(smoothing.relu(x), torch.nn.functional.gelu(x) + bell)
    torch.testing.assert_close(smoothing.sign(x, "logistic", 0.5), torch.tanh(x))
    torch.testing.assert_close(smoothing.maximum(x, x.flip(0), "logistic"), torch.logaddexp(x, x.flip(0)))
    zero = torch.zeros((), dtype=torch.float64)
    assert float(smoothing.leaky_relu(zero, 0.25)) == pytest.approx(0.75 / math.sqrt(2 * math.pi), rel=1e-14)
    assert float(smoothing.floor(zero + 3)) == pytest.approx(2.5, rel=1e-14)


def test_large_tensors_are_computed_in_blocks_and_come_out_the_same() -> None:
    x = torch.linspace(-9, 9, 300 * 301).view(300, 301).t()
    whole = smoothing.relu(x, "gaussian", 0.7)
    torch.testing.assert_close(whole[7], smoothing.relu(x[7], "gaussian", 0.7), rtol=0, atol=0)
