"""The Gaussian kernel exp(-z²/2) / sqrt(2 pi), z = x / width.

Its tail is Phi(-t) = phi(t) M(t) and what it adds to a hinge, phi(t) - t Phi(-t) = phi(t) (1 - t M(t)), t = |z|, with
Mills' ratio M. Both factors are smooth and positive and fall like 1/t and 1/t²: polynomials P in h = 1 / (t + 4) give
M = h P and 1 - t M = h² P to 3e-8 (float32, t <= 15) and 1e-15 (float64, t <= 39), beyond which phi is 0. They
interpolate at Chebyshev's points; tests/smoothing/test_tables.py makes them anew with mpmath.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from rosphere.smoothing.width import Width, exp_of_sum, reduced

_STEP = 0.125
_LIMIT = {torch.float32: 15.0, torch.float64: 39.0}
_PEAK = 1 / math.sqrt(2 * math.pi)

# The highest power first, in the variable that runs over [-1, 1]; the density's peak is in them.
EXCESS_SINGLE = (
    -6.90591999e-05,
    7.04775695e-05,
    0.000927904506,
    -0.000654670033,
    -0.0115640428,
    -0.00912933458,
    0.131374727,
    0.62840992,
    1.51842454,
    2.25697671,
    1.86830931,
)
TAIL_SINGLE = (
    1.49583829e-05,
    6.44204834e-05,
    -0.000200365154,
    -0.00133094493,
    0.000536484517,
    0.0254473631,
    0.118077039,
    0.325090683,
    0.63001674,
    0.902283633,
)
EXCESS_DOUBLE = (
    1.678585217045055e-09,
    -6.483770167726905e-10,
    -1.764619544627075e-08,
    1.8425403503933144e-08,
    9.19806641343549e-08,
    -2.0274268920968471e-07,
    -2.652676126627118e-07,
    1.4643003503265129e-06,
    -2.0630455856425283e-07,
    -8.591638065956982e-06,
    9.639213909347523e-06,
    4.739938636105003e-05,
    -9.397946239740311e-05,
    -0.0002885555714795781,
    0.0007205349832949228,
    0.0022844329647800834,
    -0.004480130339926358,
    -0.02373102031786073,
    0.0014656039553785395,
    0.23416827117826666,
    0.8323103201812749,
    1.6570577417884222,
    2.1195967496223123,
    1.564017186703083,
)
TAIL_DOUBLE = (
    -2.8279671906398715e-10,
    1.0620390171665023e-09,
    1.6650858354693667e-09,
    -1.2302954129180907e-08,
    3.074296709334896e-09,
    8.19218180766522e-08,
    -1.1500243679304522e-07,
    -4.3375241629634623e-07,
    1.2137565791986314e-06,
    2.1831385408939513e-06,
    -1.046382479664185e-05,
    -1.3621990600703994e-05,
    8.847014576189665e-05,
    0.00014720799820607054,
    -0.0007374208857899511,
    -0.002501459048646419,
    0.003258846189420432,
    0.042906326776423594,
    0.15636995546797264,
    0.3639067368270515,
    0.6212441022247249,
    0.8153383968425169,
)
_EXCESS = {torch.float32: EXCESS_SINGLE, torch.float64: EXCESS_DOUBLE}
_TAIL = {torch.float32: TAIL_SINGLE, torch.float64: TAIL_DOUBLE}


def excess(x: Tensor, width: Width) -> Tensor:
    """width (phi(t) - t Phi(-t)): what smoothing adds to max(x, 0)."""
    bell, h, place = _parts(x, width)
    return _polynomial(_EXCESS[x.dtype], place).mul_(bell.mul_(h).mul_(h)).mul_(width)


def tail(x: Tensor, width: Width) -> Tensor:
    """Phi(-t)."""
    bell, h, place = _parts(x, width)
    return _polynomial(_TAIL[x.dtype], place).mul_(bell.mul_(h))


def density(x: Tensor, width: Width) -> Tensor:
    return _bell(*reduced(x, width, step=_STEP, limit=_LIMIT[x.dtype])).mul_(_PEAK / width)


def sign(x: Tensor, width: Width) -> Tensor:
    return torch.erf(x / (math.sqrt(2) * width))


def score(z: Tensor) -> Tensor:
    """The derivative of the logarithm of the density."""
    return -z


def _parts(x: Tensor, width: Width) -> tuple[Tensor, Tensor, Tensor]:
    """exp(-t²/2), 1 / (t + 4), and the same mapped to [-1, 1]."""
    limit = _LIMIT[x.dtype]
    grid, rest = reduced(x, width, step=_STEP, limit=limit)
    h = (grid + rest).add_(4).reciprocal_()
    least = 1 / (limit + 4)
    return _bell(grid, rest), h, (h - 0.5 * (0.25 + least)).mul_(2 / (0.25 - least))


def _bell(grid: Tensor, rest: Tensor) -> Tensor:
    """exp(-(grid + rest)²/2); the square of grid is exact."""
    return exp_of_sum(-0.5 * (grid * grid), (0.5 * rest).add_(grid).mul_(rest).neg_())


def _polynomial(coefficients: Sequence[float], x: Tensor) -> Tensor:
    value = (x * coefficients[0]).add_(coefficients[1])
    for coefficient in coefficients[2:]:
        value = value.mul_(x).add_(coefficient)
    return value
