"""Bessel functions against mpmath, in relative terms, and their derivatives."""

import mpmath
import pytest
import scipy.special
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rosphere.sphere import bessel

DIMS = (2, 3, 5, 8, 41, 42, 64, 128, 1024, 4096)
XS = (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6)
FUNCTIONS = (
    bessel.log_iv,
    bessel.log_iv_excess,
    bessel.log_iv_deficit,
    bessel.iv_ratio,
    bessel.iv_ratio_over_x,
    bessel.iv_ratio_deficit,
    bessel.iv_ratio_slope,
    bessel.divergence,
)


def exact(order: float, x: float) -> dict[str, mpmath.mpf]:
    """All functions with 50 digits, from three neighbouring I_v."""
    with mpmath.workdps(50):
        v, z = mpmath.mpf(order), mpmath.mpf(x)
        i, i1, i2 = (mpmath.besseli(v + k, z, maxterms=10**6) for k in range(3))
        excess = mpmath.log(i) + mpmath.loggamma(v + 1) + v * mpmath.log(2 / z)
        ratio = i1 / i
        return {
            "log_iv": mpmath.log(i),
            "log_iv_excess": excess,
            "log_iv_deficit": z - excess,
            "iv_ratio": ratio,
            "iv_ratio_over_x": ratio / z,
            "iv_ratio_deficit": 1 - ratio,
            "iv_ratio_slope": ratio * (1 / z - ratio + i2 / i1),
            "divergence": z * ratio - excess,
        }


@pytest.fixture(scope="module")
def grid() -> dict[tuple[int, float], dict[str, mpmath.mpf]]:
    return {(d, x): exact(0.5 * d - 1, x) for d in DIMS for x in XS}


def worst_error(function, grid, dtype: torch.dtype) -> float:
    """Largest relative error over the grid; the exact value is that of the x which dtype can hold."""
    worst = 0.0
    for (d, x), values in grid.items():
        got = function(0.5 * d - 1, torch.tensor(x, dtype=dtype))
        assert got.dtype == dtype
        worst = max(worst, float(abs(mpmath.mpf(float(got)) / values[function.__name__] - 1)))
    return worst


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_every_function_is_right_in_relative_terms(function, grid):
    assert worst_error(function, grid, torch.float64) < 5e-13


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_float32_is_as_good_as_float32_can_be(function, grid):
    assert worst_error(function, grid, torch.float32) < (2e-6 if function is bessel.log_iv else 3e-7)


def test_the_derivative_of_the_divergence_is_right_in_relative_terms(grid):
    for (d, x), values in grid.items():
        z = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        bessel.divergence(0.5 * d - 1, z).backward()
        assert float(z.grad) == pytest.approx(float(x * values["iv_ratio_slope"]), rel=1e-12)


def test_against_scipy_where_it_does_not_overflow():
    order = torch.tensor([[0.0], [0.5], [3.0], [31.0]], dtype=torch.float64)
    x = torch.logspace(-1, 5, 40, dtype=torch.float64)
    scaled = scipy.special.ive(order.numpy(), x.numpy())
    seen = scaled > 1e-250
    ours = torch.exp(bessel.log_iv(order, x) - x).numpy()
    assert ours.shape == (4, 40)
    assert ours[seen] == pytest.approx(scaled[seen], rel=3e-11)  # e^(difference of logs near 1e5)


def test_half_integer_orders_are_elementary():
    x = torch.linspace(0.1, 20, 50, dtype=torch.float64)
    expected = torch.log(torch.sqrt(2 / (torch.pi * x)) * torch.sinh(x))
    assert torch.allclose(bessel.log_iv(0.5, x), expected, rtol=1e-13, atol=1e-15)
    assert torch.allclose(bessel.iv_ratio(0.5, x), 1 / torch.tanh(x) - 1 / x, rtol=1e-12)


def test_at_zero():
    zero = torch.zeros(2, dtype=torch.float64)
    order = torch.tensor([0.0, 30.5])
    assert bessel.log_iv(order, zero).tolist() == [0.0, -torch.inf]
    assert bessel.iv_ratio(order, zero).tolist() == [0.0, 0.0]
    assert bessel.divergence(order, zero).tolist() == [0.0, 0.0]
    assert bessel.iv_ratio_slope(order, zero).tolist() == pytest.approx([1 / 2, 1 / 63], rel=1e-15)
    assert bessel.iv_ratio_over_x(order, zero).tolist() == pytest.approx([1 / 2, 1 / 63], rel=1e-15)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("order", [0.5, 3.0, torch.tensor([[0.0], [31.0], [40.0]])], ids=str)
def test_differentiates_twice(function, order):
    x = torch.tensor([0.03, 0.5, 3.0, 40.0, 200.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: function(order, z), x)
    assert torch.autograd.gradgradcheck(lambda z: function(order, z), x)


@pytest.mark.parametrize("function", FUNCTIONS[1:], ids=lambda f: f.__name__)
def test_all_derivatives_are_finite_from_zero_on(function):
    x = torch.tensor([0.0, 1e-30, 1e-8, 1e6], dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(function(0.0, x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert first.isfinite().all() and second.isfinite().all()


@settings(max_examples=60, deadline=None)
@given(order=st.floats(0, 3000), x=st.floats(1e-6, 1e6))
def test_the_functions_agree_with_one_another(order, x):
    z = torch.tensor(x, dtype=torch.float64)
    ratio, above = bessel.iv_ratio(order, z), bessel.iv_ratio(order + 1, z)
    assert 0 < above < ratio < 1 and 0 < bessel.iv_ratio_slope(order, z) <= 0.5
    assert float(1 / ratio) == pytest.approx(float(2 * (order + 1) / z + above), rel=1e-13)
    assert float(bessel.log_iv_excess(order, z) + bessel.log_iv_deficit(order, z)) == pytest.approx(x, rel=1e-13)
    assert float(ratio + bessel.iv_ratio_deficit(order, z)) == pytest.approx(1, rel=1e-14)
    as_tensor = bessel.divergence(torch.tensor([order], dtype=torch.float64), z)
    assert float(as_tensor) == pytest.approx(float(bessel.divergence(order, z)), rel=1e-13)


def test_broadcasts_and_keeps_the_dtype():
    x = torch.rand(2, 1, 3).bfloat16()
    got = bessel.iv_ratio(torch.tensor([[1.0], [2.0], [3.0], [4.0]]), x)
    assert got.shape == (2, 4, 3) and got.dtype == torch.bfloat16
    assert bessel.iv_ratio(torch.zeros(0), torch.zeros(0)).shape == (0,)


@pytest.mark.parametrize(
    ("order", "x", "message"),
    [
        (-0.5, torch.ones(1), "order: expected finite numbers >= 0, got -0.5"),
        (torch.tensor([1.0, -2.0]), torch.ones(1), "order: expected finite numbers >= 0, got -2.0"),
        (float("nan"), torch.ones(1), "got nan"),
        (1.0, torch.ones(1, dtype=torch.int64), "x: expected a floating dtype, got torch.int64"),
        (torch.ones(1, requires_grad=True), torch.ones(1), "order: expected a constant"),
    ],
)
def test_refuses(order, x, message):
    with pytest.raises(ValueError, match=message):
        bessel.iv_ratio(order, x)
