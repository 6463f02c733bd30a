"""The von Mises-Fisher and the uniform law on the unit sphere S^{d-1} of R^d, d >= 2."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.distributions.kl import register_kl
from torch.types import _size

from rosphere.sphere import arguments, bessel, marginal, tangent

_SCALAR = torch.Size()


class VonMisesFisher(Distribution):
    """p(x) = exp(kappa <mu, x>) / Z_d(kappa) with respect to the sphere's area.

    mu is `loc` [..., d], of unit length, kappa is `concentration` [...] >= 0; kappa = 0 is the uniform law.
    Draws are exact, and differentiable once in mu and kappa with unbiased gradients (marginal.py); that in mu
    is along the sphere. One concentration for the whole batch is drawn faster. Functions of kappa alone are
    computed in float64 (bessel.py) whatever its dtype; float16 and bfloat16 are drawn in float32 and rounded.
    torch.compile breaks its graph there and at draws, with the same values (so not with fullgraph=True), and
    switches validation off, as with every distribution; torch.vmap is refused.

    ValueError, unless validate_args is False: rows of loc not of unit length (they are not normalised here),
    kappa negative, infinite or NaN. Always: d < 2, integers, shapes that do not broadcast.
    """

    arg_constraints = {"loc": arguments.unit_vector, "concentration": constraints.nonnegative}
    support = arguments.unit_vector
    has_rsample = True

    def __init__(self, loc: Tensor, concentration: Tensor | float, validate_args: bool | None = None) -> None:
        arguments.check_floating("loc", loc)
        kappa = concentration
        if not isinstance(kappa, Tensor):
            kappa = torch.tensor(float(kappa), dtype=loc.dtype, device=loc.device)
        arguments.check_floating("concentration", kappa)
        shape = arguments.batch_shape(loc, kappa)
        validate = self._validate_args if validate_args is None else validate_args
        arguments.refuse_vmap(loc, kappa)
        if validate:
            arguments.check_unit("loc", loc)
            arguments.check_concentration(kappa)
        dtype = torch.promote_types(loc.dtype, kappa.dtype)
        self.loc = loc.to(dtype).expand(*shape, -1)
        self.concentration = kappa.to(dtype).expand(shape)
        super().__init__(shape, loc.shape[-1:], validate_args=False)
        self._validate_args = validate

    def expand(self, batch_shape: _size, _instance: Any = None) -> "VonMisesFisher":
        new: VonMisesFisher = self._get_checked_instance(  # type: ignore[no-untyped-call]
            VonMisesFisher, _instance
        )
        new.loc = self.loc.expand(*batch_shape, -1)
        new.concentration = self.concentration.expand(batch_shape)
        super(VonMisesFisher, new).__init__(torch.Size(batch_shape), self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def dim(self) -> int:
        """d."""
        return self.event_shape[0]

    @property
    def order(self) -> float:
        """d/2 - 1, the order of the Bessel function in Z."""
        return 0.5 * self.dim - 1

    @property
    def log_normalizer(self) -> Tensor:
        """log Z_d(kappa) = log[(2 pi)^{d/2} I_v(kappa) / kappa^v], v = d/2 - 1: the sphere's log area at kappa = 0."""
        return _log_area(self.dim) + bessel.log_iv_excess(self.order, self.concentration)

    @property
    def mean_resultant_length(self) -> Tensor:
        """A(kappa) = E <mu, x> = I_{d/2}(kappa) / I_{d/2-1}(kappa)."""
        return bessel.iv_ratio(self.order, self.concentration)

    @property
    def variance_along_mean(self) -> Tensor:
        """Var <mu, x> = A'(kappa) = 1 - A² - (d-1) A/kappa."""
        return bessel.iv_ratio_slope(self.order, self.concentration)

    @property
    def mean(self) -> Tensor:
        """E x = A(kappa) mu, inside the sphere."""
        return self.mean_resultant_length.unsqueeze(-1) * self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Var x_i = A/kappa + (A' - A/kappa) mu_i²: A' along the mean, A/kappa across it."""
        across = bessel.iv_ratio_over_x(self.order, self.concentration).unsqueeze(-1)
        return across + (self.variance_along_mean.unsqueeze(-1) - across) * self.loc.square()

    def rsample(self, sample_shape: _size = _SCALAR) -> Tensor:
        """w mu + sqrt(1 - w²) nu: w from its marginal law, nu uniform among the unit vectors across mu."""
        shape = self._extended_shape(sample_shape)
        cosine, sine = marginal.rsample(self.dim, self.concentration, shape[:-1])
        loc, dtype = self.loc, arguments.working(self.loc.dtype)
        if loc.dtype != dtype:
            loc = torch.nn.functional.normalize(loc.to(dtype), dim=-1)
        draw = tangent.rsample(loc.expand(shape), cosine.to(dtype), sine.to(dtype))
        return draw.to(self.loc.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density with respect to the sphere's area.

        Written with <mu, x> = 1 - |x - mu|²/2, which holds on the sphere and keeps its digits in float32 at
        large kappa. Off the sphere, and so in the radial part of a gradient, it is another function.
        """
        if self._validate_args:
            self._validate_sample(value)
        dtype = arguments.working(torch.promote_types(value.dtype, self.loc.dtype))
        chord = (value.to(dtype) - self.loc.to(dtype)).square().sum(-1).double()
        kappa = self.concentration.double()
        log_peak = bessel.log_iv_deficit(self.order, kappa) - _log_area(self.dim)
        return (log_peak - 0.5 * kappa * chord).to(self.loc.dtype)

    def entropy(self) -> Tensor:
        """The uniform law's entropy less KL(self || uniform), in nats."""
        return _log_area(self.dim) - bessel.divergence(self.order, self.concentration)


class HypersphericalUniform(Distribution):
    """The uniform law on S^{d-1}, d = `dim` >= 2."""

    arg_constraints: dict[str, constraints.Constraint] = {}
    support = arguments.unit_vector
    has_rsample = True

    def __init__(
        self,
        dim: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if dim < 2:
            raise ValueError(f"dim: expected d >= 2, got {dim}")
        self.dim = dim
        self._like = torch.empty(0, dtype=dtype, device=device)
        arguments.check_floating("dtype", self._like)
        super().__init__(_SCALAR, torch.Size((dim,)), validate_args=validate_args)

    def expand(self, batch_shape: _size, _instance: Any = None) -> "HypersphericalUniform":
        new: HypersphericalUniform = self._get_checked_instance(  # type: ignore[no-untyped-call]
            HypersphericalUniform, _instance
        )
        new.dim, new._like = self.dim, self._like
        shape = torch.Size(batch_shape)
        super(HypersphericalUniform, new).__init__(shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def mean(self) -> Tensor:
        return self._like.new_zeros(self._extended_shape())

    @property
    def variance(self) -> Tensor:
        """Var x_i = 1/d."""
        return self._like.new_full(self._extended_shape(), 1 / self.dim)

    def rsample(self, sample_shape: _size = _SCALAR) -> Tensor:
        """A normal vector over its length."""
        dtype, device = arguments.working(self._like.dtype), self._like.device
        noise = torch.randn(self._extended_shape(sample_shape), dtype=dtype, device=device)
        return torch.nn.functional.normalize(noise, dim=-1).to(self._like.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """Minus the log of the sphere's area."""
        if self._validate_args:
            self._validate_sample(value)
        shape = arguments.broadcast(value.shape[:-1], self.batch_shape)
        return value.new_full(shape, -_log_area(self.dim))

    def entropy(self) -> Tensor:
        return self._like.new_full(self.batch_shape, _log_area(self.dim))


@register_kl(VonMisesFisher, HypersphericalUniform)  # type: ignore[no-untyped-call, untyped-decorator]
def _kl_to_uniform(p: VonMisesFisher, q: HypersphericalUniform) -> Tensor:
    """kappa A(kappa) - G(kappa), right in relative terms for every d and kappa."""
    arguments.check_one_sphere(p, q)
    shape = arguments.broadcast(p.batch_shape, q.batch_shape)
    return bessel.divergence(p.order, p.concentration).expand(shape)


@register_kl(VonMisesFisher, VonMisesFisher)  # type: ignore[no-untyped-call, untyped-decorator]
def _kl_to_other(p: VonMisesFisher, q: VonMisesFisher) -> Tensor:
    """KL(p || uniform) + G(kappa_q) - kappa_q A(kappa_p) <mu_p, mu_q>, less its large equal terms."""
    arguments.check_one_sphere(p, q)
    kappa_p, kappa_q = p.concentration.double(), q.concentration.double()
    chord = (p.loc - q.loc).to(arguments.working(p.loc.dtype)).square().sum(-1).double()
    short_of_one = bessel.iv_ratio_deficit(p.order, kappa_p) + 0.5 * bessel.iv_ratio(p.order, kappa_p) * chord
    beyond_uniform = kappa_q * short_of_one - bessel.log_iv_deficit(q.order, kappa_q)
    kl = bessel.divergence(p.order, kappa_p) + beyond_uniform
    return kl.to(torch.promote_types(p.loc.dtype, q.loc.dtype))


@register_kl(HypersphericalUniform, VonMisesFisher)  # type: ignore[no-untyped-call, untyped-decorator]
def _kl_from_uniform(p: HypersphericalUniform, q: VonMisesFisher) -> Tensor:
    """log Z_d(kappa) less the sphere's log area, for <mu, x> is 0 on average."""
    arguments.check_one_sphere(p, q)
    shape = arguments.broadcast(p.batch_shape, q.batch_shape)
    return bessel.log_iv_excess(q.order, q.concentration).expand(shape)


@register_kl(HypersphericalUniform, HypersphericalUniform)  # type: ignore[no-untyped-call, untyped-decorator]
def _kl_of_uniforms(p: HypersphericalUniform, q: HypersphericalUniform) -> Tensor:
    """Zero."""
    arguments.check_one_sphere(p, q)
    return p.entropy().new_zeros(arguments.broadcast(p.batch_shape, q.batch_shape))


def _log_area(dim: int) -> float:
    """log of the area 2 pi^{d/2} / Gamma(d/2) of S^{d-1}."""
    return math.log(2) + 0.5 * dim * math.log(math.pi) - math.lgamma(0.5 * dim)
