"""Text VAEs: closed forms, double loops, a causal decoder, gradients at every kappa."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.distributions import Independent, Normal, kl_divergence
from torch.nn import functional as F

from rosphere import fitting, similarity, vae
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.sphere.distributions import HypersphericalUniform, VonMisesFisher
from rosphere.vae import Batch, SentenceVAE, Shape

PAD, CLS, SEP, MASK = 0, 2, 3, 4
VOCABULARY = 26
KINDS = ("vmf", "gaussian")


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    """Accelerate keeps its precision in a global state; leave none behind."""
    from accelerate.state import AcceleratorState

    torch.manual_seed(0)
    yield
    AcceleratorState._reset_state(True)


def model(kind: Any = "vmf", *, latent: int = 6, kappa: float = 20.0, **changes: Any) -> SentenceVAE:
    torch.manual_seed(0)
    language = MaskedLanguageModel(
        EncoderConfig(
            vocab_size=VOCABULARY,
            embedding_size=12,
            hidden_size=24,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    )
    shape = {"decoder_layers": 2, "decoder_width": 32, "word_dropout": 0.0, **changes}
    return SentenceVAE(language, Shape(kind=kind, latent=latent, kappa=kappa, **shape), mask_token=MASK)


def shaken(found: SentenceVAE) -> SentenceVAE:
    """Every weight away from its start."""
    for parameter in found.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return found.eval()


def sentences(count: int = 20, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for length in torch.randint(2, 8, (count,), generator=generator).tolist():
        rows.append([CLS, *torch.randint(5, VOCABULARY, (length,), generator=generator).tolist(), SEP])
    ids, keep = similarity.padded(rows, PAD)
    return Batch(ids_BL=ids, keep_BL=keep)


# --- the two terms


def test_the_closed_form_kl_literal() -> None:
    """KL(vMF_4(20) || uniform) = 3.258385, for every sentence the same."""
    found = shaken(model(latent=4))
    kl = kl_divergence(found.posterior(sentences()), found.prior())
    torch.testing.assert_close(kl, torch.full((20,), 3.258385), rtol=0, atol=2e-6)


@pytest.mark.parametrize(("latent", "kappa"), [(4, 20.0), (16, 5.0), (32, 100.0)])
def test_the_measured_kl_is_the_closed_form_within_its_error(latent: int, kappa: float) -> None:
    found, batch, draws = shaken(model(latent=latent, kappa=kappa)), sentences(), 500
    posterior = found.posterior(batch)
    assert isinstance(posterior, VonMisesFisher)
    closed = float(kl_divergence(posterior, found.prior()).mean().detach())
    error = kappa * math.sqrt(float(posterior.variance_along_mean[0]) / (draws * 20))
    measured = vae.measure(found, [batch], draws=draws)["kl"]
    assert abs(measured - closed) <= 5 * error
    assert error < 0.02 * closed


def test_the_gaussian_kl_is_the_textbook_formula_and_the_measured_one() -> None:
    found, batch = shaken(model("gaussian")), sentences()
    posterior = found.posterior(batch)
    mu, variance = posterior.mean.detach(), posterior.variance.detach()
    by_hand = 0.5 * (mu.square() + variance - 1 - variance.log()).sum(-1)
    torch.testing.assert_close(vae.elbo(found, batch)["kl"].detach(), by_hand.mean(), rtol=1e-5, atol=0)
    # log q - log p has variance sum_i (1 - s)^2 / 2 + mu^2 s for variances s.
    spread = (0.5 * (1 - variance).square() + mu.square() * variance).sum(-1)
    error = math.sqrt(float(spread.mean()) / (500 * 20))
    assert abs(vae.measure(found, [batch], draws=500)["kl"] - float(by_hand.mean())) <= 5 * error


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_minus_the_elbo(kind: str) -> None:
    found, batch = shaken(model(kind)), sentences()
    terms = {name: float(value.detach()) for name, value in vae.elbo(found, batch).items()}
    assert terms["loss"] == pytest.approx(terms["reconstruction"] + terms["kl"], rel=1e-6)
    assert terms["kl"] > 0.1


def test_the_reconstruction_is_the_sum_over_tokens_and_the_end() -> None:
    """Sentence by sentence without padding, and token by token."""
    found, batch = shaken(model()), sentences(5)
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


# --- the decoder


@settings(max_examples=15, deadline=None)
@given(place=st.integers(1, 7), token=st.integers(5, VOCABULARY - 1), latent_seed=st.integers(0, 99))
def test_the_decoder_is_causal(place: int, token: int, latent_seed: int) -> None:
    found = shaken(model())
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


def test_the_decoder_hears_the_latent() -> None:
    found, ids = shaken(model()), torch.tensor([[CLS, 5, 6]])
    a, b = F.normalize(torch.randn(2, 1, 6), dim=-1)
    with torch.no_grad():
        gap = found.logits(a, ids, torch.ones_like(ids)) - found.logits(b, ids, torch.ones_like(ids))
    assert (gap.abs().amax(-1) > 1e-2).all()  # at every place


def test_word_dropout_hides_inputs_in_training_alone_and_never_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
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


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_decoding_is_the_best_token_of_full_passes(kind: str) -> None:
    found = shaken(model(kind))
    z = found.prior().sample((5,))
    written = vae.decode(found, z, cls=CLS, sep=SEP, longest=8)
    for row, latent in zip(written, z, strict=True):
        ids = [CLS]
        with torch.no_grad():
            while len(ids) <= 8 and ids[-1] != SEP:
                whole = torch.tensor([ids])
                ids.append(int(found.logits(latent[None], whole, torch.ones_like(whole))[0, -1].argmax()))
        assert row == [token for token in ids[1:] if token != SEP]


def test_decoding_stops_at_sep(monkeypatch: pytest.MonkeyPatch) -> None:
    found, calls = model(), []
    script = [[7, 8, 9], [SEP, 8, 9], [7, SEP, SEP], [7, 7, 7]]

    def scripted(latent: Tensor, ids: Tensor, keep: None, cache: list[Any]) -> Tensor:
        calls.append(ids[:, 0].tolist())
        return F.one_hot(torch.tensor(script[len(calls) - 1]), VOCABULARY).float()[:, None]

    monkeypatch.setattr(found, "logits", scripted)
    z = torch.zeros(3, 6)
    assert vae.decode(found, z, cls=CLS, sep=SEP, longest=9) == [[7], [8, 8], [9, 9]]
    assert calls == [[CLS] * 3, [7, 8, 9], [SEP, 8, 9]]
    calls.clear()
    assert vae.decode(found, z, cls=CLS, sep=SEP, longest=2) == [[7], [8, 8], [9, 9]]


# --- training


@pytest.mark.parametrize("kind", KINDS)
def test_twenty_sentences_are_learned(kind: str) -> None:
    found, batch = model(kind, kappa=50.0, latent=8), sentences()

    def objective(trained: nn.Module, batch: Batch, backward: fitting.Backward) -> dict[str, Tensor | float]:
        terms = vae.elbo(found, batch)
        backward(terms["loss"])
        return {name: value.detach() for name, value in terms.items()}

    pace = fitting.Schedule(steps=60, learning_rate=5e-3, log_every=10, decay="constant")
    history = fitting.fit(found, lambda step: batch, objective, pace, seed=0, wish="no")
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    if kind == "vmf":
        assert history[-1]["kl"] == pytest.approx(history[0]["kl"], rel=1e-5) and history[0]["kl"] > 1


@pytest.mark.parametrize("kappa", [1.0, 10.0, 100.0, 1e3, 1e4])
def test_gradients_are_finite_at_every_kappa_and_reach_the_encoder(kappa: float) -> None:
    found = model(kappa=kappa, latent=16)
    terms = vae.elbo(found, sentences())
    terms["loss"].backward()
    assert math.isfinite(float(terms["loss"].detach()))
    gradients = {name: p.grad for name, p in found.named_parameters() if p.grad is not None}
    assert all(gradient.isfinite().all() for gradient in gradients.values())
    assert gradients["encoder.words.weight"].abs().max() > 0
    assert gradients["location.weight"].abs().max() > 0


# --- what is measured


def double_loop(posteriors: list[Any], z: Tensor) -> float:
    total = 0.0
    for i, own in enumerate(posteriors):
        densities = [float(other.log_prob(z[i])) for other in posteriors]
        top = max(densities)
        mean = math.fsum(math.exp(value - top) for value in densities) / len(densities)
        total += float(own.log_prob(z[i])) - top - math.log(mean)
    return total / len(posteriors)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [5, 20])
def test_mutual_information_is_the_double_loop(kind: str, size: int) -> None:
    found, batch = shaken(model(kind, latent=3, kappa=4.0)), sentences()
    parts = [Batch(ids_BL=batch.ids_BL[i : i + size], keep_BL=batch.keep_BL[i : i + size]) for i in range(0, 20, size)]
    with torch.no_grad():
        posteriors = [found.posterior(part) for part in parts]
        z = torch.cat([posterior.sample() for posterior in posteriors])
        own = torch.cat([p.log_prob(z[i * size : (i + 1) * size]) for i, p in enumerate(posteriors)])
        value = vae.mutual_information(posteriors, z, own)
        whole = found.posterior(batch)
        singles = [
            VonMisesFisher(whole.loc[i], whole.concentration[i], validate_args=False)
            if isinstance(whole, VonMisesFisher)
            else Independent(Normal(whole.mean[i], whole.stddev[i]), 1)
            for i in range(20)
        ]
        assert value == pytest.approx(double_loop(singles, z), abs=1e-4)
    assert 0.01 < value <= math.log(20)


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 30), kappa=st.floats(0.1, 5000), seed=st.integers(0, 10**6))
def test_mutual_information_is_at_most_log_n(count: int, kappa: float, seed: int) -> None:
    torch.manual_seed(seed)
    posterior = VonMisesFisher(F.normalize(torch.randn(count, 5), dim=-1), kappa, validate_args=False)
    z = posterior.sample()
    assert vae.mutual_information([posterior], z, posterior.log_prob(z)) <= math.log(count) + 1e-5


def test_mutual_information_of_posteriors_all_alike_and_all_apart() -> None:
    alike = VonMisesFisher(torch.eye(4)[:1].expand(10, -1), 50.0)
    z = alike.sample()
    assert vae.mutual_information([alike], z, alike.log_prob(z)) == pytest.approx(0.0, abs=1e-5)
    apart = VonMisesFisher(torch.eye(8), 1000.0)
    z = apart.sample()
    assert vae.mutual_information([apart], z, apart.log_prob(z)) == pytest.approx(math.log(8), abs=1e-5)


def test_measure_does_not_depend_on_the_batches_and_bounds_the_perplexity() -> None:
    found, batch = shaken(model("gaussian")), sentences()
    found.log_variance.bias.data -= 40  # next to no noise: all figures but the densities are those of the means
    parts = [Batch(ids_BL=batch.ids_BL[i : i + 5], keep_BL=batch.keep_BL[i : i + 5]) for i in range(0, 20, 5)]
    whole, pieces = vae.measure(found, [batch], draws=2), vae.measure(found, parts, draws=2)
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
    assert vae.measure(found, [batch])["active_units"] == 2


def test_the_priors() -> None:
    assert isinstance(model(latent=7).prior(), HypersphericalUniform)
    drawn = model(latent=7).prior().sample((100,))
    torch.testing.assert_close(drawn.norm(dim=-1), torch.ones(100))
    gaussian = model("gaussian", latent=7).prior()
    assert (gaussian.mean.tolist(), gaussian.variance.tolist()) == ([0.0] * 7, [1.0] * 7)


# --- the sphere


@settings(deadline=None)
@given(dim=st.integers(2, 40), steps=st.integers(2, 12), seed=st.integers(0, 10**6))
def test_geodesic_points_are_unit_and_evenly_spaced(dim: int, steps: int, seed: int) -> None:
    torch.manual_seed(seed)
    a, b = F.normalize(torch.randn(2, dim, dtype=torch.float64), dim=-1)
    path = vae.geodesic(a, b, steps)
    # Below an angle of 1e-6 the arc is one point.
    torch.testing.assert_close(path[[0, -1]], torch.stack((a, b)), rtol=0, atol=2e-6)
    torch.testing.assert_close(path.norm(dim=-1), torch.ones(steps, dtype=torch.float64), rtol=0, atol=1e-8)
    chords = (path[1:] - path[:-1]).norm(dim=-1)
    between = 2 * math.sin(math.acos(max(-1.0, min(1.0, float(a @ b)))) / 2 / (steps - 1))
    torch.testing.assert_close(chords, torch.full_like(chords, between), rtol=0, atol=2e-6)


def test_the_geodesic_literal_and_of_a_point_with_itself() -> None:
    """From east to north in thirds: 0, 30, 60, 90 degrees."""
    path = vae.geodesic(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 4)
    half, root = 0.5, math.sqrt(0.75)
    torch.testing.assert_close(path, torch.tensor([[1, 0], [root, half], [half, root], [0, 1]]), rtol=0, atol=1e-6)
    point = F.normalize(torch.randn(5), dim=-1)
    assert torch.equal(vae.geodesic(point, point, 3), point.expand(3, -1))
