"""The function of the grown model: transformers', ours, in both precisions, with and without noise."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from rosphere.encoder import folder
from rosphere.encoder.config import EncoderConfig
from rosphere.widening import certificate, widen
from tests.tiny import in_float64
from tests.widening.models import BERT, SMALL, batch, growths, perturbed, read, shapes, theirs

Growth = tuple[EncoderConfig, dict[str, Any]]


def check(growth: Growth, seed: int) -> None:
    """Transformers before, our reading and growing, transformers after."""
    from transformers import AutoModelForMaskedLM

    old, sizes = growth
    before = theirs(old, seed)
    with tempfile.TemporaryDirectory() as place:
        small = read(before, Path(place) / "small")
        assert small.config == old
        wide = widen(small, **sizes, seed=seed)
        folder.save(wide, Path(place) / "wide", tokenizer=Path(place))
        after = in_float64(AutoModelForMaskedLM.from_pretrained(Path(place) / "wide", dtype=torch.float64).eval())
    assert after.config.hidden_size == sizes["width"]
    assert after.config.num_attention_heads == wide.config.num_attention_heads
    close(certificate(small, wide, *batch(seed)))
    for dtype, bound in ((torch.float64, 1e-11), (torch.float32, 2e-5)):
        expected, found = (logits(model.to(dtype), seed) for model in (before, after))
        scale = expected.std().item() if dtype == torch.float64 else max(1.0, expected.std().item())
        assert expected.std() > 0.1
        assert (found - expected).abs().max().item() <= bound * scale


def logits(model: nn.Module, seed: int) -> Tensor:
    """Of the tokens of a batch, in two segments, that are not padding."""
    ids, _ = batch(seed)
    segments = (torch.arange(ids.shape[1]) > 4).long().expand_as(ids)
    with torch.no_grad():
        found: Tensor = model(ids, attention_mask=(ids != 0).long(), token_type_ids=segments).logits[ids != 0]
    return found


def close(measured: dict[str, Any]) -> None:
    assert measured["exact"] and not measured["reasons"]
    assert measured["logit_std"] > 0.1
    assert measured["max_logit_gap"]["float64"] <= 1e-11 * measured["logit_std"]
    assert measured["max_logit_gap"]["float32"] <= 2e-5 * max(1, measured["logit_std"])


@settings(max_examples=30, deadline=None, derandomize=True)
@given(growths("roformer"), st.integers(0, 99))
def test_a_roformer_of_transformers_keeps_its_function(growth: Growth, seed: int) -> None:
    check(growth, seed)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(growths("bert"), st.integers(0, 99))
def test_a_bert_of_transformers_keeps_its_function(growth: Growth, seed: int) -> None:
    check(growth, seed)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(growths("roformer_v2"), st.integers(0, 99))
def test_a_roformer_v2_keeps_its_function_at_widths_that_are_no_multiples(growth: Growth, seed: int) -> None:
    old, sizes = growth
    small = perturbed(old, seed)
    wide = widen(small, **sizes, seed=seed)
    close(certificate(small, wide, *batch(seed)))
    with tempfile.TemporaryDirectory() as place:
        folder.save(wide, Path(place), tokenizer=Path(place))
        again = folder.load(Path(place))
    assert again.config == wide.config
    assert again.config.embedding_size == old.embedding_size


@settings(max_examples=20, deadline=None, derandomize=True)
@given(shapes("roformer_v2"), st.integers(0, 99), st.integers(1, 5), st.integers(0, 2), st.sampled_from([0.0, 1.0]))
def test_added_blocks_of_a_roformer_v2_do_nothing(
    old: EncoderConfig, seed: int, more: int, wider: int, noise: float
) -> None:
    old = dataclasses.replace(old, layer_norm_eps=1e-14)
    small = perturbed(old, seed)
    layers, width = old.num_hidden_layers + more, old.hidden_size + wider * old.head_size
    wide = widen(small, width=width, layers=layers, noise=noise, seed=seed)
    assert len(wide.encoder.blocks) == layers
    close(certificate(small, wide, *batch(seed)))


@pytest.mark.parametrize("seed", range(6))
def test_more_layers_at_the_epsilon_that_roformer_v2_has(seed: int) -> None:
    small = perturbed(dataclasses.replace(SMALL, model_type="roformer_v2", layer_norm_eps=1e-12), seed)
    close(certificate(small, widen(small, layers=6, width=32, noise=0.5, seed=seed), *batch(seed)))


def test_added_blocks_change_the_stream_by_epsilon_and_no_more() -> None:
    """norm(norm(y)) is norm(y) times 1 + epsilon / 2 (1 / m - 1), m the mean square of y; a third norm adds nothing."""
    y = torch.randn(50, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    epsilon, norm = 1e-6, nn.RMSNorm(7, eps=1e-6, elementwise_affine=False)
    expected = 1 + epsilon / 2 * (1 / y.square().mean(-1, keepdim=True) - 1)
    torch.testing.assert_close(norm(norm(y)) / norm(y), expected.expand_as(y), rtol=1e-10, atol=0)
    torch.testing.assert_close(norm(norm(norm(y))), norm(norm(y)), rtol=1e-11, atol=0)


def test_added_blocks_can_learn_and_say_where_they_come_from() -> None:
    config = dataclasses.replace(SMALL, model_type="roformer_v2", layer_norm_eps=1e-12)
    small = perturbed(config)
    wide = widen(small, width=32, layers=5)
    made = certificate(small, wide, *batch())["construction"]["encoder.blocks"]
    assert made.startswith("2 -> 5: ") and made.endswith("old block of each: 0, 0, 0, 1, 1")
    wide(*batch()).square().sum().backward()
    for place, added in enumerate([False, True, True, False, True]):
        block = wide.encoder.blocks[place]
        for writer in (block.attention.out, block.feed_out):
            assert bool(writer.weight.any()) is not added
            assert writer.weight.grad.abs().max() > 0
    assert torch.equal(wide.encoder.blocks[2].feed_in.weight, wide.encoder.blocks[0].feed_in.weight)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_the_pooled_vector_is_repeated(tmp_path: Path, noise: float) -> None:
    from transformers import AutoModel

    before = theirs(BERT, head="ForPreTraining")
    wide = widen(read(before, tmp_path / "small"), width=72, heads=4, noise=noise)
    folder.save(wide, tmp_path / "wide", tokenizer=tmp_path)
    after = AutoModel.from_pretrained(tmp_path / "wide", dtype=torch.float64).eval()
    ids, _ = batch()
    with torch.no_grad():
        expected, found = (each(ids, attention_mask=(ids != 0).long()).pooler_output for each in (before.bert, after))
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected.repeat(1, 3), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["smooth_relu_gaussian:0.5", "smooth_relu_gaussian:0.5:learned", "relu"])
def test_other_activations_widen_as_well(name: str) -> None:
    small = perturbed(dataclasses.replace(SMALL, hidden_act=name))
    wide = widen(small, width=48, feed_forward=70, noise=0.5)
    close(certificate(small, wide, *batch(0)))
    learned = [value for key, value in wide.named_parameters() if key.endswith("log_width")]
    assert len(learned) == (SMALL.num_hidden_layers + 1 if name.endswith("learned") else 0)


def test_nothing_asked_is_a_copy_of_its_own() -> None:
    for config in (SMALL, BERT, dataclasses.replace(SMALL, model_type="roformer_v2")):
        small = perturbed(config)
        wide = widen(small, noise=1.0)
        assert wide.config == config
        for name, tensor in wide.state_dict().items():
            assert torch.equal(tensor, small.state_dict()[name]), name
            assert tensor.data_ptr() != small.state_dict()[name].data_ptr()


def test_a_seed_repeats_and_nothing_else_changes() -> None:
    for config in (SMALL, BERT, dataclasses.replace(SMALL, model_type="roformer_v2")):
        small = perturbed(config, dtype=torch.float32).train()
        before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
        torch.manual_seed(1)
        state = torch.get_rng_state()
        wides = (widen(small, width=48, heads=3, noise=0.5, seed=seed) for seed in (1, 1, 2))
        one, same, other = (wide.state_dict() for wide in wides)
        assert torch.equal(torch.get_rng_state(), state)
        assert all(torch.equal(one[name], same[name]) for name in one)
        assert not torch.equal(one["transform.weight"], other["transform.weight"])
        wide = widen(small, width=48)
        wide.encoder.words.weight.data += 1
        assert wide.training
        assert wide.encoder.words.weight.dtype == torch.float32
        assert all(torch.equal(before[name], tensor) for name, tensor in small.state_dict().items())
