"""Importance-weighted likelihoods, against marginal likelihoods that are known exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import i0e, i1e, logsumexp
from scipy.stats import multivariate_normal
from torch import Tensor
from torch.distributions import Categorical, Independent, MultivariateNormal, Normal
from torch.nn import functional as F

from rosphere.sphere.distributions import HypersphericalUniform, VonMisesFisher
from rosphere.vae import measures
from rosphere.vae.decoding import decode, reconstruct
from rosphere.vae.likelihood import effective_draws, log_marginal, log_weights, measure_likelihood
from rosphere.vae.model import SentenceVAE
from rosphere.vae.objective import elbo
from rosphere.vae.sentences import Batch
from tests.tiny import shaken
from tests.vae.models import CLS, KINDS, SEP, model, parts, sentences

# --- x = W z + b + noise, z ~ N(0, I): log p(x) = log N(x; b, W W' + s² I)


class Linear:
    def __init__(self) -> None:
        self.weight, self.bias, self.noise = torch.randn(5, 3).double(), torch.randn(5).double(), 0.7
        self.prior = Independent(Normal(torch.zeros(3).double(), torch.ones(3).double()), 1)
        self.x = self.prior.sample((4,)) @ self.weight.T + self.bias + self.noise * torch.randn(4, 5).double()

    def seen(self, z_MD: Tensor, which_M: Tensor) -> Tensor:
        mean = z_MD @ self.weight.T + self.bias
        return Independent(Normal(mean, self.noise), 1).log_prob(self.x[which_M])

    def exact(self) -> Tensor:
        covariance = (self.weight @ self.weight.T).numpy() + self.noise**2 * np.eye(5)
        return torch.from_numpy(multivariate_normal(self.bias.numpy(), covariance).logpdf(self.x.numpy()))

    def posterior(self) -> MultivariateNormal:
        precision = torch.eye(3).double() + self.weight.T @ self.weight / self.noise**2
        mean = torch.linalg.solve(precision, self.weight.T @ (self.x - self.bias).T / self.noise**2).T
        return MultivariateNormal(mean, precision_matrix=precision.expand(4, 3, 3))


def test_a_linear_gaussian_model_exactly() -> None:
    """From the true posterior every single weight is p(x)."""
    toy = Linear()
    weights = log_weights(toy.seen, toy.posterior(), toy.prior, draws=3)
    torch.testing.assert_close(weights, toy.exact().expand(3, 4), rtol=1e-10, atol=0)
    torch.testing.assert_close(effective_draws(weights), torch.full((4,), 3.0).double(), rtol=1e-9, atol=0)


def test_a_linear_gaussian_model_from_another_proposal() -> None:
    toy = Linear()
    true = toy.posterior()
    wrong = MultivariateNormal(true.mean + 0.2, covariance_matrix=2 * true.covariance_matrix)
    weights = log_weights(toy.seen, wrong, toy.prior, draws=20000)
    found = log_marginal(weights)
    spread = ((weights - toy.exact()).exp().std(0) / math.sqrt(20000)).max()
    assert spread < 0.02
    torch.testing.assert_close(found, toy.exact(), rtol=0, atol=5 * float(spread))
    bound = weights.mean(0)
    assert (bound < toy.exact() - 0.1).all(), "the ELBO is below by KL(q || true posterior)"


# --- on the circle, by numerical integration over the angle


@pytest.mark.parametrize("kappa", [0.5, 2.0, 5.0])
def test_a_model_on_the_circle_by_numerical_integration(kappa: float) -> None:
    """p(x|z) = softmax(3 V z)_x, z uniform on S¹: p(x) = 1/2pi times the integral over the angle.

    A larger kappa would be as right and take more draws: its weights have a longer tail.
    """
    vectors = 3 * torch.randn(6, 2).double()
    x = torch.arange(6)
    grid = 2 * math.pi * np.arange(4000) / 4000
    circle = np.stack((np.cos(grid), np.sin(grid)), axis=1)
    scores = circle @ vectors.numpy().T
    exact = logsumexp(scores - logsumexp(scores, axis=1, keepdims=True), axis=0) - math.log(4000)

    def seen(z_MD: Tensor, which_M: Tensor) -> Tensor:
        return Categorical(logits=z_MD @ vectors.T).log_prob(x[which_M])

    posterior = VonMisesFisher(F.normalize(vectors, dim=-1), kappa)
    weights = log_weights(seen, posterior, HypersphericalUniform(2), draws=40000, batch_size=12000)
    spread = (weights - torch.from_numpy(exact)).exp().std(0) / math.sqrt(40000)
    found = log_marginal(weights)
    assert ((found - torch.from_numpy(exact)).abs() <= 5 * spread + 1e-9).all()
    assert float(spread.min()) < 0.02


def marginal_by_integration(found: SentenceVAE, batch: Batch, points: int = 600) -> np.ndarray:
    grid = 2 * math.pi * torch.arange(points) / points
    circle = torch.stack((grid.cos(), grid.sin()), dim=1)
    with torch.no_grad():
        seen = [-found.reconstruction(z.expand(len(batch.ids_BL), 2), batch)[0] for z in circle]
    return logsumexp(torch.stack(seen).double().numpy(), axis=0) - math.log(points)


@pytest.mark.parametrize("kappa", [1.0, "learned"])
def test_a_text_vae_on_the_circle_by_numerical_integration(kappa: float) -> None:
    found, batch = shaken(model(latent=2, kappa=kappa)), sentences(6)
    exact = marginal_by_integration(found, batch)
    measured = measure_likelihood(found, parts(batch, 4), draws=2000, batch_size=500)
    assert measured["nll"] == pytest.approx(-exact.mean(), abs=0.05)
    assert measured["ppl"] == pytest.approx(math.exp(-exact.sum() / batch.tokens), rel=0.02)
    assert measured["nll_bound"] > measured["nll"] + 0.05
    assert 1 <= measured["effective_draws"] <= 2000
    assert (measured["importance_sentences"], measured["importance_draws"]) == (6, 2000)


@pytest.mark.parametrize("kind", KINDS)
def test_the_bound_of_the_draws_is_the_elbo(kind: str) -> None:
    found, batch = shaken(model(kind, latent=3, kappa=5.0)), sentences(8)
    measured = measure_likelihood(found, [batch], draws=2000)
    with torch.no_grad():
        losses = torch.stack([elbo(found, batch)["loss"] for _ in range(300)])
    error = 8 * float(losses.std()) / math.sqrt(300)  # of both, with room: the Monte Carlo KL has noise of its own
    assert measured["nll_bound"] == pytest.approx(float(losses.mean()), abs=error)
    assert error < 0.02 * measured["nll_bound"]


def test_more_draws_are_never_asked_for_at_once_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found, batch, seen = shaken(model()), sentences(7), []
    real = found.reconstruction

    def watched(z: Tensor, some: Batch) -> tuple[Tensor, Tensor]:
        seen.append(len(z))
        return real(z, some)

    monkeypatch.setattr(found, "reconstruction", watched)
    measure_likelihood(found, [batch], draws=10, batch_size=30)
    assert seen == [28, 28, 14]
    seen.clear()
    measure_likelihood(found, [batch], draws=2, batch_size=3)
    assert seen == [7, 7], "a batch is not cut"


# --- the closed form KL on the circle


@pytest.mark.parametrize("kappa", [0.3, 2.0, 50.0])
def test_the_kl_on_the_circle_against_scipy(kappa: float) -> None:
    """kappa I_1/I_0 - log I_0."""
    found = model(latent=2, kappa=kappa)
    measured = measures.measure(found, [sentences(5)])
    expected = kappa * i1e(kappa) / i0e(kappa) - math.log(i0e(kappa)) - kappa
    assert measured["kl_closed_form"] == pytest.approx(expected, rel=1e-5)
    assert measured["kl_std"] == pytest.approx(0.0, abs=1e-7)


def test_reconstructions_are_decoded_greedily_from_the_means_and_no_longer_than_twice() -> None:
    found, batch = shaken(model()), sentences(9)
    with torch.no_grad():
        written = decode(found, found.posterior(batch).mean, cls=CLS, sep=SEP, max_length=40)
    short = [row[: 2 * batch.ids_BL.shape[1]] for row in written]
    assert reconstruct(found, [batch], cls=CLS, sep=SEP) == short
    ids = batch.ids_BL.tolist()
    assert batch.words() == [row[1 : row.index(SEP)] for row in ids]
