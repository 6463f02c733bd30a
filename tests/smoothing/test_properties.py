"""What theory says of f * k_w: order, convexity, symmetry, bounds; infinities, NaN, dtypes; refusals."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from rosphere import smoothing
from tests.smoothing import oracle
from tests.smoothing.test_values import CASES, closed

HINGES = st.sampled_from([(n, k) for n in ("relu", "leaky_relu", "abs", "maximum") for k in oracle.HINGED])
MONOTONE = st.sampled_from([(n, k) for n, k in CASES if n not in ("abs", "sawtooth")])
widths = st.floats(1e-4, 10)
numbers = st.floats(-60, 60)
DTYPES = st.sampled_from([(torch.float64, 1e-14), (torch.float32, 1e-6)])


def at(case: tuple[str, Any], width: float, *xs: float, dtype: torch.dtype = torch.float64) -> list[float]:
    return closed(case[0], torch.tensor(xs, dtype=dtype), case[1], width).tolist()


@given(case=HINGES, width=widths, x=numbers, other=numbers, share=st.floats(0, 1))
def test_convex(case: Any, width: float, x: float, other: float, share: float) -> None:
    between = share * x + (1 - share) * other
    low, a, b = at(case, width, between, x, other)
    assert low <= share * a + (1 - share) * b + 1e-14 * (abs(x) + abs(other) + abs(a) + abs(b) + width)


@given(case=HINGES, width=widths, x=numbers, precision=DTYPES)
def test_a_smooth_convex_function_is_nowhere_below_the_sharp_one(
    case: Any, width: float, x: float, precision: Any
) -> None:
    dtype, _ = precision
    given_ = torch.tensor([x], dtype=dtype)
    sharp = {
        "relu": given_.clamp(min=0),
        "leaky_relu": torch.where(given_ > 0, given_, given_ / 4),
        "abs": given_.abs(),
        "maximum": given_.clamp(min=0.75),
    }[case[0]]
    smooth = closed(case[0], given_, case[1], width)
    assert smooth >= sharp
    most = 2 * width * math.log(2) if case[0] == "abs" else width * math.log(2)
    assert smooth <= (sharp + most) + 1e-6 * (sharp + most).abs()


@given(case=MONOTONE, width=widths, x=numbers, gap=st.floats(0, 20), precision=DTYPES)
def test_monotone(case: Any, width: float, x: float, gap: float, precision: Any) -> None:
    dtype, rounding = precision
    low, high = at(case, width, x, x + gap, dtype=dtype)
    assert low <= high + rounding * (abs(low) + abs(high) + 1e-3 * min(1, abs(x)))


@example(name="round", kernel="gaussian", width=0.171875, x=0.171875)
@given(name=st.sampled_from(["sign", "round"]), kernel=st.sampled_from(oracle.KERNELS), width=widths, x=numbers)
def test_odd(name: str, kernel: str, width: float, x: float) -> None:
    there, back = at((name, kernel), width, x, -x)
    assert there == -back


@given(kernel=st.sampled_from(oracle.KERNELS), width=widths, x=st.floats(-0.5, 0.5), n=st.integers(-40, 40))
def test_the_floor_goes_up_by_one_a_period_and_the_sawtooth_stays(kernel: Any, width: float, x: float, n: int) -> None:
    near, far = at(("floor", kernel), width, x, x + n)
    assert far - near == pytest.approx(n, abs=1e-12 / width)
    (tooth,) = at(("sawtooth", kernel), width, x)
    assert 0 < tooth < 1 or abs(x) < 1e-300


@given(kernel=st.sampled_from(oracle.KERNELS), width=widths, x=numbers, low=st.floats(-9, 0), size=st.floats(0.1, 9))
def test_clip_stays_inside(kernel: Any, width: float, x: float, low: float, size: float) -> None:
    value = float(smoothing.clip(torch.tensor(x, dtype=torch.float64), low, low + size, kernel, width))
    assert low - 1e-12 <= value <= low + size + 1e-12


@given(x=numbers, y=numbers, kernel=st.sampled_from(oracle.HINGED), width=widths)
def test_the_maximum_is_symmetric(x: float, y: float, kernel: Any, width: float) -> None:
    a, b = (torch.tensor(v, dtype=torch.float64) for v in (x, y))
    assert smoothing.maximum(a, b, kernel, width) == smoothing.maximum(b, a, kernel, width)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize(("name", "kernel"), CASES)
def test_infinities_nan_and_dtypes(name: str, kernel: str, dtype: torch.dtype) -> None:
    inf = math.inf
    x = torch.tensor([inf, -inf, math.nan, 1e30, -1e30, 0.0], dtype=dtype, requires_grad=True)
    value = closed(name, x, kernel, 0.3)
    assert value.dtype == dtype and value[2].isnan()
    ends = {
        "abs": (inf, inf),
        "maximum": (inf, 0.75),
        "clip": (6, 0),
        "step": (1, 0),
        "sign": (1, -1),
        "relu": (inf, 0),
    }
    if name != "sawtooth":  # which has no limit
        assert tuple(value[:2].tolist()) == ends.get(name, (inf, -inf))
        (slope,) = torch.autograd.grad(value[[0, 1, 3, 4, 5]].sum(), x, create_graph=True)
        assert slope[[0, 1, 3, 4, 5]].isfinite().all()
        if name in ("relu", "abs", "step", "sign"):
            (bend,) = torch.autograd.grad(slope.sum(), x)
            assert bend[[0, 1, 3, 4, 5]].isfinite().all()
    large = value[3:5].double()
    if dtype in (torch.float32, torch.float64) and name in ("relu", "abs", "floor", "round"):
        expected = {"relu": [1e30, 0.0], "abs": [1e30, 1e30]}.get(name, [1e30, -1e30])
        assert large.tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_float32_rounded(dtype: torch.dtype) -> None:
    x = torch.linspace(-5, 5, 101).to(dtype)
    for name, kernel in CASES:
        rounded = closed(name, x.float(), kernel, 0.3).to(dtype)
        near = 1e-3 if name in ("leaky_relu", "maximum") else 0.0  # they round twice
        torch.testing.assert_close(closed(name, x, kernel, 0.3), rounded, rtol=8 * near, atol=near)


X = torch.zeros(3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: smoothing.relu(X, "cauchy"), "kernel: expected one of gaussian, logistic, got 'cauchy': its integral"),
        (lambda: smoothing.relu(X, "box"), "kernel: expected one of gaussian, logistic, cauchy, got 'box'"),
        (lambda: smoothing.floor(X, "box"), "kernel: expected one of .*, got 'box'"),
        (lambda: smoothing.relu(X, width=0.0), "width: expected a number from 1e-30 to 1e30, got 0.0"),
        (lambda: smoothing.round(X, width=-1.0), "width: expected a number .*, got -1.0"),
        (lambda: smoothing.step(X, width=math.nan), "width: expected a number .*, got nan"),
        (lambda: smoothing.sign(X.long()), "x: expected a floating dtype, got torch.int64"),
        (lambda: smoothing.clip(X, 1.0, 1.0), "low, high: expected finite numbers low < high, got 1.0 and 1.0"),
        (lambda: smoothing.smooth(torch.abs, "gaussian", 1.0, breakpoints=[math.inf]), "breakpoints: expected finite"),
    ],
)
def test_refuses(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
