"""Minus the ELBO and its regularizers, against formulas written out and values on paper."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from rosphere.errors import InputError
from rosphere.sphere.distributions import VonMisesFisher
from rosphere.vae import objective
from rosphere.vae.decoder import FreshDecoder
from rosphere.vae.model import Shape
from rosphere.vae.objective import ELBO, Objective, elbo
from rosphere.vae.sentences import Sentences
from rosphere.vae.variants import Regularizers, Variant, variant
from tests.tiny import shaken
from tests.vae.models import KINDS, model, sentences


def test_the_closed_form_kl_literal() -> None:
    """KL(vMF_4(20) || uniform) = 3.258385, for every sentence the same."""
    found = shaken(model(latent=4))
    kl = kl_divergence(found.posterior(sentences()), found.prior())
    torch.testing.assert_close(kl, torch.full((20,), 3.258385), rtol=0, atol=2e-6)


@pytest.mark.parametrize("kappa", [20.0, "learned"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_minus_the_elbo(kind: str, kappa: float) -> None:
    found, batch = shaken(model(kind, kappa=kappa)), sentences()
    terms = {name: float(value.detach()) for name, value in elbo(found, batch).items()}
    assert terms["loss"] == pytest.approx(terms["reconstruction"] + terms["kl"], rel=1e-6)
    assert terms["kl"] > 0.1


def test_the_weight_of_an_annealed_kl() -> None:
    assert [Objective(annealing=0.5).weight(t) for t in (0.0, 0.1, 0.25, 0.5, 0.9)] == [0.0, 0.2, 0.5, 1.0, 1.0]
    assert [ELBO.weight(t) for t in (0.0, 0.9)] == [1.0, 1.0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_share_of_the_run_comes_with_the_batch(kind: str) -> None:
    found, rows = shaken(model(kind)), Sentences([[2, 7, 8, 3], [2, 9, 3]], 0)
    batch = rows.training_batch(3, of=12, size=5, seed=1)
    assert batch.done == 0.25 and batch.to(torch.device("cpu")).done == 0.25
    terms = elbo(found, batch, Objective(annealing=0.5))
    torch.testing.assert_close(terms["loss"], terms["reconstruction"] + 0.5 * terms["kl"])
    assert torch.equal(batch.ids_BL, rows.training_batch(3, of=99, size=5, seed=1).ids_BL)


def test_free_bits_literal() -> None:
    """Two sentences, three coordinates of mean KL 0.25, 0.01 and 2, against 0.1 nats."""
    mean = torch.tensor([[1.0, 0.0, 2.0], [0.0, math.sqrt(0.04), -2.0]])
    posterior = Independent(Normal(mean, torch.ones(2, 3)), 1)
    torch.testing.assert_close(objective.free(posterior, 0.1), torch.tensor(0.25 + 0.1 + 2.0))
    torch.testing.assert_close(objective.free(posterior, 0.0), torch.tensor(0.25 + 0.01 + 2.0))


def test_coordinates_within_their_free_bits_have_no_gradient() -> None:
    mean = torch.tensor([[0.1, 2.0], [0.2, 1.0]], requires_grad=True)
    objective.free(Independent(Normal(mean, torch.ones(2, 2)), 1), 0.1).backward()
    assert mean.grad is not None
    torch.testing.assert_close(mean.grad, torch.tensor([[0.0, 1.0], [0.0, 0.5]]))


def test_free_bits_of_zero_are_the_kl_and_more_cost_more() -> None:
    found, batch = shaken(model("gaussian")), sentences()
    posterior = found.posterior(batch)
    kl = kl_divergence(posterior, found.prior()).mean()
    torch.testing.assert_close(objective.free(posterior, 0.0), kl)
    terms = elbo(found, batch, Objective(free_bits=50.0))
    torch.testing.assert_close(terms["loss"] - terms["reconstruction"], torch.tensor(6 * 50.0))
    torch.testing.assert_close(terms["kl"], kl)


def test_free_bits_of_a_sphere_are_refused() -> None:
    found = model()
    with pytest.raises(InputError, match="free_bits: expected a Gaussian"):
        elbo(found, sentences(), Objective(free_bits=0.1))


@pytest.mark.parametrize(("key", "value"), [("annealing", 1.5), ("annealing", -0.1), ("free_bits", -1.0)])
def test_what_is_no_objective_is_refused(key: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{key}: expected"):
        Objective(**{key: value})


def test_the_variants() -> None:
    shape = Shape(kind="vmf", latent=8, kappa=50.0, word_dropout=0.3)
    regularizers, fresh = Regularizers(annealing=0.25, free_bits=0.2, gamma=0.7), FreshDecoder(layers=1, width=32)
    found = {name: variant(name, shape, regularizers, fresh) for name in Variant.__args__}
    assert {name: (each.kind, each.kappa, each.gamma) for name, (each, _) in found.items()} == {
        "vmf": ("vmf", 50.0, None),
        "vmf_fresh": ("vmf", 50.0, None),
        "gaussian": ("gaussian", 50.0, None),
        "gaussian_annealed": ("gaussian", 50.0, None),
        "gaussian_free_bits": ("gaussian", 50.0, None),
        "gaussian_bn": ("gaussian", 50.0, 0.7),
        "vmf_learned": ("vmf", "learned", None),
    }
    changed = {name: each for name, (_, each) in found.items() if each != ELBO}
    assert changed == {"gaussian_annealed": Objective(annealing=0.25), "gaussian_free_bits": Objective(free_bits=0.2)}
    assert all((each.latent, each.word_dropout) == (8, 0.3) for each, _ in found.values())
    assert {name for name, (each, _) in found.items() if each.fresh_decoder == fresh} == {"vmf_fresh"}


def test_free_bits_as_the_vmf_are_its_kl_in_all() -> None:
    """KL(vMF_4(20) || uniform) = 3.258385 and KL(vMF_64(32) || uniform) = 6.051146, over as many coordinates."""
    for latent, kappa, nats in ((4, 20.0, 3.258385), (64, 32, 6.051146)):
        shape = Shape(kind="vmf", latent=latent, kappa=kappa, word_dropout=0.0)
        _, found = variant(
            "gaussian_free_bits", shape, Regularizers(free_bits="as_vmf"), FreshDecoder(layers=1, width=8)
        )
        assert found.free_bits * latent == pytest.approx(nats, abs=1e-6)
    with pytest.raises(InputError, match="free_bits: as_vmf is the KL of a fixed kappa"):
        Regularizers(free_bits="as_vmf").nats(Shape(kind="vmf", latent=4, kappa="learned", word_dropout=0.0))


def test_a_spherical_posterior_has_no_weight_to_vanish() -> None:
    """Whatever the weights are, the KL of a fixed kappa is where it was."""
    found, batch = model(latent=8, kappa=20.0), sentences()
    before = elbo(found, batch)["kl"].item()
    shaken(found).head.location.weight.data *= 1e-3
    assert elbo(found, batch)["kl"].item() == pytest.approx(before, rel=1e-6) == pytest.approx(4.485986, abs=1e-5)
    assert isinstance(found.posterior(batch), VonMisesFisher)
