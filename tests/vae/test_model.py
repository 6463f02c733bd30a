"""The VAE's parts: posteriors, priors, a causal decoder, gradients at every kappa."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import kl_divergence
from torch.nn import functional as F

from rosphere.errors import InputError, Interrupted
from rosphere.sphere.distributions import HypersphericalUniform, VonMisesFisher
from rosphere.training.schedule import Schedule
from rosphere.vae import heads, training
from rosphere.vae.decoding import decode
from rosphere.vae.objective import ELBO, Objective, elbo
from rosphere.vae.sentences import Batch, Sentences
from tests.tiny import shaken
from tests.vae.models import CLS, KINDS, MASK, PAD, PLACES, SEP, VOCABULARY, model, sentences

# --- posterior and prior


def test_a_learned_kappa_is_the_formula_for_each_sentence_and_begins_at_the_dimension() -> None:
    found, batch = model(kappa="learned", latent=8), sentences()
    pooled = torch.randn(20, 24)
    assert isinstance(found.head, heads.SphericalHead)
    begun = found.head.concentration(torch.zeros(1, 24)).item()
    assert begun == pytest.approx(1 + 9999 * 8 / (9999 + 8))
    shaken(found)
    with torch.no_grad():
        linear = (pooled @ found.head.spread.weight[0] + found.head.spread.bias).double()
        s = 8 * torch.log1p(linear.exp())
        expected = 1 + 9999 * s / (9999 + s)
        torch.testing.assert_close(found.head.concentration(pooled).double(), expected, rtol=1e-5, atol=0)
        posterior = found.posterior(batch)
    assert isinstance(posterior, VonMisesFisher)
    assert posterior.concentration.unique().numel() == 20


def test_a_kappa_may_be_a_whole_number() -> None:
    posteriors = [model(kappa=kappa).eval().posterior(sentences()) for kappa in (20, 20.0)]
    z, same = (posterior.log_prob(posteriors[0].mean) for posterior in posteriors)
    assert torch.equal(z, same)


@settings(max_examples=30, deadline=None)
@given(value=st.floats(-1e6, 1e6))
def test_a_learned_kappa_keeps_to_its_bounds_and_has_a_gradient(value: float) -> None:
    head = heads.SphericalHead(1, 16, "learned")
    head.spread.weight.data.fill_(1.0)
    kappa = head.concentration(torch.tensor([[value]]))
    assert heads.LEAST <= kappa.item() <= heads.MOST
    if abs(value) < 50:
        (slope,) = torch.autograd.grad(kappa.sum(), [head.spread.bias])
        assert slope.item() > 0


def test_kappa_gets_its_gradient_through_the_draw_and_through_the_kl() -> None:
    found, batch = shaken(model(kappa="learned", latent=8)), sentences()
    bias = found.head.spread.bias
    posterior = found.posterior(batch)
    nll, _ = found.reconstruction(posterior.rsample(), batch)
    (from_draws,) = torch.autograd.grad(nll.mean(), [bias], retain_graph=True)
    (from_kl,) = torch.autograd.grad(kl_divergence(posterior, found.prior()).mean(), [bias])
    assert from_draws.abs().item() > 1e-6
    assert from_kl.item() > 1e-3, "a larger kappa costs more"


@pytest.mark.parametrize("kappa", [0.0, -1.0, math.nan, "learnt"])
def test_what_is_no_kappa_is_refused(kappa: Any) -> None:
    with pytest.raises(InputError, match="kappa: expected a number above 0 or 'learned', got"):
        model(kappa=kappa)


def test_what_no_model_can_have_is_refused() -> None:
    with pytest.raises(InputError, match="gamma: expected a Gaussian"):
        model(gamma=0.5)
    with pytest.raises(InputError, match="word_dropout: expected a share"):
        model(word_dropout=1.0)


def test_the_priors() -> None:
    assert isinstance(model(latent=7).prior(), HypersphericalUniform)
    drawn = model(latent=7).prior().sample((100,))
    torch.testing.assert_close(drawn.norm(dim=-1), torch.ones(100))
    gaussian = model("gaussian", latent=7).prior()
    assert (gaussian.mean.tolist(), gaussian.variance.tolist()) == ([0.0] * 7, [1.0] * 7)


def test_normalised_means_are_the_formula_in_training_and_the_running_one_after_it() -> None:
    found, batch = model("gaussian", gamma=0.6), sentences(40)
    assert isinstance(found.head, heads.GaussianHead)
    found.head.shift.data = torch.linspace(-1, 1, 6)
    means = found.train().posterior(batch).mean.detach()
    torch.testing.assert_close(means.mean(0), found.head.shift.data, rtol=0, atol=1e-5)
    torch.testing.assert_close(means.std(0, correction=0), torch.full((6,), 0.6), rtol=5e-3, atol=0)
    for _ in range(200):
        found.posterior(batch)
    held = found.eval().posterior(batch).mean.detach()
    torch.testing.assert_close(held, means, rtol=0, atol=0.02)
    alone = found.posterior(batch.rows(torch.tensor([3]))).mean.detach()
    torch.testing.assert_close(alone[0], held[3], rtol=0, atol=1e-5)


def test_normalised_means_bound_the_kl_from_below() -> None:
    """(D gamma² + |beta|²) / 2, whatever the weights; here the weights are those of a collapsed posterior."""
    found, batch = model("gaussian", gamma=0.6), sentences(40)
    found.head.location.weight.data *= 1e-2
    found.head.log_variance.weight.data.zero_()
    found.head.log_variance.bias.data.zero_()
    kl = elbo(found.train(), batch)["kl"].item()
    assert kl == pytest.approx(0.5 * 6 * 0.36, rel=0.05)
    found.head.gamma = None
    assert elbo(found, batch)["kl"].item() < 0.1


# --- the decoder


def test_the_reconstruction_is_the_sum_over_tokens_and_the_end() -> None:
    """Sentence by sentence without padding, and token by token."""
    for at in PLACES:
        found, batch = shaken(model(latent_at=at)), sentences(5)
        z = found.prior().sample((5,))
        with torch.no_grad():
            nll, hits = found.reconstruction(z, batch)
            for row in range(5):
                ids = batch.ids_BL[row, : int(batch.keep_BL[row].sum())]
                expected, right = 0.0, []
                for place in range(1, len(ids)):
                    logits = found.logits(z[row : row + 1], ids[None, :place], torch.ones(1, place))[0, -1]
                    expected -= float(logits.log_softmax(-1)[ids[place]])
                    right.append(bool(logits.argmax() == ids[place]))
                assert float(nll[row]) == pytest.approx(expected, abs=1e-4)
                assert hits[row].tolist() == right + [False] * (hits.shape[1] - len(right))


@settings(max_examples=15, deadline=None)
@given(
    place=st.integers(1, 7),
    token=st.integers(5, VOCABULARY - 1),
    latent_seed=st.integers(0, 99),
    at=st.sampled_from(PLACES),
)
def test_the_decoder_is_causal(place: int, token: int, latent_seed: int, at: str) -> None:
    found = shaken(model(latent_at=at))
    z = F.normalize(torch.randn(1, 6, generator=torch.Generator().manual_seed(latent_seed)), dim=-1)
    ids = torch.tensor([[CLS, 5, 6, 7, 8, 9, 10, 11]])
    changed = ids.clone()
    changed[0, place] = token
    keep = torch.ones_like(ids)
    with torch.no_grad():
        one, other = found.logits(z, ids, keep), found.logits(z, changed, keep)
    torch.testing.assert_close(one[:, :place], other[:, :place], rtol=0, atol=1e-5)
    if token != ids[0, place]:
        assert (one[:, place:] - other[:, place:]).abs().max() > 1e-3


@pytest.mark.parametrize("at", PLACES)
def test_the_decoder_hears_the_latent(at: str) -> None:
    found, ids = shaken(model(latent_at=at)), torch.tensor([[CLS, 5, 6]])
    a, b = F.normalize(torch.randn(2, 1, 6), dim=-1)
    with torch.no_grad():
        gap = found.logits(a, ids, torch.ones_like(ids)) - found.logits(b, ids, torch.ones_like(ids))
    assert (gap.abs().amax(-1) > 1e-2).all()  # at every place


def test_the_latent_enters_every_layer() -> None:
    """Each of the maps alone moves the logits; with the input alone there is one map."""
    found, ids = shaken(model(latent_at="every_layer")), torch.tensor([[CLS, 5, 6]])
    keep, (a, b) = torch.ones_like(ids), F.normalize(torch.randn(2, 1, 6), dim=-1)
    enter = found.decoder.enter
    whole = enter.weight.data.clone()
    assert whole.shape == (2 * 32, 6)
    for number in range(2):
        enter.weight.data.zero_()
        enter.weight.data[32 * number : 32 * (number + 1)] = whole[32 * number : 32 * (number + 1)]
        with torch.no_grad():
            assert (found.logits(a, ids, keep) - found.logits(b, ids, keep)).abs().amax(-1).min() > 1e-3
    assert model(latent_at="input").decoder.enter.weight.shape == (32, 6)


def test_word_dropout_hides_inputs_in_training_alone_and_never_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    found, batch, seen = model(word_dropout=0.4), sentences(40), []
    real = found.states

    def watched(latent: Tensor, ids: Tensor, keep: Tensor) -> Tensor:
        seen.append(ids)
        return real(latent, ids, keep)

    monkeypatch.setattr(found, "states", watched)
    z = found.prior().sample((40,))
    found.train().reconstruction(z, batch)
    found.eval().reconstruction(z, batch)
    hidden, plain = seen
    assert torch.equal(plain, batch.ids_BL[:, :-1])
    assert (hidden[:, 0] == CLS).all()
    share = float((hidden[:, 1:] == MASK).float().mean())
    assert abs(share - 0.4) < 5 * math.sqrt(0.24 / hidden[:, 1:].numel())
    kept = hidden != MASK
    assert torch.equal(hidden[kept], plain[kept])


@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_greedy_decoding_is_the_best_token_of_full_passes(kind: str, at: str) -> None:
    found = shaken(model(kind, latent_at=at))
    z = found.prior().sample((5,))
    written = decode(found, z, cls=CLS, sep=SEP, max_length=8)
    for row, latent in zip(written, z, strict=True):
        ids = [CLS]
        with torch.no_grad():
            while len(ids) <= 8 and ids[-1] != SEP:
                whole = torch.tensor([ids])
                ids.append(int(found.logits(latent[None], whole, torch.ones_like(whole))[0, -1].argmax()))
        assert row == [token for token in ids[1:] if token != SEP]


@pytest.mark.parametrize("model_type", ["roformer", "bert"])
@pytest.mark.parametrize("at", PLACES)
def test_logits_with_a_cache_are_those_of_a_full_pass(at: str, model_type: str) -> None:
    found, cache = shaken(model(latent_at=at, model_type=model_type)), []
    ids, z = torch.randint(5, VOCABULARY, (3, 9)), found.prior().sample((3,))
    with torch.no_grad():
        whole = found.logits(z, ids, torch.ones_like(ids))
        steps = [found.logits(z, ids[:, n : n + 1], None, cache) for n in range(9)]
    torch.testing.assert_close(torch.cat(steps, dim=1), whole, rtol=0, atol=1e-5)


def test_decoding_stops_at_sep(monkeypatch: pytest.MonkeyPatch) -> None:
    found, calls = model(), []
    script = [[7, 8, 9], [SEP, 8, 9], [7, SEP, SEP], [7, 7, 7]]

    def scripted(latent: Tensor, ids: Tensor, keep: None, cache: list[Any]) -> Tensor:
        calls.append(ids[:, 0].tolist())
        return F.one_hot(torch.tensor(script[len(calls) - 1]), VOCABULARY).float()[:, None]

    monkeypatch.setattr(found, "logits", scripted)
    z = torch.zeros(3, 6)
    assert decode(found, z, cls=CLS, sep=SEP, max_length=9) == [[7], [8, 8], [9, 9]]
    assert calls == [[CLS] * 3, [7, 8, 9], [SEP, 8, 9]]
    calls.clear()
    assert decode(found, z, cls=CLS, sep=SEP, max_length=2) == [[7], [8, 8], [9, 9]]


# --- training


def corpus(batch: Batch) -> Sentences:
    return Sentences([[CLS, *words, SEP] for words in batch.words()], PAD)


@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_twenty_sentences_are_learned(kind: str, at: str) -> None:
    found = model(kind, kappa=50.0, latent=8, latent_at=at)
    pace = Schedule(steps=60, learning_rate=5e-3, log_every=10, decay="constant")
    history = training.train(found, corpus(sentences()), pace, objective=ELBO, batch_size=20, seed=0)
    assert history[-1]["reconstruction"] < 0.9 * history[0]["reconstruction"]
    if kind == "vmf":
        assert history[-1]["kl"] == pytest.approx(history[0]["kl"], rel=1e-5) and history[0]["kl"] > 1


@pytest.mark.parametrize("kappa", [1.0, 10.0, 100.0, 1e3, 1e4, "learned"])
@pytest.mark.parametrize("latent", [2, 16, 88])
def test_gradients_are_finite_at_every_kappa_and_reach_the_encoder(kappa: Any, latent: int) -> None:
    found = model(kappa=kappa, latent=latent)
    terms = elbo(found, sentences())
    terms["loss"].backward()
    assert math.isfinite(float(terms["loss"].detach()))
    gradients = {name: p.grad for name, p in found.named_parameters() if p.grad is not None}
    assert all(gradient.isfinite().all() for gradient in gradients.values())
    assert gradients["encoder.words.weight"].abs().max() > 0
    assert gradients["head.location.weight"].abs().max() > 0


@pytest.mark.parametrize("kappa", [1.0, 10.0, 100.0, 1e3, 1e4, "learned"])
def test_every_kappa_trains_without_a_nan(kappa: Any) -> None:
    """fit itself refuses a loss that is not finite."""
    found = model(kappa=kappa, latent=16)
    pace = Schedule(steps=12, learning_rate=1e-2, log_every=4)
    history = training.train(found, corpus(sentences()), pace, objective=ELBO, batch_size=10, seed=0)
    assert history[-1]["loss"] < history[0]["loss"]
    assert all(parameter.isfinite().all() for parameter in found.parameters())


@pytest.mark.parametrize("objective", [ELBO, Objective(annealing=0.5)])
def test_a_stopped_and_resumed_run_is_the_same_run(tmp_path: Any, objective: Objective) -> None:
    """Annealing and the running means of BN-VAE are part of it."""
    data, pace = corpus(sentences()), Schedule(steps=8, learning_rate=1e-2, log_every=2)
    whole = model("gaussian", gamma=0.6)
    expected = training.train(whole, data, pace, objective=objective, batch_size=6, seed=3)
    asked = iter([False, False, True])
    with pytest.raises(Interrupted):
        training.train(
            model("gaussian", gamma=0.6),
            data,
            pace,
            objective=objective,
            batch_size=6,
            seed=3,
            folder=tmp_path,
            stopping=lambda: next(asked),
        )
    resumed = model("gaussian", gamma=0.6)
    assert training.train(resumed, data, pace, objective=objective, batch_size=6, seed=3, folder=tmp_path) == expected
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
