"""Modified Bessel functions of large order: Debye's uniform expansion, written so that nothing cancels.

With w = sqrt(v² + x²) and t = v/w (DLMF 10.41.3)

    log I_v(x) = w - v asinh(v/x) - log(2 pi w)/2 + sum_{k>=1} D_k(t) / v^k,

where the polynomials D_k are the cumulants of Debye's U_k. They obey

    D'_{k+1} = (h D'_k)' + h sum_{i+j=k} D'_i D'_j,    h = t²(1 - t²)/2,    D'_1 = (1 - 5t²)/8.

sum_k D_k(1)/v^k is Stirling's series of log Gamma(v+1) with the other sign, so that log_iv_excess, which
contains the Gamma function, holds only the differences D_k(t) - D_k(1) = -(1 - t) Q_k(t).
"""

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import zip_longest
from typing import NamedTuple

import torch
from torch import Tensor

LEAST_ORDER = 20.0
"""From this order on, TERMS terms leave out less than 4e-17 whatever x is."""
TERMS = 14

_Polynomial = list[Fraction]


class Values(NamedTuple):
    """What the sphere asks of G(x) = log[Gamma(v+1) (2/x)^v I_v(x)] and of its derivative r = I_{v+1}/I_v."""

    excess: Tensor  # G
    deficit: Tensor  # x - G
    divergence: Tensor  # x r - G
    ratio: Tensor  # r
    ratio_over_x: Tensor  # r / x
    ratio_deficit: Tensor  # 1 - r
    slope: Tensor  # r'

    @classmethod
    def of(
        cls,
        order: float | Tensor,
        x: Tensor,
        *,
        excess: Tensor,
        deficit: Tensor,
        divergence: Tensor,
        ratio_over_x: Tensor,
        slope: Tensor,
    ) -> "Values":
        """Filled in by 1 - r² = r' + (2v+1) r/x, where all is positive."""
        ratio = x * ratio_over_x
        ratio_deficit = (slope + (2 * order + 1) * ratio_over_x) / (1 + ratio)
        return cls(excess, deficit, divergence, ratio, ratio_over_x, ratio_deficit, slope)


def expand(order: float | Tensor, x: Tensor) -> Values:
    """The values at order >= LEAST_ORDER and float64 x >= 0, right to a few units in the last place."""
    v = order if isinstance(order, Tensor) else torch.full((), order, dtype=x.dtype, device=x.device)
    w = torch.hypot(v, x)
    both = v + w
    gap = x * (x / both)  # w - v
    sine = (x / w).square()  # 1 - t²
    series, first, second = _series(v, v / w)
    series = gap / w * series  # sum_k [D_k(1) - D_k(t)] / v^k
    weight = 0.5 + first
    logs = v * torch.log1p(0.5 * gap / v) + 0.5 * torch.log1p(gap / v) + series
    return Values.of(
        order,
        x,
        excess=gap - logs,
        deficit=v * (gap + x) / (w + x) + logs,
        divergence=logs - sine * weight,
        ratio_over_x=1 / both - weight / w.square(),
        slope=v / (w * both) + (sine * (2 * weight + second) - weight) / w.square(),
    )


def _series(order: Tensor, t: Tensor) -> Tensor:
    """[3, ...]: sum_k v^-k times Q_k(t), t D'_k(t) and (t d/dt)² D_k(t)."""
    table = _coefficients(t.device)
    weights = _powers(order.reciprocal(), TERMS + 1)[1:]
    coefficients = torch.einsum("kcm,k...->cm...", table, weights)
    return torch.einsum("cm...,m...->c...", coefficients, _powers(t, table.shape[-1]))


def _powers(t: Tensor, count: int) -> Tensor:
    """[count, ...]: 1, t, t², ..., each row from the rows before it, twice as many at each step."""
    powers = t.new_empty(count, *t.shape)
    powers[0], powers[1] = 1.0, t
    done = 2
    while done < count:
        more = min(done - 1, count - done)
        torch.mul(powers[1 : more + 1], powers[done - 1], out=powers[done : done + more])
        done += more
    return powers


@cache
def _coefficients(device: torch.device) -> Tensor:
    """[TERMS, 3, 3 * TERMS + 1], computed in exact fractions."""
    columns: tuple[Callable[[_Polynomial], _Polynomial], ...] = (
        _divided,
        lambda p: [n * c for n, c in enumerate(p)],
        lambda p: [n * n * c for n, c in enumerate(p)],
    )
    table = torch.zeros(TERMS, len(columns), 3 * TERMS + 1, dtype=torch.float64)
    for k, polynomial in enumerate(_cumulants()):
        for column, of in enumerate(columns):
            row = [float(c) for c in of(polynomial)]
            table[k, column, : len(row)] = torch.tensor(row, dtype=torch.float64)
    return table.to(device)


def _cumulants() -> list[_Polynomial]:
    """D_1 ... D_TERMS, by the recurrence of the module's docstring; p[n] is the coefficient of t^n."""
    h = [Fraction(n, 2) for n in (0, 0, 1, 0, -1)]
    derivatives = [[Fraction(1, 8), Fraction(0), Fraction(-5, 8)]]
    for k in range(1, TERMS):
        product = _times(h, derivatives[-1])
        total = [n * c for n, c in enumerate(product)][1:]
        for i in range(k - 1):
            total = _plus(total, _times(h, _times(derivatives[i], derivatives[k - 2 - i])))
        derivatives.append(total)
    return [[Fraction(0), *(c / (n + 1) for n, c in enumerate(d))] for d in derivatives]


def _divided(polynomial: _Polynomial) -> _Polynomial:
    """(p(1) - p(t)) / (1 - t): the coefficient of t^n is the sum of p's coefficients above n."""
    return [sum(polynomial[n + 1 :], Fraction(0)) for n in range(len(polynomial) - 1)]


def _times(p: _Polynomial, q: _Polynomial) -> _Polynomial:
    product = [Fraction(0)] * (len(p) + len(q) - 1)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            product[i + j] += a * b
    return product


def _plus(p: _Polynomial, q: _Polynomial) -> _Polynomial:
    return [a + b for a, b in zip_longest(p, q, fillvalue=Fraction(0))]
