"""The von Mises-Fisher and the uniform law on the unit sphere S^{d-1} of R^d, d >= 2."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints, register_kl
from torch.types import _size

from rosphere.sphere import bessel, marginal

_PROJECT_TWICE_BELOW = 16


class _UnitVector(constraints.Constraint):
    """Vectors of length 1, up to what rounding in their dtype explains."""

    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        return _length_error(value) <= _tolerance(value.dtype)


unit_vector = _UnitVector()


class VonMisesFisher(Distribution):
    """p(x) = exp(kappa <mu, x>) / Z_d(kappa) on the unit sphere; mu is `loc` [..., d], kappa `concentration` [...].

    kappa = 0 is the uniform law. Draws are exact and differentiable in mu and kappa, with unbiased gradients
    (marginal.py). A concentration of one element is drawn faster. float16 and bfloat16 are computed in float32
    and returned as they came; whatever is a function of kappa alone is computed in float64 (bessel.py).

    Refused with ValueError, unless validate_args is False: rows of loc that are not of unit length (they are not
    normalised here), kappa negative or NaN. Always refused: d < 2, integers, shapes that do not broadcast.
    """

    arg_constraints = {"loc": unit_vector, "concentration": constraints.nonnegative}  # noqa: RUF012
    support = unit_vector
    has_rsample = True

    def __init__(self, loc: Tensor, concentration: Tensor | float, validate_args: bool | None = None) -> None:
        concentration = _floating("concentration", concentration, like=loc)
        batch_shape = _batch_shape(loc, concentration)
        validate = self._validate_args if validate_args is None else validate_args
        if validate:
            _refuse_lengths("loc", loc)
            _refuse_concentrations(concentration)
        dtype = torch.promote_types(loc.dtype, concentration.dtype)
        self._single = concentration.to(dtype) if concentration.numel() == 1 else None
        self.loc = loc.to(dtype).expand(*batch_shape, -1)
        self.concentration = concentration.to(dtype).expand(batch_shape)
        super().__init__(batch_shape, loc.shape[-1:], validate_args=False)
        self._validate_args = validate

    def expand(self, batch_shape: _size, _instance: Any = None) -> "VonMisesFisher":
        new = self._get_checked_instance(VonMisesFisher, _instance)
        shape = torch.Size(batch_shape)
        new.loc = self.loc.expand(*shape, -1)
        new.concentration = self.concentration.expand(shape)
        new._single = self._single
        super(VonMisesFisher, new).__init__(shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def mean(self) -> Tensor:
        """E x = A mu."""
        return self.mean_resultant_length.unsqueeze(-1) * self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Var x_i = A/kappa + (A' - A/kappa) mu_i²: A' along the mean, A/kappa across."""
        across = bessel.iv_ratio_over_x(self._order, self.concentration).unsqueeze(-1)
        return across + (self.variance_along_mean.unsqueeze(-1) - across) * self.loc.square()

    @property
    def mean_resultant_length(self) -> Tensor:
        """A(kappa) = E <mu, x> = I_{d/2}(kappa) / I_{d/2-1}(kappa)."""
        return bessel.iv_ratio(self._order, self.concentration)

    @property
    def variance_along_mean(self) -> Tensor:
        """Var <mu, x> = A'(kappa) = 1 - A² - (d-1) A / kappa."""
        return bessel.iv_ratio_slope(self._order, self.concentration)

    def rsample(self, sample_shape: _size = torch.Size()) -> Tensor:  # noqa: B008
        """x = w mu + sqrt(1 - w²) nu: w from its marginal law, nu uniform among the unit vectors orthogonal to mu."""
        shape = self._extended_shape(sample_shape)
        concentration = self.concentration if self._single is None else self._single
        cosine, sine = marginal.rsample(shape[-1], concentration, shape[:-1])
        dtype = _working(self.loc.dtype)
        loc = self.loc.to(dtype)
        parts = cosine.to(dtype).unsqueeze(-1), sine.to(dtype).unsqueeze(-1)
        draw = _turned(loc, *parts, shape) if shape[-1] == 2 else _spread(loc, *parts, shape)
        return draw.to(self.loc.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density with respect to the sphere's area.

        Written with <mu, x> = 1 - |x - mu|²/2, which holds on the sphere and, in float32, keeps its digits at
        large kappa; off the sphere (and so in the radial part of a gradient) it is another function.
        """
        if self._validate_args:
            self._validate_sample(value)
        dtype = _working(torch.promote_types(value.dtype, self.loc.dtype))
        chord = (value.to(dtype) - self.loc.to(dtype)).square().sum(-1).double()
        kappa = self.concentration.double()
        log_peak = bessel.log_iv_deficit(self._order, kappa) - _log_area(self.event_shape[0])
        return (log_peak - 0.5 * kappa * chord).to(self.loc.dtype)

    def entropy(self) -> Tensor:
        """Log area of the sphere less KL(self || uniform)."""
        return _log_area(self.event_shape[0]) - bessel.divergence(self._order, self.concentration)

    @property
    def _order(self) -> float:
        return 0.5 * self.event_shape[0] - 1


class HypersphericalUniform(Distribution):
    """The uniform law on S^{d-1}, d = `dim` >= 2."""

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012
    support = unit_vector
    has_rsample = True

    def __init__(
        self,
        dim: int,
        *,
        batch_shape: _size = torch.Size(),  # noqa: B008
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if dim < 2:
            raise ValueError(f"dim: expected d >= 2, got {dim}")
        self._like = torch.empty(0, dtype=dtype or torch.get_default_dtype(), device=device)
        if not self._like.is_floating_point():
            raise ValueError(f"dtype: expected a floating dtype, got {dtype}")
        super().__init__(torch.Size(batch_shape), torch.Size((dim,)), validate_args=validate_args)

    def expand(self, batch_shape: _size, _instance: Any = None) -> "HypersphericalUniform":
        new = self._get_checked_instance(HypersphericalUniform, _instance)
        new._like = self._like
        super(HypersphericalUniform, new).__init__(torch.Size(batch_shape), self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def mean(self) -> Tensor:
        return self._like.new_zeros(self.batch_shape + self.event_shape)

    @property
    def variance(self) -> Tensor:
        return self._like.new_full(self.batch_shape + self.event_shape, 1 / self.event_shape[0])

    def rsample(self, sample_shape: _size = torch.Size()) -> Tensor:  # noqa: B008
        """A normal vector over its length."""
        like = self._like
        shape = self._extended_shape(sample_shape)
        noise = torch.randn(shape, dtype=_working(like.dtype), device=like.device)
        return torch.nn.functional.normalize(noise, dim=-1).to(like.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        shape = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        return value.new_full(shape, -_log_area(self.event_shape[0]))

    def entropy(self) -> Tensor:
        return self._like.new_full(self.batch_shape, _log_area(self.event_shape[0]))


@register_kl(VonMisesFisher, HypersphericalUniform)
def _kl_vmf_uniform(p: VonMisesFisher, q: HypersphericalUniform) -> Tensor:
    """kappa A(kappa) - G(kappa), right in relative terms for every d and kappa."""
    _refuse_other_dimension(p, q)
    shape = torch.broadcast_shapes(p.batch_shape, q.batch_shape)
    return bessel.divergence(p._order, p.concentration).expand(shape)


@register_kl(VonMisesFisher, VonMisesFisher)
def _kl_vmf_vmf(p: VonMisesFisher, q: VonMisesFisher) -> Tensor:
    """KL(p || uniform) + G(kappa_q) - kappa_q A(kappa_p) <mu_p, mu_q>, with the large equal terms taken out."""
    _refuse_other_dimension(p, q)
    kappa_p, kappa_q = p.concentration.double(), q.concentration.double()
    chord = (p.loc - q.loc).to(_working(p.loc.dtype)).square().sum(-1).double()
    apart = kappa_q * (bessel.iv_ratio_deficit(p._order, kappa_p) + 0.5 * bessel.iv_ratio(p._order, kappa_p) * chord)
    kl = bessel.divergence(p._order, kappa_p) + apart - bessel.log_iv_deficit(q._order, kappa_q)
    return kl.to(torch.promote_types(p.loc.dtype, q.loc.dtype))


def _turned(loc: Tensor, cosine: Tensor, sine: Tensor, shape: torch.Size) -> Tensor:
    """d = 2: the orthogonal unit vector is loc turned by a right angle, to the left or to the right."""
    side = torch.randint(0, 2, (*shape[:-1], 1), device=loc.device).to(loc.dtype) * 2 - 1
    return cosine * loc + side * sine * torch.stack((-loc[..., 1], loc[..., 0]), dim=-1)


def _spread(loc: Tensor, cosine: Tensor, sine: Tensor, shape: torch.Size) -> Tensor:
    """d >= 3: nu is the part of a normal vector orthogonal to loc, over its length."""
    noise = torch.randn(shape, dtype=loc.dtype, device=loc.device)
    if shape[-1] < _PROJECT_TWICE_BELOW:  # a noise nearly parallel to loc, rare above, would leave few digits
        noise = noise - (noise * loc).sum(-1, keepdim=True) * loc
    along = (noise * loc).sum(-1, keepdim=True)
    scale = sine * (noise.square().sum(-1, keepdim=True) - along.square()).rsqrt()
    return torch.addcmul((cosine - scale * along) * loc, scale, noise)


def _log_area(dim: int) -> float:
    """log of the area 2 pi^{d/2} / Gamma(d/2) of S^{d-1}."""
    return math.log(2) + 0.5 * dim * math.log(math.pi) - math.lgamma(0.5 * dim)


def _working(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def _length_error(vectors: Tensor) -> Tensor:
    length = torch.linalg.vector_norm(vectors, dim=-1, dtype=_working(vectors.dtype))
    return (length - 1).abs()


def _tolerance(dtype: torch.dtype) -> float:
    """Float32 rows normalised in float32 and then cast to float64 must pass too."""
    return max(1e-5, torch.finfo(dtype).eps)


def _floating(name: str, value: Tensor | float, like: Tensor) -> Tensor:
    for title, tensor in (("loc", like), (name, value)):
        if isinstance(tensor, Tensor) and not tensor.is_floating_point():
            raise ValueError(f"{title}: expected a floating dtype, got {tensor.dtype}")
    return value if isinstance(value, Tensor) else torch.tensor(float(value), dtype=like.dtype, device=like.device)


def _batch_shape(loc: Tensor, concentration: Tensor) -> torch.Size:
    if loc.dim() < 1 or loc.shape[-1] < 2:
        raise ValueError(f"loc: expected shape [..., d] with d >= 2, got {list(loc.shape)}")
    try:
        return torch.broadcast_shapes(loc.shape[:-1], concentration.shape)
    except RuntimeError as error:
        raise ValueError(
            f"concentration: expected a shape that broadcasts with {list(loc.shape[:-1])} "
            f"(loc is {list(loc.shape)}), got {list(concentration.shape)}"
        ) from error


def _refuse_lengths(name: str, vectors: Tensor) -> None:
    error = _length_error(vectors.detach()).nan_to_num(nan=math.inf).reshape(-1)
    if error.numel() and error.max() > _tolerance(vectors.dtype):
        row = int(error.argmax())
        length = float(torch.linalg.vector_norm(vectors.detach().double().reshape(-1, vectors.shape[-1])[row]))
        raise ValueError(f"{name}: expected rows of length 1, got length {length:.7g} in row {row}")


def _refuse_concentrations(concentration: Tensor) -> None:
    flat = concentration.detach().reshape(-1)
    bad = (~(flat >= 0) | flat.isinf()).nonzero()
    if len(bad):
        row = int(bad[0])
        raise ValueError(f"concentration: expected finite values >= 0, got {float(flat[row])} in row {row}")


def _refuse_other_dimension(p: Distribution, q: Distribution) -> None:
    if p.event_shape != q.event_shape:
        raise ValueError(f"KL: expected two laws of one dimension, got d = {p.event_shape[0]} and {q.event_shape[0]}")
