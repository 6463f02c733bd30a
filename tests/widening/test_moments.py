"""Adam's state: the grown model trains on as the small one would have, and grows into the same weights."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.widening import moments, plan, widen
from tests.widening.models import BERT, SMALL, VOCABULARY, batch, growths, perturbed

RATE, EPSILON, DECAY = 1e-3, 1e-8, 0.1
PLAIN = dataclasses.replace(SMALL, embedding_size=24)  # not factorised
V2 = dataclasses.replace(SMALL, model_type="roformer_v2")


def descend(model: MaskedLanguageModel, seed: int) -> None:
    """Gradients of a masked language model's loss."""
    model.zero_grad()
    ids, mask = batch(seed)
    targets = torch.randint(1, VOCABULARY, ids.shape, generator=torch.Generator().manual_seed(seed))
    F.cross_entropy(model(ids, mask).flatten(0, 1), targets.flatten()).backward()


def adam(
    model: MaskedLanguageModel, multipliers: dict[str, moments.Multipliers], *, decay: float, fused: bool
) -> torch.optim.AdamW:
    neutral = moments.Multipliers(learning_rate=1, weight_decay=1, epsilon=1, spread=1)
    groups = []
    for name, parameter in model.named_parameters():
        each = multipliers.get(name, neutral)
        groups.append(
            {
                "params": [parameter],
                "lr": RATE * each.learning_rate,
                "eps": EPSILON * each.epsilon,
                "weight_decay": decay * each.weight_decay,
            }
        )
    return torch.optim.AdamW(groups, fused=fused)


def steps(model: MaskedLanguageModel, optimizer: torch.optim.Optimizer, first: int, count: int) -> None:
    for seed in range(first, first + count):
        descend(model, seed)
        optimizer.step()


def state(model: MaskedLanguageModel, optimizer: torch.optim.Optimizer) -> dict[str, dict[str, torch.Tensor]]:
    return {name: dict(optimizer.state[parameter]) for name, parameter in model.named_parameters()}


def continued(small: MaskedLanguageModel, sizes: dict[str, Any], **settings_: Any) -> tuple[MaskedLanguageModel, Any]:
    """The grown model with the state of four steps of the small one, its optimizer; the small one's too."""
    old = adam(small, {}, **settings_)
    steps(small, old, 0, 4)
    wide = widen(small, **sizes)
    new = adam(wide, moments.multipliers(small.config, wide.config), **settings_)
    before = state(small, old)
    grown = moments.grow_moments(before, small.config, wide.config)
    for name, parameter in wide.named_parameters():
        new.state[parameter] = {"step": before["encoder.words.weight"]["step"].clone(), **grown[name]}
    return wide, (old, new)


def silence(model: MaskedLanguageModel, origin: torch.Tensor) -> None:
    """Free keys to zero: zero queries beside them have no gradient then, so that nothing but copies can move."""
    for block in model.encoder.blocks:
        block.attention.qkv.weight.data[origin < 0] = 0


def distances(one: MaskedLanguageModel, other: MaskedLanguageModel) -> dict[str, float]:
    theirs = other.state_dict()
    return {name: (tensor - theirs[name]).abs().max().item() for name, tensor in one.state_dict().items()}


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("decay", "fused"), [(0.0, False), (0.0, True), (DECAY, False)])
@pytest.mark.parametrize(
    ("config", "sizes"),
    [
        (SMALL, {"width": 48}),
        (SMALL, {"width": 72, "feed_forward": 80}),
        (PLAIN, {"heads": 3, "feed_forward": 120}),
        (BERT, {"width": 48}),
        (BERT, {"width": 72, "heads": 9, "feed_forward": 40}),
    ],
)
def test_training_and_growing_commute(
    config: EncoderConfig, sizes: dict[str, Any], decay: float, fused: bool, count: int
) -> None:
    small = perturbed(config)
    start = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    wide, (old, new) = continued(small, sizes, decay=decay, fused=fused)
    steps(wide, new, 4, count)
    assert max((tensor - start[name]).abs().max().item() for name, tensor in small.state_dict().items()) > 1e-3
    steps(small, old, 4, count)
    found = distances(wide, widen(small, **sizes))
    assert max(found.values()) <= 1e-10, found
    expected, got = moments.grow_moments(state(small, old), config, wide.config), state(wide, new)
    for name, pair in expected.items():
        for kind, tensor in pair.items():
            scale = got[name][kind].abs().max()
            assert (tensor - got[name][kind]).abs().max() <= 1e-8 * scale + 1e-20, (name, kind)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.sampled_from(["roformer", "bert"]).flatmap(growths), st.integers(0, 99))
def test_training_and_growing_commute_at_any_size_with_a_multiplier_for_every_entry(
    growth: tuple[EncoderConfig, dict[str, Any]], seed: int
) -> None:
    """Copies in different numbers, larger heads: torch's one learning rate a tensor, then corrected entry by entry."""
    config, sizes = growth
    small, sizes = perturbed(config, seed), {**sizes, "noise": 0.0}
    wide, (old, new) = continued(small, sizes, decay=0.0, fused=False)
    units = plan.growth(config, wide.config, 0)
    silence(wide, units["write attended"].origin)
    rates, tiny = moments.entrywise(config, wide.config), 1e-25
    for group in (*new.param_groups, *old.param_groups):
        group["lr"], group["eps"] = RATE, tiny
    before = {name: parameter.detach().clone() for name, parameter in wide.named_parameters()}
    steps(wide, new, 4, 1)
    steps(small, old, 4, 1)
    expected = widen(small, **sizes)
    silence(expected, units["write attended"].origin)
    for name, parameter in wide.named_parameters():
        if name.endswith("project.bias") and not config.factorised:
            continue  # nothing to compare a bias with that was not there
        moved = before[name] + (parameter.detach() - before[name]) * rates[name]
        gap = (moved - expected.get_parameter(name).detach()).abs()
        if name.endswith("qkv.bias"):
            gap = without_keys(gap)
        if name == "encoder.project.weight" and not config.factorised:
            continue
        assert gap.max() <= 1e-10, (name, gap.max())


def without_keys(gap: torch.Tensor) -> torch.Tensor:
    """A bias of all keys alike changes no softmax without rotary positions: its gradient is rounding, of any sign."""
    return torch.cat((gap[: len(gap) // 3], gap[-(len(gap) // 3) :]))


@pytest.mark.parametrize("config", [SMALL, PLAIN, BERT, V2, dataclasses.replace(V2, embedding_size=24)])
@pytest.mark.parametrize("sizes", [{"width": 48}, {"width": 48, "heads": 3}, {"width": 72, "feed_forward": 100}])
def test_first_moments_grow_as_gradients_do(config: EncoderConfig, sizes: dict[str, Any]) -> None:
    small = perturbed(config)
    wide = widen(small, **sizes, seed=3)
    for model in (small, wide):
        descend(model, 0)
    found = {name: parameter.grad for name, parameter in wide.named_parameters()}
    state_ = {name: {"exp_avg": p.grad, "exp_avg_sq": p.grad**2} for name, p in small.named_parameters()}
    grown = moments.grow_moments(state_, config, wide.config, seed=3)
    assert grown.keys() == found.keys()
    units = plan.growth(config, wide.config, 3)
    for name, pair in grown.items():
        if name not in state_:
            assert not pair["exp_avg"].any() and not pair["exp_avg_sq"].any()
            continue
        gap = (pair["exp_avg"] - found[name]).abs()
        if "qkv" in name:  # free queries have a gradient, which begins anew
            gap = gap[units["write attended"].origin >= 0]
        assert gap.max() <= 1e-12 * max(1, found[name].abs().max()), name


def test_second_moments_of_an_isometry_have_the_size_of_squared_gradients() -> None:
    """An approximation: on average over a tensor, within a factor of two."""
    small = perturbed(V2)
    wide = widen(small, width=56)
    for model in (small, wide):
        descend(model, 0)
    state_ = {name: {"exp_avg": p.grad, "exp_avg_sq": p.grad**2} for name, p in small.named_parameters()}
    grown = moments.grow_moments(state_, V2, wide.config)
    for name, parameter in wide.named_parameters():
        ratio = grown[name]["exp_avg_sq"].mean() / parameter.grad.square().mean()
        assert 0.5 < ratio < 2, (name, ratio)


def test_learning_rates_by_hand() -> None:
    """Twice as wide: writers as before, readers at half the rate; q of heads twice as large sqrt(2) times as much."""
    wide = dataclasses.replace(SMALL, hidden_size=48, num_attention_heads=6, intermediate_size=80)
    rates = moments.learning_rates(SMALL, wide)
    block = "encoder.blocks.1"
    for name in ("attention.qkv", "attention.out", "feed_in", "feed_out"):
        assert rates[f"{block}.{name}.weight"] == pytest.approx(0.5)
        assert rates[f"{block}.{name}.bias"] == 1
    for name in ("encoder.words.weight", "encoder.project.weight", f"{block}.feed_norm.weight", "bias"):
        assert rates[name] == 1
    assert rates["transform.weight"] == pytest.approx(0.5)
    assert rates["transform.bias"] == rates["transform_norm.weight"] == 1
    larger = dataclasses.replace(wide, num_attention_heads=3)
    each = moments.multipliers(SMALL, larger)[f"{block}.attention.qkv.weight"]
    assert each.spread == pytest.approx(2**0.5)
    assert each.learning_rate == pytest.approx(0.5 * 2 ** (1 / 6))  # the mean of sqrt(2), 1 and 1
    q, k, v = moments.entrywise(SMALL, larger)[f"{block}.attention.qkv.weight"].chunk(3)
    assert (q[0, 0].item(), k[0, 0].item(), v[0, 0].item()) == pytest.approx((2**-0.5, 0.5, 0.5))


def test_paces_of_bert_and_of_an_isometry_by_hand() -> None:
    wide = dataclasses.replace(BERT, hidden_size=72, embedding_size=72, num_attention_heads=9, intermediate_size=120)
    multipliers = moments.multipliers(BERT, wide)
    expected = {  # c, 1 / (n c)
        "encoder.words.weight": (1, 1 / 3),
        "encoder.positions.weight": (1, 1 / 3),
        "encoder.blocks.0.feed_in.weight": (1 / 3, 1 / 3),
        "transform.weight": (1 / 3, 1 / 3),
        "transform_norm.bias": (1 / 3, 1),
        "pooler.bias": (1, 1 / 3),
        "bias": (1, 1),
    }
    for name, (rate, epsilon) in expected.items():
        each = multipliers[name]
        assert each.learning_rate == pytest.approx(rate), name
        assert each.weight_decay == pytest.approx(1 / rate), name
        assert each.epsilon == pytest.approx(epsilon), name
        assert each.spread == pytest.approx(1), name
    multipliers = moments.multipliers(
        V2, dataclasses.replace(V2, hidden_size=32, num_attention_heads=4, intermediate_size=40)
    )
    assert multipliers["encoder.project.weight"].learning_rate == pytest.approx(1)
    assert multipliers["transform.weight"].learning_rate == pytest.approx(24 / 32)


def test_added_blocks_begin_without_moments() -> None:
    state_ = {name: {"exp_avg": p, "exp_avg_sq": p**2} for name, p in perturbed(V2).named_parameters()}
    wide = dataclasses.replace(V2, num_hidden_layers=3)
    grown = moments.grow_moments(state_, V2, wide)
    assert grown.keys() == dict(MaskedLanguageModel(wide).named_parameters()).keys()
    for name in ("attention.qkv", "feed_out"):
        first, added, last = (grown[f"encoder.blocks.{place}.{name}.weight"]["exp_avg"] for place in range(3))
        assert not added.any()
        assert torch.equal(first, state_[f"encoder.blocks.0.{name}.weight"]["exp_avg"])
        assert torch.equal(last, state_[f"encoder.blocks.1.{name}.weight"]["exp_avg"])


def test_what_is_not_the_state_of_the_small_model_is_refused() -> None:
    wide = dataclasses.replace(SMALL, hidden_size=48, num_attention_heads=6)
    zero = torch.zeros(VOCABULARY)
    assert moments.grow_moments({}, SMALL, wide) == {}
    assert moments.grow_moments({"bias": {"exp_avg": zero, "exp_avg_sq": zero}}, SMALL, wide).keys() == {"bias"}
    for state_, message in (
        ({"head": {}}, "moments of head: the small model has no such parameter"),
        ({"bias": {"step": zero}}, "moments of bias: expected exp_avg and exp_avg_sq, got step"),
        ({"bias": {"exp_avg": zero[1:], "exp_avg_sq": zero}}, r"exp_avg has shape \(36,\), expected \(37,\)"),
    ):
        with pytest.raises(InputError, match=message):
            moments.grow_moments(state_, SMALL, wide)
