"""A decoder that begins as the pretrained language model: transformers' own causal model of the same folder."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from rosphere.encoder import folder
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.vae.decoder import FreshDecoder
from rosphere.vae.decoding import decode, drawn, sample
from rosphere.vae.model import SentenceVAE, Shape
from rosphere.vae.objective import elbo
from tests.tiny import shaken
from tests.vae.models import CLS, MASK, PLACES, SEP, VOCABULARY, model, sentences

MODELS = ("roformer", "roformer_v2", "bert")


def pretrained(model_type: Any, *, pooler: bool = False) -> MaskedLanguageModel:
    """Two layers, every weight away from its start."""
    torch.manual_seed(1)
    config = EncoderConfig(
        model_type=model_type,
        vocab_size=VOCABULARY,
        embedding_size=24 if model_type == "bert" else 12,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    found = MaskedLanguageModel(config, pooler=pooler)
    for parameter in found.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return found.eval()


def vae(language: MaskedLanguageModel, at: Any = "input", kind: Any = "vmf") -> SentenceVAE:
    shape = Shape(kind=kind, latent=6, kappa=20.0, word_dropout=0.0, latent_at=at)
    return SentenceVAE(language, shape, mask_token=MASK).eval()


def silent(found: SentenceVAE) -> SentenceVAE:
    """Nothing comes in of the latent."""
    found.decoder.enter.weight.data.zero_()
    return found


def logits(found: SentenceVAE, ids: Tensor, keep: Tensor) -> Tensor:
    with torch.no_grad():
        return found.logits(found.prior().sample((len(ids),)), ids, keep)


@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize(("model_type", "name"), [("roformer", "RoFormerForCausalLM"), ("bert", "BertLMHeadModel")])
def test_without_the_latent_it_is_transformers_causal_model_of_the_folder(
    tmp_path: Path, model_type: str, name: str, at: str
) -> None:
    import transformers

    folder.save(pretrained(model_type), tmp_path, tokenizer=tmp_path)
    theirs = getattr(transformers, name).from_pretrained(tmp_path, is_decoder=True).eval()
    batch = sentences(7)
    with torch.no_grad():
        oracle = theirs(batch.ids_BL, attention_mask=batch.keep_BL).logits
    ours = logits(silent(vae(folder.load(tmp_path), at)), batch.ids_BL, batch.keep_BL)
    real = batch.keep_BL.bool()
    torch.testing.assert_close(ours[real], oracle[real], rtol=0, atol=1e-5)
    assert oracle[real].std() > 0.1


@pytest.mark.parametrize("model_type", MODELS)
def test_without_the_latent_it_is_the_language_model_under_a_causal_mask(model_type: str) -> None:
    language, batch = pretrained(model_type), sentences(1)
    past = torch.ones(batch.ids_BL.shape[1], batch.ids_BL.shape[1], dtype=torch.bool).tril()
    with torch.no_grad():
        expected = language(batch.ids_BL, past)
    found = logits(silent(vae(language)), batch.ids_BL, batch.keep_BL)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize("model_type", MODELS)
def test_it_begins_near_the_language_model_and_the_encoder_has_a_gradient(model_type: str, at: str) -> None:
    torch.manual_seed(3)
    language, batch = pretrained(model_type), sentences()
    found = vae(language, at)
    begun = logits(found, batch.ids_BL, batch.keep_BL)
    alone = logits(silent(copy.deepcopy(found)), batch.ids_BL, batch.keep_BL)
    real = batch.keep_BL.bool()
    moved = (begun - alone)[real].std() / alone[real].std()
    assert 1e-4 < moved < 0.3
    elbo(found, batch)["loss"].backward()
    assert found.encoder.words.weight.grad is not None
    assert found.encoder.words.weight.grad.abs().max() > 1e-6


def test_encoder_and_decoder_are_trained_apart() -> None:
    """Copies, not the same tensors; and no pooler, which would have no gradient."""
    found = vae(pretrained("bert", pooler=True))
    mine = {parameter.data_ptr() for parameter in found.encoder.parameters()}
    assert not mine & {parameter.data_ptr() for parameter in found.decoder.parameters()}
    assert not [name for name, _ in found.named_parameters() if "pooler" in name]
    elbo(found, sentences())["loss"].backward()
    assert all(parameter.grad is not None for parameter in found.parameters())


@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize("model_type", MODELS)
def test_logits_with_a_cache_are_those_of_a_full_pass(at: str, model_type: str) -> None:
    found, cache = shaken(vae(pretrained(model_type), at)), []
    ids, z = torch.randint(5, VOCABULARY, (3, 9)), found.prior().sample((3,))
    with torch.no_grad():
        whole = found.logits(z, ids, torch.ones_like(ids))
        steps = [found.logits(z, ids[:, n : n + 1], None, cache) for n in range(9)]
    torch.testing.assert_close(torch.cat(steps, dim=1), whole, rtol=0, atol=1e-5)


def test_a_fresh_decoder_literal() -> None:
    found = model(fresh_decoder=FreshDecoder(layers=3, width=192))
    config = found.decoder.language.config
    assert (config.hidden_size, config.num_hidden_layers) == (192, 3)
    assert (config.num_attention_heads, config.intermediate_size) == (3, 768)
    assert FreshDecoder(layers=1, width=32).heads == 1
    assert torch.equal(found.decoder.language.encoder.words.weight, found.encoder.words.weight)


@pytest.mark.parametrize(("layers", "width"), [(0, 64), (1, 0), (1, 33), (1, 194)])
def test_what_no_fresh_decoder_can_be(layers: int, width: int) -> None:
    with pytest.raises(InputError, match=r"(layers: expected 1 or more|width: expected an even width)"):
        FreshDecoder(layers=layers, width=width)


# --- sampling


def test_drawn_tokens_are_inside_the_nucleus_and_a_sentence_is_its_own() -> None:
    found = shaken(model())
    points = F.normalize(torch.randn(12, 6), dim=-1)
    written = decode(found, points, cls=CLS, sep=SEP, max_length=9, choose=drawn(12, top_p=0.7, seed=5))
    few = decode(found, points[:4], cls=CLS, sep=SEP, max_length=9, choose=drawn(4, top_p=0.7, seed=5))
    assert few == written[:4]
    other = decode(found, points, cls=CLS, sep=SEP, max_length=9, choose=drawn(12, top_p=0.7, seed=6))
    assert other != written
    for row, point in zip(written, points, strict=True):
        ids = torch.tensor([[CLS, *row]])
        with torch.no_grad():
            chances = found.logits(point[None], ids, torch.ones_like(ids))[0].softmax(-1)
        for place, token in enumerate(row):
            before = float(chances[place][chances[place] > chances[place][token] + 1e-6].sum())
            assert before < 0.7 + 1e-4


def test_a_nucleus_of_nothing_is_greedy() -> None:
    found = shaken(model())
    points = F.normalize(torch.randn(5, 6), dim=-1)
    greedy = decode(found, points, cls=CLS, sep=SEP, max_length=9)
    assert decode(found, points, cls=CLS, sep=SEP, max_length=9, choose=drawn(5, top_p=0.0, seed=1)) == greedy
    with pytest.raises(InputError, match="top_p: expected a probability"):
        drawn(5, top_p=1.5, seed=1)


def test_samples_are_the_same_for_the_same_seed() -> None:
    found, rounds = shaken(model()), []
    for _ in range(2):
        torch.manual_seed(4)
        rounds.append(sample(found, 6, cls=CLS, sep=SEP, top_p=0.9, seed=3))
    assert rounds[0] == rounds[1] and len(rounds[0]) == 6
