"""Which sizes are refused, in what words, and how near the inexact ones come."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch

from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.widening import certificate, widen
from tests.widening.models import BERT, SMALL, batch, perturbed

V2 = dataclasses.replace(SMALL, model_type="roformer_v2")


@pytest.mark.parametrize(
    ("config", "sizes", "message"),
    [
        (SMALL, {"width": 40}, "width 40: LayerNorm .* whole multiples .* nearest exact widths: 48 or 24"),
        (SMALL, {"width": 12}, "width 12: none of the 24 features .* nearest exact widths: 24 or 48"),
        (SMALL, {"width": -24}, "width -24: .* nearest exact widths: 24 or 48"),
        (SMALL, {"width": 48, "heads": 5}, "heads 5: .* width 48.* heads x head_size: 6 x 8 or 3 x 16"),
        (SMALL, {"width": 48, "heads": 2}, "heads 2: none of the 3 heads .* 3 x 16 or 6 x 8"),
        (SMALL, {"width": 48, "heads": 0}, "heads 0: .* 3 x 16 or 6 x 8"),
        (SMALL, {"width": 48, "heads": 4}, "heads 4: rotary .* multiple of 8 wide.* 3 x 16 or 6 x 8"),
        (SMALL, {"width": 48, "head_size": 12}, "head_size 12: rotary .* 3 x 16 or 6 x 8"),
        (SMALL, {"width": 48, "head_size": 4}, "head_size 4: rotary .* 6 x 8 or 3 x 16"),
        (SMALL, {"width": 48, "head_size": 0}, "head_size 0: .* 6 x 8 or 3 x 16"),
        (SMALL, {"width": 48, "heads": 3, "head_size": 8}, "heads 3 and head_size 8: .* 3 x 16 or 6 x 8"),
        (SMALL, {"width": 48, "feed_forward": 39}, "feed_forward 39: .* nearest exact feed_forward: 40 or any larger"),
        (SMALL, {"layers": 3}, "layers 3: LayerNorm with gain and bias is not idempotent.* nearest exact layers: 2$"),
        (SMALL, {"layers": 1}, "layers 1: none of the 2 blocks .* nearest exact layers: 2$"),
        (BERT, {"width": 36}, "width 36: LayerNorm .* nearest exact widths: 24 or 48"),
        (BERT, {"layers": 3}, "layers 3: LayerNorm .* nearest exact layers: 2$"),
        (BERT, {"width": 48, "heads": 12}, "heads 12: heads need 8 channels or more; .* 6 x 8 or 4 x 12"),
        (BERT, {"width": 48, "heads": 1}, "heads 1: none of the 3 heads .* 3 x 16 or 4 x 12"),
        (
            V2,
            {"width": 30},
            "width 30: the heads fill the width, .* multiple of 8 wide; nearest .* 32 or 24",
        ),
        (V2, {"width": 20}, "width 20: none of the 24 features .* nearest exact widths: 24 or 32"),
        (V2, {"width": 48, "heads": 4}, "heads 4: rotary .* 3 x 16 or 6 x 8"),
        (V2, {"layers": 0}, "layers 0: none of the 2 blocks .* nearest exact layers: 2 or any larger number"),
        (
            dataclasses.replace(V2, layer_norm_eps=1e-5),
            {"layers": 4},
            "layers 4: added blocks change RMSNorm's stream .* epsilon, 1e-05, .* nearest exact layers: 2$",
        ),
    ],
)
def test_what_cannot_be_exact_is_refused_with_the_nearest_sizes(
    config: EncoderConfig, sizes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        widen(MaskedLanguageModel(config), **sizes)


@pytest.mark.parametrize("noise", [1.5, -0.1, math.nan])
def test_a_noise_that_is_no_share_is_refused(noise: float) -> None:
    with pytest.raises(InputError, match=f"noise {noise}: expected"):
        widen(MaskedLanguageModel(SMALL), width=48, noise=noise)


@pytest.mark.parametrize("allow_inexact", [False, True])
@pytest.mark.parametrize(("config", "nearest"), [(SMALL, "24 or 72"), (V2, "40 or 56")])
def test_a_width_that_would_lose_the_projection_is_refused(
    config: EncoderConfig, nearest: str, allow_inexact: bool
) -> None:
    model = MaskedLanguageModel(dataclasses.replace(config, embedding_size=48))
    with pytest.raises(InputError, match=f"width 48: it would equal embedding_size 48.* {nearest}"):
        widen(model, width=48, allow_inexact=allow_inexact)


@pytest.mark.parametrize(
    ("config", "sizes", "message"),
    [
        (SMALL, {"width": 20}, "width 20: none of the 24 features"),
        (SMALL, {"width": 40, "heads": 2}, "heads 2: none of the 3 heads"),
        (
            SMALL,
            {"width": 28, "head_size": 7},
            "head_size 7: heads need an even size of 8 channels or more; .* none",
        ),
        (SMALL, {"width": 29}, "heads: heads x head_size must be width 29: .* none at width 29"),
        (BERT, {"width": 40, "heads": 8}, "heads 8: heads need 8 channels or more; .* 5 x 8 or 4 x 10"),
        (SMALL, {"layers": 1}, "layers 1: none of the 2 blocks"),
        (SMALL, {"feed_forward": 39}, "feed_forward 39: none of the 40 units"),
    ],
)
def test_what_cannot_be_built_is_refused_even_if_it_may_be_inexact(
    config: EncoderConfig, sizes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        widen(MaskedLanguageModel(config), **sizes, allow_inexact=True)


@pytest.mark.parametrize(
    ("config", "sizes", "reasons"),
    [
        (SMALL, {"width": 40}, ["LayerNorm keeps"]),
        (BERT, {"width": 56}, ["LayerNorm keeps"]),
        (SMALL, {"layers": 3}, ["LayerNorm with gain and bias is not idempotent"]),
        (SMALL, {"width": 48, "heads": 4}, ["rotary pairs"]),
        (V2, {"width": 30, "layers": 3}, ["rotary pairs"]),
        (dataclasses.replace(V2, layer_norm_eps=1e-3), {"layers": 3}, ["added blocks change RMSNorm's stream"]),
        (SMALL, {"width": 60, "layers": 3}, ["LayerNorm keeps", "rotary pairs", "LayerNorm with gain"]),
    ],
)
def test_inexact_sizes_are_built_and_the_certificate_says_why(
    config: EncoderConfig, sizes: dict[str, Any], reasons: list[str]
) -> None:
    small = perturbed(config)
    wide = widen(small, **sizes, noise=0.5, allow_inexact=True)
    assert wide.config.hidden_size == sizes.get("width", 24)
    assert wide.config.num_hidden_layers == sizes.get("layers", 2)
    found = certificate(small, wide, *batch())
    assert not found["exact"]
    assert len(found["reasons"]) == len(reasons)
    for reason, expected in zip(found["reasons"], reasons, strict=True):
        assert reason.startswith(expected)
    # measured, and far nearer than logits that have nothing to do with one another, which are 5 and more apart
    assert 1e-4 < found["max_logit_gap"]["float64"] / found["logit_std"] < 2


def test_what_is_allowed_to_be_inexact_is_exact_where_it_can_be() -> None:
    small = perturbed(BERT)
    wide = widen(small, width=48, heads=4, allow_inexact=True)
    assert certificate(small, wide, *batch())["exact"]


def test_any_width_is_exact_under_layer_norms_of_constant_gain() -> None:
    """Its mean is then that of the bias, which the features that hold the mean are given; but for epsilon."""
    small = perturbed(dataclasses.replace(SMALL, layer_norm_eps=1e-14))
    for block in small.encoder.blocks:
        for norm in (block.attention_norm, block.feed_norm):
            norm.weight.data.fill_(norm.weight.data.mean().item())
    wide = widen(small, width=40, allow_inexact=True)
    found = certificate(small, wide, *batch())
    assert found["max_logit_gap"]["float64"] <= 1e-11 * found["logit_std"]


def test_the_features_that_hold_the_mean() -> None:
    """24 to 32: eight rows that are the mean of all, gains by sqrt(24 / 32), columns that read nothing."""
    small = perturbed(SMALL)
    wide = widen(small, width=32, allow_inexact=True)
    before, after = (model.encoder.blocks[0] for model in (small, wide))
    mean = before.feed_out.weight.mean(0, keepdim=True).expand(8, -1)
    torch.testing.assert_close(after.feed_out.weight[24:, :40], mean / 2 ** (torch.arange(40) < 13).double())
    scale = math.sqrt(24 / 32)
    torch.testing.assert_close(after.feed_norm.weight[:24], before.feed_norm.weight * scale)
    torch.testing.assert_close(after.feed_norm.bias[24:], before.feed_norm.bias.mean().expand(8))
    assert not after.feed_in.weight[:, 24:].any()


def test_added_blocks_are_exact_under_layer_norms_of_one_gain_and_one_bias() -> None:
    """The stream's mean and variance are then always what they are on average; but for epsilon."""
    small = perturbed(dataclasses.replace(SMALL, layer_norm_eps=1e-14))
    for block in small.encoder.blocks:
        block.feed_norm.weight.data.fill_(0.7)
        block.feed_norm.bias.data.fill_(-0.4)
    found = certificate(small, widen(small, layers=5, allow_inexact=True), *batch())
    assert found["max_logit_gap"]["float64"] <= 1e-11 * found["logit_std"]
    wide = widen(perturbed(SMALL), layers=3, allow_inexact=True)
    before, added = (wide.encoder.blocks[place].feed_norm for place in (0, 1))
    spread = before.weight.square().mean() + before.bias.var(correction=0)
    torch.testing.assert_close(added.weight.detach(), spread.sqrt().detach().expand(24))
    torch.testing.assert_close(added.bias.detach(), before.bias.mean().detach().expand(24))
