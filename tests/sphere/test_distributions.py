"""The laws on the sphere: published figures, SciPy, and statistical tests that a wrong sampler fails."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Distribution, kl_divergence
from torch.nn.functional import normalize

from rosphere.sphere import bessel, marginal
from rosphere.sphere.distributions import HypersphericalUniform, VonMisesFisher
from rosphere.sphere.rotation import rotate

DRAWS = 10_000
CELLS = [(2, 0.5), (2, 1e4), (3, 2.0), (3, 1e6), (8, 0.0), (8, 100.0), (64, 20.0), (64, 1e4), (256, 300.0)]


@pytest.fixture(autouse=True)
def validated() -> Iterator[None]:
    """torch.compile, once it has been used in a process, leaves the validation of all distributions switched off."""
    before = Distribution._validate_args
    Distribution.set_default_validate_args(True)
    yield
    Distribution.set_default_validate_args(before)


def law(dim: int, kappa: float | Tensor, dtype: torch.dtype = torch.float64) -> VonMisesFisher:
    shape = kappa.shape if isinstance(kappa, Tensor) else ()
    return VonMisesFisher(normalize(torch.randn(*shape, dim, dtype=dtype), dim=-1), kappa)


def marginal_cdf(dim: int, kappa: float) -> Callable[[np.ndarray], np.ndarray]:
    """CDF of w by the trapezoidal rule in the angle; nothing in it comes from the library."""
    angle = np.linspace(0, math.pi, 500_001)[1:-1]
    log_density = kappa * np.cos(angle) + (dim - 2) * np.log(np.sin(angle))
    cumulative = np.cumsum(np.exp(log_density - log_density.max()))
    return lambda w: 1 - np.interp(np.arccos(np.clip(w, -1, 1)), angle, cumulative / cumulative[-1])


def discrepancies(w: Tensor, dim: int, kappa: float) -> dict[str, float]:
    """Standard errors by which mean and variance are off, and -log10 of the Kolmogorov-Smirnov p-value."""
    x = torch.tensor(kappa, dtype=torch.float64)
    mean, variance = bessel.iv_ratio(0.5 * dim - 1, x), bessel.iv_ratio_slope(0.5 * dim - 1, x)
    centred = w - mean
    spread = (centred.pow(4).mean() - variance**2).sqrt()
    p_value = scipy.stats.kstest(w.numpy(), marginal_cdf(dim, kappa)).pvalue
    return {
        "mean": float(centred.mean().abs() / (variance / len(w)).sqrt()),
        "variance": float((centred.square().mean() - variance).abs() / spread * math.sqrt(len(w))),
        "law": -math.log10(max(p_value, 1e-300)),
    }


def wrong_proposals(dim: int, kappa: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor, Tensor]:
    """Wood's b replaced by its limit for large kappa, a mistake that was published; every w is taken."""
    b = (dim - 1) / (4 * kappa)
    uniform = torch.distributions.Beta(0.5 * (dim - 1), 0.5 * (dim - 1)).sample(shape).double()
    w = (1 - (1 + b) * uniform) / (1 - (1 - b) * uniform)
    return 1 + w, 1 - w, torch.ones(shape, dtype=torch.bool)


@pytest.mark.parametrize(("dim", "kappa"), CELLS)
@pytest.mark.parametrize("rowwise", [False, True], ids=["one kappa", "kappa by row"])
def test_the_sampler_has_the_right_law(dim, kappa, rowwise):
    torch.manual_seed(1)
    concentration = torch.full((DRAWS,), kappa, dtype=torch.float64) if rowwise else kappa
    loc = normalize(torch.randn(dim, dtype=torch.float64), dim=0)
    distribution = VonMisesFisher(loc, concentration)
    draws = distribution.sample() if rowwise else distribution.sample((DRAWS,))
    off = discrepancies(draws @ loc, dim, kappa)
    assert off["mean"] < 4 and off["variance"] < 4 and off["law"] < 4, off


@pytest.mark.parametrize(("dim", "kappa"), [(8, 100.0), (64, 20.0)])
def test_the_same_test_finds_a_wrong_sampler(dim, kappa, monkeypatch):
    torch.manual_seed(1)
    monkeypatch.setattr(marginal, "_proposals", wrong_proposals)
    distribution = law(dim, kappa)
    off = discrepancies(distribution.sample((DRAWS,)) @ distribution.loc, dim, kappa)
    assert max(off["mean"], off["variance"], off["law"]) > 10, off


@pytest.mark.parametrize("dim", [2, 3, 8, 64])
def test_draws_are_unit_vectors_uniform_about_the_mean(dim):
    torch.manual_seed(2)
    distribution = law(dim, 5.0)
    draws = distribution.sample((DRAWS,))
    assert draws.norm(dim=-1).sub(1).abs().max() < 1e-14
    loc = distribution.loc
    across = normalize(draws - (draws @ loc).unsqueeze(-1) * loc, dim=-1)
    assert (across @ loc).abs().max() < 1e-6
    second_moment = across.mT @ across / DRAWS
    expected = (torch.eye(dim) - torch.outer(loc, loc)) / (dim - 1)
    assert (second_moment - expected).abs().max() < 5 / math.sqrt(DRAWS)
    assert across.mean(0).norm() < 5 / math.sqrt(DRAWS)


def test_each_row_has_its_own_law():
    torch.manual_seed(3)
    kappa = torch.tensor([0.0, 1.0, 30.0, 1e3], dtype=torch.float64)
    distribution = law(16, kappa)
    draws = distribution.sample((DRAWS,))
    assert draws.shape == (DRAWS, 4, 16)
    error = (draws.mean(0) - distribution.mean).abs() / (distribution.variance / DRAWS).sqrt()
    assert error.max() < 5
    spread = draws.var(0) / distribution.variance - 1
    assert spread.abs().max() < 6 * math.sqrt(2 / DRAWS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("dim", "kappa"), [(2, 3.0), (3, 1e5), (768, 1e-3), (768, 500.0)])
def test_small_dtypes(dim, kappa, dtype):
    torch.manual_seed(4)
    loc = normalize(torch.randn(200, dim), dim=-1).to(dtype).requires_grad_()
    kappas = torch.full((200,), min(kappa, 6e4), dtype=dtype, requires_grad=True)
    draws = VonMisesFisher(loc, kappas).rsample()
    assert draws.dtype == dtype
    tolerance = 1e-6 if dtype == torch.float32 else 4 * torch.finfo(dtype).eps
    assert draws.float().norm(dim=-1).sub(1).abs().max() < tolerance
    draws.float().square().sum().backward()
    assert loc.grad.isfinite().all() and kappas.grad.isfinite().all()


@pytest.mark.parametrize("dim", [2, 3, 5, 8, 64])
@pytest.mark.parametrize("kappa", [0.0, 1.0, 20.0, 1e4])
def test_the_gradient_in_kappa_is_unbiased(dim, kappa):
    """d E[w] / d kappa = A'(kappa), from draws each of which has its own gradient."""
    torch.manual_seed(5)
    kappas = torch.full((DRAWS,), kappa, dtype=torch.float64, requires_grad=True)
    loc = normalize(torch.randn(dim, dtype=torch.float64), dim=0)
    (VonMisesFisher(loc, kappas).rsample() @ loc).sum().backward()
    slope = bessel.iv_ratio_slope(0.5 * dim - 1, kappas.detach()[0])
    error = (kappas.grad.mean() - slope) / (kappas.grad.std() / math.sqrt(DRAWS))
    assert abs(error) < 4
    assert (kappas.grad >= 0).all()


@pytest.mark.parametrize(("dim", "kappa"), [(2, 0.7), (3, 2.0), (5, 40.0), (64, 20.0), (512, 1e5)])
def test_each_draws_gradient_in_kappa_is_the_implicit_one(dim, kappa):
    """-dF/dkappa / p at the draw, with F and p by brute force in the angle."""
    torch.manual_seed(6)
    kappas = torch.full((8,), kappa, dtype=torch.float64, requires_grad=True)
    w, _ = marginal.rsample(dim, kappas, torch.Size((8,)))
    w.sum().backward()
    reach = 40 / math.sqrt(kappa + dim)
    for angle, got in zip(torch.acos(w.detach()).tolist(), kappas.grad.tolist(), strict=True):
        low, high = max(0.0, angle - reach), min(math.pi, angle + reach)
        t = torch.linspace(low, high, 200_001, dtype=torch.float64)[1:-1]
        log_density = kappa * (t.cos() - math.cos(angle)) + (dim - 2) * (t.sin() / math.sin(angle)).log()
        density = log_density.exp()
        mean = (density * t.cos()).sum() / density.sum()
        before = torch.clamp((angle - t) / (t[1] - t[0]) + 0.5, 0, 1)  # the last step only in part
        integral = (before * density * (t.cos() - mean)).sum() * (t[1] - t[0])
        assert got == pytest.approx(float(integral) * math.sin(angle), rel=1e-4)


def test_the_gradient_in_loc_is_unbiased_and_tangent():
    torch.manual_seed(7)
    dim, direction = 6, torch.randn(6, dtype=torch.float64)
    distribution = law(dim, 4.0)
    loc = distribution.loc.clone().requires_grad_()
    rows = loc.expand(DRAWS, dim)
    rows.retain_grad()
    (VonMisesFisher(rows, 4.0).rsample() @ direction).sum().backward()
    length = distribution.mean_resultant_length
    expected = length * (direction - (direction @ distribution.loc) * distribution.loc)
    error = (rows.grad.mean(0) - expected) / (rows.grad.std(0) / math.sqrt(DRAWS))
    assert error.abs().max() < 4.5
    assert (rows.grad @ distribution.loc).abs().max() < 1e-13


def test_autocast_changes_nothing():
    torch.manual_seed(14)
    distribution = law(64, torch.rand(10) * 100, torch.float32)
    state = torch.get_rng_state()
    draws, kl = distribution.sample(), kl_divergence(distribution, HypersphericalUniform(64))
    torch.set_rng_state(state)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(draws, distribution.sample())
        assert torch.equal(kl, kl_divergence(distribution, HypersphericalUniform(64)))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu():
    torch.manual_seed(15)
    here = law(64, torch.rand(DRAWS, dtype=torch.float64) * 100)
    loc, kappa = here.loc.cuda(), here.concentration.cuda().requires_grad_()
    there = VonMisesFisher(loc, kappa)
    draws = there.rsample()
    (draws * loc).sum().backward()
    off = (draws * loc).sum(-1) - there.mean_resultant_length
    assert abs(float(off.mean() / off.std())) < 4 / math.sqrt(DRAWS)
    gradient_off = kappa.grad - there.variance_along_mean
    assert abs(float(gradient_off.mean() / gradient_off.std())) < 4 / math.sqrt(DRAWS)
    assert torch.allclose(there.entropy().cpu(), here.entropy(), rtol=1e-12)


def test_seeds_reproduce_draws():
    distribution = law(10, torch.rand(50, dtype=torch.float64) * 100)
    torch.manual_seed(8)
    first = distribution.sample((3,))
    torch.manual_seed(8)
    assert torch.equal(first, distribution.sample((3,)))
    assert not torch.equal(first, distribution.sample((3,)))


@pytest.mark.parametrize(
    ("dim", "kappa", "kl", "mean"),
    [
        (4, 20, 3.258385, 0.925988),
        (8, 20, 4.485986, 0.836457),
        (3, 20, 2.688879, 0.95),
        (2, 20, 1.903800, 0.974671),
        (64, 32, 6.051146, 0.415547),
        (128, 100, 22.840927, 0.548329),
        (32, 5000, 79.183911, 0.996904),
    ],
)
def test_known_divergences_and_means(dim, kappa, kl, mean):
    distribution = law(dim, float(kappa))
    assert float(kl_divergence(distribution, HypersphericalUniform(dim))) == pytest.approx(kl, abs=6e-7)
    assert float(distribution.mean_resultant_length) == pytest.approx(mean, abs=6e-7)


def test_the_normalizer_is_elementary_on_the_ordinary_sphere():
    kappa = torch.tensor([1e-3, 0.5, 3.0, 40.0], dtype=torch.float64)
    expected = torch.log(4 * math.pi * torch.sinh(kappa) / kappa)
    assert torch.allclose(law(3, kappa).log_normalizer, expected, rtol=1e-13, atol=0)
    peak = law(3, kappa)
    assert torch.allclose(peak.log_prob(peak.mode), kappa - expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_divergence_of_a_small_kappa_is_kappa_squared_over_2d(dtype):
    distribution = law(4096, torch.tensor([1e-3, 1e-6], dtype=dtype), dtype)
    kl = kl_divergence(distribution, HypersphericalUniform(4096))
    expected = distribution.concentration.double().square() / 8192
    assert kl.double().tolist() == pytest.approx(expected.tolist(), rel=1e-6)


@pytest.mark.parametrize(("dim", "kappa"), [(2, 0.3), (3, 20.0), (8, 5.0), (64, 100.0)])
def test_density_and_entropy_against_scipy(dim, kappa):
    torch.manual_seed(9)
    distribution = law(dim, kappa)
    oracle = scipy.stats.vonmises_fisher(distribution.loc.numpy(), kappa)
    uniform = HypersphericalUniform(dim, dtype=torch.float64)
    values = torch.cat([distribution.sample((20,)), uniform.sample((20,))])
    assert distribution.log_prob(values).numpy() == pytest.approx(oracle.logpdf(values.numpy()), rel=1e-10)
    assert float(distribution.entropy()) == pytest.approx(float(oracle.entropy()), rel=1e-10)


@pytest.mark.parametrize(("dim", "kappa"), [(2, 3.0), (3, 1.0), (16, 50.0), (256, 1e4)])
def test_the_density_agrees_with_entropy_and_divergence(dim, kappa):
    torch.manual_seed(10)
    p, q, uniform = law(dim, kappa), law(dim, 0.7 * kappa), HypersphericalUniform(dim, dtype=torch.float64)
    draws = p.sample((DRAWS,))
    for other, exact in ((q, kl_divergence(p, q)), (uniform, kl_divergence(p, uniform))):
        ratios = p.log_prob(draws) - other.log_prob(draws)
        assert abs(float((ratios.mean() - exact) / ratios.std())) < 4 / math.sqrt(DRAWS)
    surprise = -p.log_prob(draws)
    assert abs(float((surprise.mean() - p.entropy()) / surprise.std())) < 4 / math.sqrt(DRAWS)
    assert float(uniform.entropy() - p.entropy()) == pytest.approx(float(kl_divergence(p, uniform)), rel=1e-9)


def test_float32_densities_keep_their_digits_at_large_kappa():
    torch.manual_seed(11)
    distribution = law(128, 1e5, torch.float32)
    values = distribution.sample((500,))
    loc64, values64 = normalize(distribution.loc.double(), dim=-1), normalize(values.double(), dim=-1)
    exact = VonMisesFisher(loc64, 1e5).log_prob(values64)
    assert distribution.log_prob(values).double().tolist() == pytest.approx(exact.tolist(), abs=2e-3)


def test_gradients_of_density_entropy_and_divergences():
    loc = normalize(torch.randn(3, 5, dtype=torch.float64), dim=-1)
    other = law(5, torch.tensor([0.5, 3.0, 40.0], dtype=torch.float64))
    value = other.sample()
    kappa = torch.tensor([0.3, 4.0, 300.0], dtype=torch.float64, requires_grad=True)
    functions = (
        lambda k: VonMisesFisher(loc, k).log_prob(value),
        lambda k: VonMisesFisher(loc, k).entropy(),
        lambda k: VonMisesFisher(loc, k).variance,
        lambda k: kl_divergence(VonMisesFisher(loc, k), HypersphericalUniform(5)),
        lambda k: kl_divergence(VonMisesFisher(loc, k), other),
        lambda k: kl_divergence(other, VonMisesFisher(loc, k)),
    )
    for function in functions:
        assert torch.autograd.gradcheck(function, kappa)
        assert torch.autograd.gradgradcheck(function, kappa)


@settings(max_examples=40, deadline=None)
@given(
    dim=st.integers(2, 600),
    kappas=st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)),
    seed=st.integers(0, 2**30),
)
def test_divergences_are_positive_and_zero_at_home(dim, kappas, seed):
    torch.manual_seed(seed)
    p, q = law(dim, kappas[0]), law(dim, kappas[1])
    rounding = 1e-12 * (1 + dim + kappas[1] * 1e-3)
    assert kl_divergence(p, q) >= -rounding
    assert abs(kl_divergence(p, p)) < 1e-12 * (1 + dim)
    assert kl_divergence(p, HypersphericalUniform(dim)) >= 0
    assert p.sample((2,)).norm(dim=-1).sub(1).abs().max() < 1e-13


def test_kappa_zero_is_the_uniform_law():
    torch.manual_seed(12)
    distribution, uniform = law(7, 0.0), HypersphericalUniform(7, dtype=torch.float64)
    values = uniform.sample((5,))
    assert torch.allclose(distribution.log_prob(values), uniform.log_prob(values))
    assert distribution.entropy() == uniform.entropy()
    assert torch.allclose(distribution.variance, uniform.variance)
    assert distribution.mean.norm() == 0 and uniform.mean.norm() == 0
    assert values.norm(dim=-1).tolist() == pytest.approx([1] * 5)
    assert float(HypersphericalUniform(3).entropy()) == pytest.approx(math.log(4 * math.pi))


def test_shapes_and_expand():
    distribution = VonMisesFisher(normalize(torch.randn(5, 1, 4), dim=-1), torch.ones(3))
    assert distribution.batch_shape == (5, 3) and distribution.event_shape == (4,)
    assert distribution.rsample((2,)).shape == (2, 5, 3, 4)
    assert distribution.rsample((0,)).shape == (0, 5, 3, 4)
    assert distribution.mean.shape == distribution.variance.shape == distribution.mode.shape == (5, 3, 4)
    wider = distribution.expand((2, 5, 3))
    assert wider.rsample().shape == (2, 5, 3, 4) and wider.entropy().shape == (2, 5, 3)
    assert wider.log_prob(wider.sample()).shape == (2, 5, 3)
    uniform = HypersphericalUniform(4).expand((6, 1, 1))
    assert uniform.rsample((2,)).shape == (2, 6, 1, 1, 4)
    assert uniform.log_prob(uniform.sample()).shape == (6, 1, 1)
    assert kl_divergence(distribution, uniform).shape == (6, 5, 3)


EAST = torch.tensor([1.0, 0.0])


@pytest.mark.parametrize(
    ("loc", "kappa", "message"),
    [
        (
            torch.tensor([[1.0, 0.0], [1.0, 1.0]]),
            1.0,
            r"loc: expected rows of length 1, got 1\.414214 in row 1",
        ),
        (torch.tensor([float("nan"), 0.0]), 1.0, "loc: expected rows of length 1, got nan in row 0"),
        (torch.ones(3, 1), 1.0, r"loc: expected shape \[..., d\] with d >= 2, got \[3, 1\]"),
        (torch.tensor(1.0), 1.0, r"loc: expected shape \[..., d\] with d >= 2, got \[\]"),
        (torch.tensor([1, 0]), 1.0, "loc: expected a floating dtype, got torch.int64"),
        (EAST, torch.tensor([1]), "concentration: expected a floating dtype, got torch.int64"),
        (EAST, -1.0, "concentration: expected finite values >= 0, got -1.0 in row 0"),
        (EAST, torch.tensor([1.0, float("nan")]), "concentration: .* got nan in row 1"),
        (EAST, math.inf, "concentration: .* got inf in row 0"),
        (EAST.expand(3, 2), torch.ones(4), r"broadcasts with \[3\] \(loc is \[3, 2\]\), got \[4\]"),
    ],
)
def test_refuses(loc, kappa, message):
    with pytest.raises(ValueError, match=message):
        VonMisesFisher(loc, kappa)


def test_refuses_other_spheres_and_points_off_the_sphere():
    with pytest.raises(ValueError, match="KL: expected two laws on one sphere, got dimensions 2 and 3"):
        kl_divergence(VonMisesFisher(EAST, 1.0), HypersphericalUniform(3))
    with pytest.raises(ValueError, match="within the support"):
        VonMisesFisher(EAST, 1.0).log_prob(torch.tensor([1.0, 1.0]))
    with pytest.raises(ValueError, match="dim: expected d >= 2, got 1"):
        HypersphericalUniform(1)
    with pytest.raises(ValueError, match="dtype: expected a floating dtype, got torch.int64"):
        HypersphericalUniform(3, dtype=torch.int64)
    assert VonMisesFisher(2 * EAST, 1.0, validate_args=False).loc[0] == 2


@pytest.mark.parametrize("dim", [2, 3, 8, 100])
@pytest.mark.parametrize("kappa", [0.0, 1e-3, 1.0, 50.0])
def test_divergence_from_the_uniform_law(dim: int, kappa: float) -> None:
    """KL(u || q) = -log A - E_u log q, with E_u log q = -log Z_q: by mpmath's Bessel functions."""
    import mpmath
    from torch.distributions import kl_divergence

    mu = torch.eye(dim, dtype=torch.float64)[0]
    uniform = HypersphericalUniform(dim, dtype=torch.float64)
    found = float(kl_divergence(uniform, VonMisesFisher(mu, torch.tensor(kappa, dtype=torch.float64))))
    with mpmath.workdps(40):
        v, x = mpmath.mpf(dim) / 2 - 1, mpmath.mpf(kappa)
        expected = mpmath.log(mpmath.gamma(v + 1) * (2 / x) ** v * mpmath.besseli(v, x)) if kappa else mpmath.mpf(0)
    assert found == pytest.approx(float(expected), rel=1e-12, abs=1e-300)
    assert float(kl_divergence(uniform, HypersphericalUniform(dim, dtype=torch.float64))) == 0.0


def test_a_column_of_concentrations_is_refused() -> None:
    """[B, 1] beside B rows would broadcast to a batch of [B, B]."""
    mu = torch.eye(3)
    with pytest.raises(ValueError, match=r"expected \[3\], one for each row of loc, got \[3, 1\]"):
        VonMisesFisher(mu, torch.ones(3, 1))
    assert VonMisesFisher(mu[:, None], torch.ones(1, 4)).batch_shape == (3, 4), "what is asked for is broadcast"


def test_vmap_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="torch.vmap is not supported; give the whole batch at once"):
        torch.vmap(lambda mu, kappa: VonMisesFisher(mu, kappa).entropy())(torch.eye(3), torch.ones(3))


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # dynamo's own, after a break
@pytest.mark.parametrize(
    "quantity",
    [
        lambda mu, kappa: VonMisesFisher(mu, kappa).entropy(),
        lambda mu, kappa: VonMisesFisher(mu, kappa).log_prob(mu.roll(1, 0)),
        lambda mu, kappa: VonMisesFisher(mu, kappa).rsample(),
        lambda mu, kappa: VonMisesFisher(mu, kappa).variance,
        lambda mu, kappa: kl_divergence(VonMisesFisher(mu, kappa), VonMisesFisher(mu.roll(1, 0), kappa)),
        lambda mu, kappa: rotate(VonMisesFisher(mu, 3.0).rsample(), mu, mu.roll(1, 0)) * kappa[:, None],
    ],
)
def test_compiled_functions_give_the_same_values_and_gradients(quantity: Callable[[Tensor, Tensor], Tensor]) -> None:
    """torch.compile breaks its graph at what it cannot trace, and traces the rest."""
    found = []
    for run in (quantity, torch.compile(quantity, backend="aot_eager")):
        torch.manual_seed(1)
        mu = normalize(torch.randn(5, 8, dtype=torch.float64), dim=-1).requires_grad_()
        kappa = torch.tensor([0.0, 1e-3, 1.0, 30.0, 1e4], dtype=torch.float64, requires_grad=True)
        value = run(mu, kappa)
        gradients = torch.autograd.grad(value.square().sum(), (mu, kappa), allow_unused=True, materialize_grads=True)
        found.append((value, *gradients))
    for eager, compiled in zip(*found, strict=True):
        torch.testing.assert_close(compiled, eager, rtol=1e-12, atol=1e-12)


def test_a_whole_graph_is_refused_in_words() -> None:
    mu = torch.eye(3)
    compiled = torch.compile(lambda kappa: VonMisesFisher(mu, kappa, validate_args=False).entropy(), fullgraph=True)
    with pytest.raises(torch._dynamo.exc.Unsupported, match="Bessel functions are not traced"):
        compiled(torch.ones(3))
