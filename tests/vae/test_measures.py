"""What is measured on held-out sentences, against double loops, SciPy and Monte Carlo."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import vonmises_fisher
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence
from torch.nn import functional as F

from rosphere.sphere.distributions import VonMisesFisher
from rosphere.vae import measures
from rosphere.vae.measures import active_directions, active_units, mutual_information
from rosphere.vae.objective import elbo
from tests.tiny import shaken
from tests.vae.models import KINDS, model, parts, sentences


@pytest.mark.parametrize(("latent", "kappa"), [(4, 20.0), (16, 5.0), (32, 100.0)])
def test_the_measured_kl_is_the_closed_form_within_its_error(latent: int, kappa: float) -> None:
    found, batch, draws = shaken(model(latent=latent, kappa=kappa)), sentences(), 500
    posterior = found.posterior(batch)
    assert isinstance(posterior, VonMisesFisher)
    closed = float(kl_divergence(posterior, found.prior()).mean().detach())
    error = kappa * math.sqrt(float(posterior.variance_along_mean[0]) / (draws * 20))
    measured = measures.measure(found, [batch], draws=draws)
    assert abs(measured["kl"] - closed) <= 5 * error
    assert error < 0.02 * closed
    assert measured["kl_closed_form"] == pytest.approx(closed, rel=1e-6)


def test_the_kl_of_a_learned_kappa_varies_and_is_measured_as_it_is() -> None:
    found, batch = shaken(model(kappa="learned", latent=8)), sentences()
    posterior = found.posterior(batch)
    each = kl_divergence(posterior, found.prior()).detach().double()
    measured = measures.measure(found, parts(batch, 6), draws=500)
    assert measured["kl_closed_form"] == pytest.approx(float(each.mean()), rel=1e-6)
    assert measured["kl_std"] == pytest.approx(float(each.std(correction=0)), rel=1e-5)
    assert measured["kl_std"] > 0.05
    spread = (posterior.concentration.square() * posterior.variance_along_mean).detach().mean().sqrt()
    assert abs(measured["kl"] - float(each.mean())) <= 5 * float(spread) / math.sqrt(500 * 20)


def test_the_gaussian_kl_is_the_textbook_formula_and_the_measured_one() -> None:
    found, batch = shaken(model("gaussian")), sentences()
    posterior = found.posterior(batch)
    mu, variance = posterior.mean.detach(), posterior.variance.detach()
    by_hand = 0.5 * (mu.square() + variance - 1 - variance.log()).sum(-1)
    torch.testing.assert_close(elbo(found, batch)["kl"].detach(), by_hand.mean(), rtol=1e-5, atol=0)
    # log q - log p has variance sum_i (1 - s)^2 / 2 + mu^2 s for variances s.
    spread = (0.5 * (1 - variance).square() + mu.square() * variance).sum(-1)
    error = math.sqrt(float(spread.mean()) / (500 * 20))
    assert abs(measures.measure(found, [batch], draws=500)["kl"] - float(by_hand.mean())) <= 5 * error


# --- mutual information


def double_loop(densities_of: Any, z: np.ndarray) -> float:
    """densities_of(i) gives log q(z|x_i) at all z."""
    rows = np.stack([densities_of(i) for i in range(len(z))], axis=1)
    total = 0.0
    for i, row in enumerate(rows):
        mean = math.fsum(math.exp(value - row.max()) for value in row) / len(row)
        total += row[i] - row.max() - math.log(mean)
    return total / len(z)


@pytest.mark.parametrize("kappas", [torch.full((20,), 4.0), torch.linspace(1, 30, 20)])
@pytest.mark.parametrize("size", [6, 20])
def test_mutual_information_on_the_sphere_is_scipys_densities_in_a_double_loop(size: int, kappas: Tensor) -> None:
    """Each sentence with its own normaliser."""
    mu = F.normalize(torch.randn(20, 3).double(), dim=-1)
    posteriors = [VonMisesFisher(*each) for each in zip(mu.split(size), kappas.double().split(size), strict=True)]
    drawn = [posterior.sample() for posterior in posteriors]
    own, z = torch.cat([p.log_prob(part) for p, part in zip(posteriors, drawn, strict=True)]), torch.cat(drawn)
    laws = [vonmises_fisher(m, k) for m, k in zip(mu.numpy(), kappas.tolist(), strict=True)]
    value = mutual_information(posteriors, z, own)
    assert value == pytest.approx(double_loop(lambda i: laws[i].logpdf(z.numpy()), z.numpy()), abs=1e-9)
    assert 0.01 < value <= math.log(20)


def test_mutual_information_of_gaussians_is_the_double_loop() -> None:
    found, batch = shaken(model("gaussian", latent=3)), sentences()
    with torch.no_grad():
        posteriors = [found.posterior(part) for part in parts(batch, 6)]
        drawn = [posterior.sample() for posterior in posteriors]
        own, z = torch.cat([p.log_prob(part) for p, part in zip(posteriors, drawn, strict=True)]), torch.cat(drawn)
        whole = found.posterior(batch)
    singles = [Independent(Normal(whole.mean[i], whole.stddev[i]), 1) for i in range(20)]
    expected = double_loop(lambda i: singles[i].log_prob(z).numpy(), z.numpy())
    assert mutual_information(posteriors, z, own) == pytest.approx(expected, abs=1e-4)


def test_measure_gives_the_information_of_a_learned_kappa() -> None:
    """Against this module's own double loop over densities, with draws as sharp as the model's are."""
    found, batch = shaken(model(kappa="learned", latent=3)), sentences()
    values = [measures.measure(found, parts(batch, 7), draws=1)["mutual_information"] for _ in range(200)]
    posterior = found.posterior(batch)
    z = posterior.sample((200,))
    rows = posterior.log_prob(z[:, :, None]).detach().double()
    expected = (posterior.log_prob(z).detach() - rows.logsumexp(2) + math.log(20)).mean(1)
    error = math.hypot(np.std(values), float(expected.std())) / math.sqrt(200)
    assert abs(np.mean(values) - float(expected.mean())) < 5 * error < 0.1


def test_without_its_normaliser_a_learned_kappa_would_give_another_value() -> None:
    """The trap: normalisers cancel for one kappa and do not for two."""
    kappas = torch.tensor([2.0, 200.0])
    posterior = VonMisesFisher(torch.eye(3)[:2], kappas)
    z = torch.eye(3)[:2]
    log_z = [math.log(2 * math.pi * (1 - math.exp(-2 * k)) / k) for k in kappas.tolist()]  # of e^{kappa(w - 1)} on S²
    rows = [[-log_z[0], -200.0 - log_z[1]], [-2.0 - log_z[0], -log_z[1]]]
    expected = np.mean([row[i] - (np.logaddexp(*row) - math.log(2)) for i, row in enumerate(rows)])
    assert mutual_information([posterior], z, posterior.log_prob(z)) == pytest.approx(expected, abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 30), kappa=st.floats(0.1, 5000), seed=st.integers(0, 10**6))
def test_mutual_information_is_at_most_log_n(count: int, kappa: float, seed: int) -> None:
    torch.manual_seed(seed)
    posterior = VonMisesFisher(F.normalize(torch.randn(count, 5), dim=-1), kappa, validate_args=False)
    z = posterior.sample()
    assert mutual_information([posterior], z, posterior.log_prob(z)) <= math.log(count) + 1e-5


def test_mutual_information_of_posteriors_all_alike_and_all_apart() -> None:
    alike = VonMisesFisher(torch.eye(4)[:1].expand(10, -1), 50.0)
    z = alike.sample()
    assert mutual_information([alike], z, alike.log_prob(z)) == pytest.approx(0.0, abs=1e-5)
    apart = VonMisesFisher(torch.eye(8), 1000.0)
    z = apart.sample()
    assert mutual_information([apart], z, apart.log_prob(z)) == pytest.approx(math.log(8), abs=1e-5)


# --- the rest


def test_measure_does_not_depend_on_the_batches_and_bounds_the_perplexity() -> None:
    found, batch = shaken(model("gaussian")), sentences()
    found.head.log_variance.bias.data -= 40  # next to no noise: all figures but the densities are those of the means
    whole, pieces = measures.measure(found, [batch], draws=2), measures.measure(found, parts(batch, 5), draws=2)
    with torch.no_grad():
        nll, hits = found.reconstruction(found.posterior(batch).mean, batch)
    tokens = int(batch.keep_BL.sum()) - 20
    for measured in (whole, pieces):
        assert measured["sentences"] == 20
        assert measured["reconstruction"] == pytest.approx(float(nll.mean()), rel=1e-4)
        assert measured["token_accuracy"] == pytest.approx(float(hits.sum()) / tokens)
        bound = math.exp((measured["reconstruction"] + measured["kl"]) * 20 / tokens)
        assert measured["bound_ppl"] == pytest.approx(bound, rel=1e-5)
        assert measured["mutual_information"] == pytest.approx(math.log(20), abs=1e-4)
    assert not found.training


@pytest.mark.parametrize(("kind", "scale"), [("vmf", 6**-0.5), ("gaussian", 1.0)])
def test_active_units_are_counted_on_the_priors_scale(kind: str, scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two coordinates vary by 0.02 and 0.5 of the prior's variance, one by 0.005, three not at all."""
    found, batch = model(kind), sentences(20)
    signs = torch.tensor([-1.0, 1.0]).repeat(10)[:, None] * math.sqrt(19 / 20)  # variance 1 over 20 sentences
    means = scale * signs * torch.tensor([0.02, 0.5, 0.005, 0.0, 0.0, 0.0]).sqrt()
    monkeypatch.setattr(found, "posterior", lambda batch: Independent(Normal(means, torch.ones(6)), 1))
    monkeypatch.setattr(found, "prior", lambda: Independent(Normal(torch.zeros(6), torch.ones(6)), 1))
    measured = measures.measure(found, [batch])
    assert (measured["active_units"], measured["active_directions"]) == (2, 1)  # the coordinates move as one


@pytest.mark.parametrize("kind", KINDS)
def test_a_rotation_of_the_latent_changes_units_and_not_directions(kind: str) -> None:
    scale = 8**-0.5 if kind == "vmf" else 1.0
    means = scale * torch.cat((torch.randn(200, 2), torch.zeros(200, 6)), dim=1)
    turn = torch.linalg.qr(torch.randn(8, 8)).Q
    unit = scale**2
    assert (active_units(means, unit), active_directions(means, unit)) == (2, 2)
    assert (active_units(means @ turn, unit), active_directions(means @ turn, unit)) == (8, 2)


def test_the_prior_of_the_sphere_has_the_variance_that_units_are_measured_by() -> None:
    drawn = model(latent=50).prior().sample((20000,))
    torch.testing.assert_close(drawn.var(0), torch.full((50,), 1 / 50), rtol=0.1, atol=0)
    assert active_units(drawn, 1 / 50) == active_directions(drawn, 1 / 50) == 50
