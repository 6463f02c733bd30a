"""The law of w = <mu, x> under a von Mises-Fisher law on S^{d-1}: exact draws, and their derivative in kappa.

Its density on [-1, 1] is proportional to e^{kappa w} (1 - w²)^{(d-3)/2}.

Draws: rejection (Ulrich 1984, Wood 1994), in a form with one parameter. Let w' be the marginal of a uniform
point, w' = cos(2 pi U1) sqrt(1 - U2^{2/(d-2)}), and let

    tilt = 2 kappa / (d - 1 + sqrt((d-1)² + 4 kappa²)),    q = tilt w',    w = (tilt + w') / (1 + q).

Taking w with probability exp{(d-1) [q/(1+q) - log(1+q)]} gives the law above exactly, because
kappa (1 - tilt²) = (d-1) tilt. Two in three are taken at worst (kappa >> d), nearly all if kappa << d.

Derivative: kappa is w's natural parameter, so the implicit derivative of a draw is the Stein kernel

    dw/dkappa = 1/p(w) * integral_w^1 (t - A) p(t) dt,    A = E w,

whose mean is Var w = A'(kappa). In the angle the integrand is entire for every d >= 2, and Gauss's quadrature
over the part that counts gives it to 1e-9 or better, relatively.
"""

import math
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rosphere.sphere.bessel import iv_ratio
from rosphere.sphere.compiling import untraced

_NODES = 24
_REACH = 9.0  # standard deviations; less than e^-40 of the integral lies beyond
_ROWS_AT_ONCE = 1 << 15
_TRIES = 8


@untraced("draws by rejection are not traced")
def rsample(dim: int, concentration: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """w and sqrt(1 - w²) in float64, of `shape`, to which concentration expands; differentiable in it once.

    One concentration for all rows is drawn faster than one for each of them.
    """
    kappa = concentration.double()
    with torch.no_grad():
        if concentration.numel() == 1 or not any(concentration.stride()):  # one element, perhaps expanded
            up, down = _pooled(dim, kappa.reshape(-1)[:1], shape.numel())
        else:
            up, down = _rowwise(dim, kappa.expand(shape).reshape(-1))
    polar: tuple[Tensor, Tensor] = _Polar.apply(  # type: ignore[no-untyped-call]
        dim, kappa.expand(shape), up.reshape(shape), down.reshape(shape)
    )
    return polar


def _rowwise(dim: int, kappa: Tensor) -> tuple[Tensor, Tensor]:
    """1 + w and 1 - w, one draw for each kappa: rows that were refused try again, several times at once."""
    up, down, taken = _proposals(dim, kappa, kappa.shape)
    rest = (~taken).nonzero().squeeze(-1)
    while len(rest):
        new_up, new_down, taken = _proposals(dim, kappa[rest], torch.Size((_TRIES, len(rest))))
        chosen = taken.byte().argmax(0, keepdim=True)
        up[rest] = new_up.gather(0, chosen)[0]
        down[rest] = new_down.gather(0, chosen)[0]
        rest = rest[~taken.any(0)]
    return up, down


def _pooled(dim: int, kappa: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The same for `count` rows of one kappa: the proposals that are taken, in the order they came."""
    ups, downs, missing = [kappa[:0]], [kappa[:0]], count
    while missing > 0:
        up, down, taken = _proposals(dim, kappa, torch.Size((missing + missing // 2 + 16,)))
        ups.append(up[taken])
        downs.append(down[taken])
        missing -= len(ups[-1])
    return torch.cat(ups)[:count], torch.cat(downs)[:count]


def _proposals(dim: int, kappa: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor, Tensor]:
    """1 + w, 1 - w and whether w is taken. Both are kept: a w near +-1 has lost one of them to rounding."""
    turn, power, chance = torch.rand(3, *shape, dtype=kappa.dtype, device=kappa.device)
    exponent = 2 / (dim - 2) if dim > 2 else math.inf
    uniform = torch.cos(2 * math.pi * turn) * (-torch.expm1(exponent * torch.log(power))).sqrt()
    freedom = dim - 1
    span = freedom + torch.hypot(2 * kappa, torch.full_like(kappa, freedom))
    tilt = 2 * kappa / span
    tilt_deficit = freedom / span * (1 + freedom / (span - freedom + 2 * kappa))  # 1 - tilt
    q = tilt * uniform
    taken = torch.log(chance) <= freedom * (q / (1 + q) - torch.log1p(q))
    return (1 + tilt) * (1 + uniform) / (1 + q), tilt_deficit * (1 - uniform) / (1 + q), taken


class _Polar(torch.autograd.Function):
    """From 1 + w and 1 - w to w = cos(angle) and sqrt(1 - w²) = sin(angle), with the gradient of kappa."""

    @staticmethod
    def forward(ctx: Any, dim: int, kappa: Tensor, up: Tensor, down: Tensor) -> tuple[Tensor, Tensor]:
        cosine, sine = 0.5 * (up - down), (up * down).sqrt()
        ctx.dim = dim
        ctx.save_for_backward(kappa, cosine, sine)
        return cosine, sine

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_cosine: Tensor, grad_sine: Tensor) -> tuple[None, Tensor, None, None]:
        kappa, cosine, sine = ctx.saved_tensors
        mean = iv_ratio(0.5 * ctx.dim - 1, kappa)
        rows = [part.reshape(-1).split(_ROWS_AT_ONCE) for part in (kappa, mean, cosine, sine)]
        narrowing = torch.cat([_narrowing(ctx.dim, *row) for row in zip(*rows, strict=True)])
        return None, narrowing.reshape(kappa.shape) * (sine * grad_cosine - cosine * grad_sine), None, None


def _narrowing(dim: int, kappa: Tensor, mean: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """-d angle/d kappa = integral_0^angle (cos t - A) p(t) dt / p(angle) >= 0.

    p(t) = e^{kappa cos t} sin^{d-2} t is the angle's density, A = `mean` the mean of its cosine. The whole
    integral being 0, the tail on the angle's own side of the mean is enough. It ends where p is negligible:
    towards the pole -(log p)'' only grows, and away from it p falls about as fast as a normal law of variance
    1/(kappa + d - 2), or faster.
    """
    sine = sine.clamp_min(1e-100)
    angle = torch.atan2(sine, cosine)
    inner = cosine > mean
    curvature = torch.where(inner, kappa * cosine + (dim - 2) / sine.square(), kappa + (dim - 2))
    reach = _REACH * curvature.rsqrt()
    end = torch.where(inner, (angle - reach).clamp_min(0), (angle + reach).clamp_max(math.pi))
    nodes, weights = _legendre(kappa.device)
    t = torch.lerp(angle.unsqueeze(-1), end.unsqueeze(-1), nodes)
    cosines = torch.cos(t)
    log_p = kappa.unsqueeze(-1) * (cosines - cosine.unsqueeze(-1))
    if dim > 2:
        log_p += (dim - 2) * torch.log(torch.sin(t) / sine.unsqueeze(-1))
    return (angle - end) * (((cosines - mean.unsqueeze(-1)) * log_p.exp()) @ weights)


@cache
def _legendre(device: torch.device) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre nodes and weights on [0, 1], from the eigenvectors of Golub and Welsch (1969)."""
    k = torch.arange(1, _NODES, dtype=torch.float64)
    nodes, vectors = torch.linalg.eigh(torch.diag(k / (4 * k * k - 1).sqrt(), -1))
    return (0.5 + 0.5 * nodes).to(device), vectors[0].square().to(device)
