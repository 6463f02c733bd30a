"""smooth: the closed forms once more by integration, and a function that has none."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import pytest
import torch

from rosphere import smoothing
from tests.smoothing import oracle
from tests.smoothing.test_values import closed

X = torch.tensor([-7.2, -1.0, -0.3, 0.0, 0.4, 1.0, 5.9, 12.0], dtype=torch.float64)
SHARP: dict[str, Any] = {
    "relu": (lambda y: y.clamp(min=0), [0.0]),
    "abs": (torch.abs, [0.0]),
    "clip": (lambda y: y.clamp(0, 6), [6.0, 0.0]),
    "sign": (torch.sign, [0.0]),
    "floor": (torch.floor, range(-60, 61)),
}


@pytest.mark.parametrize("kernel", oracle.KERNELS)
@pytest.mark.parametrize("name", SHARP)
@pytest.mark.parametrize("width", [1e-3, 0.4, 1.1])
def test_the_closed_forms(name: str, kernel: Any, width: float) -> None:
    if kernel == "cauchy" and name in ("relu", "abs", "floor"):
        pytest.skip("unbounded")
    f, breakpoints = SHARP[name]
    found = smoothing.smooth(f, kernel, width, breakpoints=breakpoints)(X)
    torch.testing.assert_close(found, closed(name, X, kernel, width), rtol=1e-13, atol=3e-14)


@pytest.mark.parametrize("kernel", oracle.KERNELS)
def test_a_function_without_a_closed_form(kernel: Any) -> None:
    """The triangle's square root has a kink at 0 and ends at -1 and 1."""
    found = smoothing.smooth(lambda y: (1 - y * y).clamp(min=0) * y.sign(), kernel, 0.5, breakpoints=[-1, 0, 1])(X)
    for x, got in zip(X.tolist(), found.tolist(), strict=True):
        true = oracle.convolved(
            lambda y: max(1 - y * y, mp.mpf(0)) * mp.sign(y), mp.mpf(x), mp.mpf("0.5"), kernel, [-1, 0, 1]
        )
        assert got == pytest.approx(float(true), abs=1e-13)


@pytest.mark.parametrize("kernel", oracle.KERNELS)
def test_derivatives_fall_on_the_kernel(kernel: Any) -> None:
    """The floor has none of its own; x, the width and what is inside f have theirs."""
    x = X.clone().requires_grad_()
    width = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    top = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)

    def f(x: torch.Tensor, width: torch.Tensor, top: torch.Tensor) -> torch.Tensor:
        return smoothing.smooth(lambda y: top * y.floor().clamp(-2, 3), kernel, width, breakpoints=range(-3, 5))(x)

    assert torch.autograd.gradcheck(f, (x, width, top))
    assert torch.autograd.gradgradcheck(f, (x, width, top))


def test_dtype_and_shape() -> None:
    found = smoothing.smooth(torch.abs, "gaussian", 0.5, breakpoints=[0.0])(torch.zeros(2, 3))
    assert found.dtype == torch.float32 and found.shape == (2, 3)
