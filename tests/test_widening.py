"""Widened models: the same logits (ours and transformers'), copies that part, and refusals with a way out."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from rosphere.encoder import folder, masks
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.widening import certificate, copies, widen

VOCABULARY = 37
SMALL = EncoderConfig(
    vocab_size=VOCABULARY,
    embedding_size=10,
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=40,
)


def perturbed(config: EncoderConfig, seed: int = 0, dtype: torch.dtype = torch.float64) -> MaskedLanguageModel:
    """Every parameter away from its initial value, LayerNorm gains and biases included."""
    generator = torch.Generator().manual_seed(seed)
    model = MaskedLanguageModel(config).to(dtype)
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=dtype)
    return model.eval()


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids [3, 11] and the mask of a batch whose second text is padded."""
    ids = torch.randint(1, VOCABULARY, (3, 11), generator=torch.Generator().manual_seed(seed))
    ids[1, 6:] = 0
    return ids, masks.padded(ids != 0)


def gradients(model: MaskedLanguageModel) -> dict[str, torch.Tensor]:
    ids, mask = batch()
    targets = torch.randint(1, VOCABULARY, ids.shape, generator=torch.Generator().manual_seed(5))
    F.cross_entropy(model(ids, mask).flatten(0, 1), targets.flatten()).backward()
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


@st.composite
def growths(draw: st.DrawFn) -> tuple[EncoderConfig, dict[str, Any]]:
    """A random configuration and sizes that it can be grown to exactly."""
    heads, head_size = draw(st.integers(1, 4)), 2 * draw(st.integers(1, 4))
    hidden, times = heads * head_size, draw(st.integers(1, 4))
    old = EncoderConfig(
        vocab_size=VOCABULARY,
        embedding_size=draw(st.sampled_from([5, 7, hidden])),  # odd sizes: never equal to the new width
        hidden_size=hidden,
        num_hidden_layers=draw(st.integers(1, 3)),
        num_attention_heads=heads,
        intermediate_size=draw(st.integers(3, 30)),
        hidden_act=draw(st.sampled_from(["gelu", "relu"])),
        layer_norm_eps=draw(st.sampled_from([1e-12, 1e-5, 1e-3])),
    )
    larger = draw(st.sampled_from([m for m in range(1, times + 1) if heads * times % m == 0]))
    sizes: dict[str, Any] = {"width": times * hidden, "noise": draw(st.sampled_from([0.0, 0.5, 1.0]))}
    shape = {"heads": heads * times // larger, "head_size": head_size * larger}
    for name in draw(st.sampled_from([["heads"], ["head_size"], ["heads", "head_size"]])):
        sizes[name] = shape[name]
    if draw(st.booleans()):
        sizes["feed_forward"] = old.intermediate_size + draw(st.integers(0, 40))
    return old, sizes


@settings(max_examples=60, deadline=None, derandomize=True)
@given(growths(), st.integers(0, 99))
def test_the_function_is_the_same(growth: tuple[EncoderConfig, dict[str, Any]], seed: int) -> None:
    old, sizes = growth
    small = perturbed(old, seed)
    wide = widen(small, **sizes, seed=seed)
    measured = certificate(small, wide, *batch(seed))
    assert wide.config.hidden_size == sizes["width"]
    assert measured["logit_std"] > 0.1
    assert measured["max_logit_gap"]["float64"] <= 1e-11 * measured["logit_std"]
    assert measured["max_logit_gap"]["float32"] <= 2e-5 * measured["logit_std"]


@pytest.mark.parametrize("noise", [0.0, 1.0])
@pytest.mark.parametrize("embedding_size", [10, 24])
def test_transformers_finds_the_same_function_in_the_folder(tmp_path: Path, embedding_size: int, noise: float) -> None:
    from transformers import RoFormerForMaskedLM

    small = perturbed(dataclasses.replace(SMALL, embedding_size=embedding_size), dtype=torch.float32)
    folder.save(small, tmp_path / "small", tokenizer=tmp_path)
    wide = widen(small, width=72, heads=3, feed_forward=55, noise=noise)
    folder.save(wide, tmp_path / "wide", tokenizer=tmp_path)
    ids, _ = batch()
    names = ("small", "wide")
    before, after = (RoFormerForMaskedLM.from_pretrained(tmp_path / name).eval() for name in names)
    assert (after.config.hidden_size, after.config.num_attention_heads) == (72, 3)
    with torch.no_grad():
        expected, found = (model(ids, attention_mask=(ids != 0).long()).logits for model in (before, after))
    assert expected.std() > 0.1
    assert ((found - expected)[ids != 0].abs().max() / expected.std()).item() <= 2e-5


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_copies_have_the_same_gradient_only_without_noise(noise: float) -> None:
    wide = widen(perturbed(SMALL), width=48, noise=noise)
    found = gradients(wide)
    for name in ("attention.qkv", "attention.out", "feed_in", "feed_out"):
        grad = found[f"encoder.blocks.0.{name}.weight"]
        first, second = grad.unflatten(0, (3, 2, -1) if name == "attention.qkv" else (2, -1)).unbind(-3)
        distance = ((first - second).norm() / first.norm()).item()
        assert distance > 0.05 if noise else distance < 1e-10, name


@pytest.mark.parametrize(("noise", "parts"), [(0.0, False), (0.5, True)])
@pytest.mark.parametrize("head_size", [8, 16])
def test_training_parts_copies_only_with_noise(noise: float, parts: bool, head_size: int) -> None:
    small = perturbed(SMALL)
    wide = widen(small, width=48, head_size=head_size, noise=noise)
    before = certificate(small, wide, *batch())["copies_distance"]
    for _ in range(3):
        wide.zero_grad()
        for name, grad in gradients(wide).items():
            wide.get_parameter(name).data -= 0.1 * grad
    after = certificate(small, wide, *batch())["copies_distance"]
    rank = int(torch.linalg.matrix_rank(wide.encoder.blocks[0].feed_in.weight, rtol=1e-9))
    if parts:
        assert before > 0.1
        assert after != before
        assert rank == 48
    else:
        assert before == 0.0
        assert after < 1e-10
        assert rank == 24


def test_free_keys_give_zero_queries_a_gradient() -> None:
    found = gradients(widen(perturbed(SMALL), width=48, heads=3))
    q, k, _ = found["encoder.blocks.1.attention.qkv.weight"].unflatten(0, (3, 3, 16))
    free = [slot for slot in range(16) if slot % 4 > 1]
    assert q[:, free].abs().min() > 0
    assert k[:, free].abs().max() == 0


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
    weight, origin = torch.tensor([[6.0, 4.0]]), torch.tensor([0, 1, 0])
    equal = copies.split(weight, origin, noise=0.0, generator=torch.Generator())
    assert equal.tolist() == [[3.0, 4.0, 3.0]]


def test_a_head_twice_as_large_by_hand() -> None:
    """One head of size 4: pairs (0, 1), (2, 3) go to pairs 0 and 2 of a head of size 8."""
    config = dataclasses.replace(SMALL, hidden_size=4, num_attention_heads=1, num_hidden_layers=1)
    small = perturbed(config)
    attention = small.encoder.blocks[0].attention
    attention.qkv.bias.data = torch.arange(1, 13, dtype=torch.float64)
    attention.out.weight.data = torch.tensor([[2.0, 4.0, 6.0, 8.0]] * 4, dtype=torch.float64)
    wide = widen(small, width=8, heads=1).encoder.blocks[0].attention
    q, k, v = (part.tolist() for part in wide.qkv.bias.detach().chunk(3))
    root = math.sqrt(2)
    assert q == [root, 2 * root, 0, 0, 3 * root, 4 * root, 0, 0]
    assert k == [5, 6, 0, 0, 7, 8, 0, 0]
    assert v == [9, 10, 11, 12, 9, 10, 11, 12]
    assert wide.out.weight.tolist() == [[1, 2, 3, 4, 1, 2, 3, 4]] * 8


def test_the_certificate_is_plain_data() -> None:
    small = perturbed(SMALL)
    wide = widen(small, width=48, heads=3, feed_forward=50, noise=0.3)
    found = json.loads(json.dumps(certificate(small, wide, *batch())))
    assert found["parameters"] == {
        "before": sum(tensor.numel() for tensor in small.parameters()),
        "after": sum(tensor.numel() for tensor in wide.parameters()),
    }
    # 6 (layers (4 h h + 2 h f) + e h) + 12 layers h length
    assert found["flops_per_token"] == {
        "before": 6 * (2 * (4 * 24 * 24 + 2 * 24 * 40) + 10 * 24) + 12 * 2 * 24 * 11,
        "after": 6 * (2 * (4 * 48 * 48 + 2 * 48 * 50) + 10 * 48) + 12 * 2 * 48 * 11,
    }
    assert {copies.group(name)[0] or name for name in wide.state_dict()} == set(found["construction"])
    assert found["construction"]["feed_in"] == "repeated rows 40 -> 50; split columns 24 -> 48"
    assert found["construction"]["transform"] == "split columns 24 -> 48"
    assert found["construction"]["encoder.words"] == "unchanged"


def test_the_certificate_sees_a_difference() -> None:
    small = perturbed(SMALL)
    wide = widen(small, width=48)
    ids, mask = batch()
    wide.bias.data[3] += 0.25
    gap = certificate(small, wide, ids, mask)["max_logit_gap"]
    assert gap["float64"] == pytest.approx(0.25, abs=1e-9)
    wide.bias.data[3] = math.nan
    assert math.isnan(certificate(small, wide, ids, mask)["max_logit_gap"]["float64"])


def test_a_seed_repeats_and_nothing_else_changes() -> None:
    small = perturbed(SMALL, dtype=torch.float32).train()
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
    assert wide.bias.dtype == torch.float32
    assert all(torch.equal(before[name], tensor) for name, tensor in small.state_dict().items())


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"width": 40}, "width 40: .* nearest exact widths: 48 or 24"),
        ({"width": 12}, "width 12: .* nearest exact widths: 24 or 48"),
        ({"width": -24}, "width -24: .* nearest exact widths: 24 or 48"),
        ({"width": 48, "heads": 5}, "heads 5: .* width 48.* heads x head_size: 6 x 8 or 3 x 16"),
        ({"width": 48, "heads": 2}, "heads 2: none of the 3 heads .* 3 x 16 or 6 x 8"),
        ({"width": 48, "heads": 0}, "heads 0: .* 3 x 16 or 6 x 8"),
        ({"width": 48, "heads": 4}, "heads 4: rotary .* multiple of 8 wide.* 3 x 16 or 6 x 8"),
        ({"width": 48, "head_size": 12}, "head_size 12: rotary .* 3 x 16 or 6 x 8"),
        ({"width": 48, "head_size": 4}, "head_size 4: rotary .* 6 x 8 or 3 x 16"),
        ({"width": 48, "head_size": 0}, "head_size 0: .* 6 x 8 or 3 x 16"),
        ({"width": 48, "heads": 3, "head_size": 8}, "heads 3 and head_size 8: .* 3 x 16 or 6 x 8"),
        ({"width": 48, "feed_forward": 39}, "feed_forward 39: .* nearest exact feed_forward: 40"),
        ({"width": 48, "noise": 1.5}, "noise 1.5: expected"),
        ({"width": 48, "noise": math.nan}, "noise nan: expected"),
    ],
)
def test_what_cannot_be_exact_is_refused_with_the_nearest_sizes(sizes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        widen(MaskedLanguageModel(SMALL), **sizes)


def test_a_width_that_would_lose_the_projection_is_refused() -> None:
    model = MaskedLanguageModel(dataclasses.replace(SMALL, embedding_size=48))
    with pytest.raises(InputError, match="width 48: it would equal embedding_size 48.* 24 or 72"):
        widen(model, width=48)
