"""First and second derivatives: against finite differences at kinks and jumps too, and against mpmath in the tails."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import pytest
import torch

from rosphere import smoothing
from tests.smoothing import oracle
from tests.smoothing.test_values import CASES, closed

PLACES = [-3.0, -1.2, -0.5, -0.1, 0.0, 0.3, 0.75, 1.0, 2.5, 6.0]


@pytest.mark.parametrize(("name", "kernel"), CASES)
@pytest.mark.parametrize("width", [0.1, 0.7])
def test_against_finite_differences(name: str, kernel: str, width: float) -> None:
    x = torch.tensor(PLACES, dtype=torch.float64, requires_grad=True)
    w = torch.tensor(width, dtype=torch.float64, requires_grad=True)

    def f(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return closed(name, x, kernel, w)

    assert torch.autograd.gradcheck(f, (x, w))
    assert torch.autograd.gradgradcheck(f, (x, w))
    assert torch.autograd.gradcheck(lambda x: closed(name, x, kernel, width), x)


@pytest.mark.parametrize("kernel", oracle.HINGED)
@pytest.mark.parametrize(
    ("dtype", "bound"), [(torch.float64, 1e-13), (torch.float32, 1e-6)], ids=["float64", "float32"]
)
def test_relu_in_the_tails(kernel: str, dtype: torch.dtype, bound: float) -> None:
    """relu' = K(x / w) and relu'' = k(x / w) / w, relative to themselves."""
    width = 0.3
    reach = {"gaussian": (11.0, 36.0), "logistic": (80.0, 690.0)}[kernel][dtype == torch.float64] * width
    x = torch.linspace(-reach, reach, 41, dtype=dtype, requires_grad=True)
    (first,) = torch.autograd.grad(smoothing.relu(x, kernel, width).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    with mp.workdps(60):
        for place, got, more in zip(x.tolist(), first.tolist(), second.tolist(), strict=True):
            true = oracle.step(mp.mpf(place), mp.mpf(width), kernel)
            bent = oracle.density(mp.mpf(place) / mp.mpf(width), kernel) / mp.mpf(width)
            assert abs(mp.mpf(got) / true - 1) < bound and abs(mp.mpf(more) / bent - 1) < bound, place


@pytest.mark.parametrize("kernel", oracle.HINGED)
def test_slope_and_both_arguments_are_differentiable(kernel: Any) -> None:
    x, y = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (PLACES[:5], [-3.0, 0.2, -0.4, 0.0, 0.0]))
    slope = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, s: smoothing.leaky_relu(x, s, kernel, 0.5), (x, slope))
    assert torch.autograd.gradcheck(lambda x, y: smoothing.maximum(x, y, kernel, 0.5), (x, y))
    assert torch.autograd.gradgradcheck(lambda x, y: smoothing.maximum(x, y, kernel, 0.5), (x, y))


def test_the_gradient_of_a_width_has_its_shape() -> None:
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    width = torch.full((3,), 0.5, requires_grad=True)
    smoothing.relu(x, "gaussian", width).sum().backward()
    expected = torch.exp(-0.5 * (x / 0.5) ** 2).sum(0) / (2 * torch.pi) ** 0.5  # the density, d relu / d w
    assert width.grad is not None
    torch.testing.assert_close(width.grad, expected)


def test_vmap_and_jacobians_of_functions() -> None:
    x = torch.tensor([-1.0, 0.2, 3.0], dtype=torch.float64)
    slopes = torch.func.vmap(torch.func.grad(lambda v: smoothing.relu(v, "logistic", 0.5)))(x)
    torch.testing.assert_close(slopes, torch.sigmoid(2 * x))


@pytest.mark.parametrize(("name", "kernel"), [("relu", "gaussian"), ("abs", "logistic"), ("floor", "gaussian")])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch uses what it deprecates
@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_under_torch_compile(name: str, kernel: str, backend: str) -> None:
    torch.compiler.reset()
    x = torch.linspace(-6, 6, 501, requires_grad=True)
    width = torch.tensor(0.4, requires_grad=True)
    compiled = torch.compile(lambda x, w: closed(name, x, kernel, w), fullgraph=True, backend=backend)
    plain = closed(name, x, kernel, width)
    expected = torch.autograd.grad(plain.sum(), (x, width))
    found = compiled(x, width)
    torch.testing.assert_close(found, plain, rtol=1e-6, atol=1e-37)
    for got, true in zip(torch.autograd.grad(found.sum(), (x, width)), expected, strict=True):
        torch.testing.assert_close(got, true, rtol=2e-6, atol=1e-7)
