"""Copies: shares that add up, gradients that are the same without noise and part with it."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.nn import functional as F

from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.widening import certificate, copies, widen
from tests.widening.models import BERT, SMALL, VOCABULARY, batch, perturbed

V2 = dataclasses.replace(SMALL, model_type="roformer_v2")


def gradients(model: MaskedLanguageModel) -> dict[str, torch.Tensor]:
    ids, mask = batch()
    targets = torch.randint(1, VOCABULARY, ids.shape, generator=torch.Generator().manual_seed(5))
    F.cross_entropy(model(ids, mask).flatten(0, 1), targets.flatten()).backward()
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


def trained(model: MaskedLanguageModel, rate: float = 0.1) -> MaskedLanguageModel:
    """Three steps of gradient descent."""
    for _ in range(3):
        model.zero_grad()
        for name, grad in gradients(model).items():
            model.get_parameter(name).data -= rate * grad
    return model


def distance(small: MaskedLanguageModel, wide: MaskedLanguageModel) -> float:
    return float(certificate(small, wide, *batch())["copies_distance"])


@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize("config", [SMALL, BERT])
def test_copies_have_the_same_gradient_only_without_noise(config: EncoderConfig, noise: float) -> None:
    wide = widen(perturbed(config), width=48, noise=noise)
    found = gradients(wide)
    for name in ("attention.qkv", "attention.out", "feed_in", "feed_out"):
        grad = found[f"encoder.blocks.0.{name}.weight"]
        first, second = grad.unflatten(0, (3, 2, -1) if name == "attention.qkv" else (2, -1)).unbind(-3)
        apart = ((first - second).norm() / first.norm()).item()
        assert apart > 0.05 if noise else apart < 1e-10, name


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_berts_embedding_and_head_are_among_the_copies(noise: float) -> None:
    found = gradients(widen(perturbed(BERT), width=48, noise=noise))
    grads = {name: found[f"encoder.{name}.weight"].mT for name in ("words", "positions", "segments")}
    grads["embedding_norm"], grads["transform"] = found["encoder.embedding_norm.weight"], found["transform.weight"]
    for name, grad in grads.items():
        first, second = grad.unflatten(0, (2, -1))
        apart = ((first - second).norm() / first.norm()).item()
        assert apart > 0.01 if noise else apart < 1e-10, name


@pytest.mark.parametrize("head_size", [8, 16])
@pytest.mark.parametrize("config", [SMALL, BERT, V2])
def test_training_parts_copies_with_noise(config: EncoderConfig, head_size: int) -> None:
    small = perturbed(config)
    wide = widen(small, width=48, head_size=head_size, noise=0.5)
    before = distance(small, wide)
    assert rank(wide.encoder.blocks[0].feed_in) == 48
    trained(wide)
    assert before > 0.1
    assert distance(small, wide) != before


@pytest.mark.parametrize("head_size", [8, 16])
@pytest.mark.parametrize("config", [SMALL, BERT])
def test_training_does_not_part_copies_without_noise(config: EncoderConfig, head_size: int) -> None:
    small = perturbed(config)
    wide = widen(small, width=48, head_size=head_size)
    assert distance(small, wide) == 0.0
    trained(wide)
    assert distance(small, wide) < 1e-10
    assert rank(wide.encoder.blocks[0].feed_in) == 24


@pytest.mark.parametrize(("noise", "grown"), [(0.0, 24), (0.5, VOCABULARY)])
def test_training_raises_the_rank_of_berts_embedding_with_noise(noise: float, grown: int) -> None:
    """Of [37, 48]: its columns are repeated, so it begins with the rank of [37, 24]."""
    wide = widen(perturbed(BERT), width=48, noise=noise)
    assert rank(wide.encoder.words) == 24
    assert rank(trained(wide).encoder.words) == grown


def test_gradient_descent_does_not_leave_the_image_of_an_isometry_without_noise() -> None:
    small = perturbed(V2)
    wide = widen(small, width=48)
    assert distance(small, wide) < 1e-14
    trained(wide)
    assert distance(small, wide) < 1e-10
    assert rank(wide.encoder.blocks[0].feed_in) == 24


def rank(module: torch.nn.Module) -> int:
    return int(torch.linalg.matrix_rank(module.weight, rtol=1e-9))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_uneven_shares_add_up_to_the_last_bit(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(20, 7, generator=generator, dtype=torch.float64).to(dtype)
    weight[0, 0], weight[1, 1], weight[2, 2] = 0.0, 1.0, 1e-30
    origin = torch.arange(17) % 7  # units 0, 1 and 2 have three copies, the others two
    wide = copies.split(weight, origin, noise=1.0, generator=generator)
    total = sum(F.pad(wide, (0, 4)).double().unflatten(1, (3, 7)).unbind(1))
    assert wide.dtype == dtype
    assert torch.equal(total, weight.double())
    assert not torch.equal(wide[:, :7], wide[:, 7:14])


def test_a_matrix_of_two_units_by_hand() -> None:
    weight, origin = torch.tensor([[6.0, 4.0]]), torch.tensor([0, 1, 0, -1])
    equal = copies.split(weight, origin, noise=0.0, generator=torch.Generator())
    assert equal.tolist() == [[3.0, 4.0, 3.0, 0.0]]
    assert copies.first(origin).tolist() == [0, 1, 0, 3]


def test_a_bert_of_one_feature_by_hand() -> None:
    config = dataclasses.replace(
        BERT, hidden_size=1, embedding_size=1, num_attention_heads=1, intermediate_size=1, num_hidden_layers=1
    )
    small = perturbed(config)
    small.encoder.words.weight.data[5] = 7.0
    small.transform.weight.data[:] = 6.0
    small.transform_norm.bias.data[:] = 4.0
    wide = widen(small, width=2)
    assert wide.config.embedding_size == 2
    assert wide.encoder.words.weight[5].tolist() == [7.0, 7.0]
    assert wide.transform.weight.tolist() == [[3.0, 3.0], [3.0, 3.0]]
    assert wide.transform_norm.bias.tolist() == [2.0, 2.0]
    assert torch.equal(wide.bias, small.bias)
