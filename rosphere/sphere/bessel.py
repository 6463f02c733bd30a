"""Modified Bessel functions I_v for the sphere: log I_v, I_{v+1}/I_v and the forms in which nothing cancels.

Everything hangs on one function and its derivatives,

    G(x) = log[Gamma(v+1) (2/x)^v I_v(x)] = log 0F1(; v+1; x²/4),    G' = r = I_{v+1}/I_v.

On the sphere S^{d-1}, where v = d/2 - 1, G is the cumulant function of <mu, z> for uniform z. It is computed
at an order >= 20 by Debye's expansion (debye.py) and brought down to v by the continued fraction of r, a
recurrence of positive terms. For v >= 0 and x from 0 to 1e6 the relative errors are about 1e-15 and at most
2e-13 (that of r'); second derivatives of r have 1e-9, and at v < 4 and x > 1e4 no worse than 2e-7.

All functions take `order` (a number or a tensor, >= 0, not differentiable) and `x` (a floating tensor, >= 0),
broadcast them, compute in float64 and return x's dtype. They can be differentiated in x any number of times.
ValueError for a negative order, for an order that requires grad and for an x that is not floating.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rosphere.sphere import debye
from rosphere.sphere.compiling import untraced

Order = float | Tensor

_UNTRACED = "Bessel functions are not traced"


@untraced(_UNTRACED)
def log_iv(order: Order, x: Tensor) -> Tensor:
    """log I_v(x); -inf at x = 0 unless v = 0."""
    v, z, steps = _prepared(order, x)
    gamma = torch.lgamma(v + 1) if isinstance(v, Tensor) else math.lgamma(v + 1)
    value = _quantity("excess", v, z, steps) + torch.xlogy(v, 0.5 * z) - gamma
    return value.to(x.dtype)


def log_iv_excess(order: Order, x: Tensor) -> Tensor:
    """G(x) = log[Gamma(v+1) (2/x)^v I_v(x)] >= 0; about x² / (4(v+1)) when x is small."""
    return _public("excess", order, x)


def log_iv_deficit(order: Order, x: Tensor) -> Tensor:
    """x - G(x) >= 0, to be used instead of G where x is large."""
    return _public("deficit", order, x)


def iv_ratio(order: Order, x: Tensor) -> Tensor:
    """r(x) = I_{v+1}(x) / I_v(x), which grows from 0 at x = 0 to 1."""
    return _public("ratio", order, x)


def iv_ratio_over_x(order: Order, x: Tensor) -> Tensor:
    """r(x) / x, which is 1 / (2(v+1)) at x = 0."""
    return _public("ratio_over_x", order, x)


def iv_ratio_deficit(order: Order, x: Tensor) -> Tensor:
    """1 - r(x), about (v + 1/2) / x when x is large."""
    return _public("ratio_deficit", order, x)


def iv_ratio_slope(order: Order, x: Tensor) -> Tensor:
    """r'(x) = 1 - r² - (2v+1) r/x > 0, computed without that subtraction."""
    return _public("slope", order, x)


def divergence(order: Order, x: Tensor) -> Tensor:
    """x r(x) - G(x), the KL of a von Mises-Fisher law of concentration x from the uniform one (v = d/2 - 1).

    Its derivative is x r'(x). Both are right in relative terms, also where they are 1e-10 and smaller.
    """
    return _public("divergence", order, x)


@untraced(_UNTRACED)
def _public(name: str, order: Order, x: Tensor) -> Tensor:
    return _quantity(name, *_prepared(order, x)).to(x.dtype)


def _prepared(order: Order, x: Tensor) -> tuple[Order, Tensor, int]:
    """Order and x in float64 and, if order is a tensor, of one shape; and the steps of recurrence needed.

    An order given as a number stays a number: nothing waits for the device.
    """
    if not x.is_floating_point():
        raise ValueError(f"x: expected a floating dtype, got {x.dtype}")
    z = x.double()
    if isinstance(order, Tensor):
        if order.requires_grad:
            raise ValueError("order: expected a constant, got a tensor that requires grad")
        least = float(order.min()) if order.numel() else debye.LEAST_ORDER
        order, z = torch.broadcast_tensors(order.to(z), z)  # type: ignore[no-untyped-call]
    else:
        order = least = float(order)
    if not 0 <= least < math.inf:
        raise ValueError(f"order: expected finite numbers >= 0, got {least}")
    return order, z, max(0, math.ceil(debye.LEAST_ORDER - least))


def _quantity(name: str, order: Order, x: Tensor, steps: int) -> Tensor:
    value: Tensor = _Quantity.apply(name, order, x, steps)  # type: ignore[no-untyped-call]
    return value


class _Quantity(torch.autograd.Function):
    """One field of debye.Values; its derivative in x is again made of such fields, and so on."""

    @staticmethod
    def forward(ctx: Any, name: str, order: Order, x: Tensor, steps: int) -> Tensor:
        values = _values(order, x, steps)
        known = None
        if name not in _OF_TWO_ORDERS:
            known = _derivative(name, x, lambda field: getattr(values, field))
        ctx.save_for_backward(x, known)
        ctx.name, ctx.order, ctx.steps = name, order, steps
        value: Tensor = getattr(values, name)
        return value

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, None, Tensor, None]:
        x, known = ctx.saved_tensors
        if known is None or torch.is_grad_enabled():  # enabled: somebody will differentiate once more

            def of(field: str, above: int = 0) -> Tensor:
                return _quantity(field, ctx.order + above, x, max(0, ctx.steps - above))

            known = _derivative(ctx.name, x, of)
        return None, None, grad * known, None


_OF_TWO_ORDERS = ("ratio_over_x", "slope")


def _derivative(name: str, x: Tensor, of: Callable[..., Tensor]) -> Tensor:
    """The derivative of the named field; of(field) and of(field, 1) are fields at this order and the next."""
    match name:
        case "excess":
            return of("ratio")
        case "deficit":
            return of("ratio_deficit")
        case "divergence":
            return x * of("slope")
        case "ratio":
            return of("slope")
        case "ratio_deficit":
            return -of("slope")
    drop = of("ratio_over_x") - of("ratio_over_x", 1)  # below by r_v' = r_v/x - r_v (r_v - r_{v+1})
    if name == "ratio_over_x":
        return -of("ratio") * drop
    return of("ratio") * (drop * (x * x * drop - 2) - of("slope") + of("slope", 1))


def _values(order: Order, x: Tensor, steps: int) -> debye.Values:
    """Debye's values at order + steps, brought down one order at a time by r_v = x / (2(v+1) + x r_{v+1}).

    G_v - G_{v+1} = log(1 + x r_{v+1} / (2(v+1))), and r_v' = (r_v/x)² (2(v+1) - x² r_{v+1}').
    """
    top = debye.expand(order + steps, x)
    if not steps:
        return top
    moment, slope = x * top.ratio, top.slope  # x r and r'
    square, growth = x * x, torch.zeros_like(x)  # growth: the product of all 1 + factor, less 1
    for step in range(steps, 0, -1):
        twice = 2 * (order + step)
        factor = moment / twice
        growth = torch.addcmul(growth + factor, growth, factor)
        over = (moment + twice).reciprocal()
        slope = (twice - square * slope) * over * over
        moment = square * over
    logs = torch.log1p(growth)
    values = debye.Values.of(
        order,
        x,
        excess=top.excess + logs,
        deficit=top.deficit - logs,
        divergence=top.divergence - logs,
        ratio_over_x=over,
        slope=slope,
    )
    fall = x * (top.ratio_deficit - values.ratio_deficit)  # of x r by all steps, where it is near x
    rise = torch.where(values.ratio < 0.5, moment - x * top.ratio, fall)
    return values._replace(divergence=values.divergence + rise)
