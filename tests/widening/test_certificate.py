"""The certificate: plain data that names every tensor, sees every difference, and takes what BERT needs."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from rosphere.encoder import folder, masks
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.widening import certificate, plan, widen
from rosphere.widening.construction import construction
from tests.widening.models import BERT, SMALL, VOCABULARY, batch, perturbed, read, theirs

V2 = dataclasses.replace(SMALL, model_type="roformer_v2")


def test_it_is_plain_data() -> None:
    small = perturbed(SMALL)
    wide = widen(small, width=48, heads=3, feed_forward=50, noise=0.3)
    found = json.loads(json.dumps(certificate(small, wide, *batch(), dropped=["x"])))
    assert found["parameters"] == {
        "before": sum(tensor.numel() for tensor in small.parameters()),
        "after": sum(tensor.numel() for tensor in wide.parameters()),
    }
    # 6 (layers (4 h h + 2 h f) + e h + the head's h e + e V) + 12 layers h length
    assert found["flops_per_token"] == {
        "before": 6 * (2 * (4 * 24 * 24 + 2 * 24 * 40) + 20 * 24 + 10 * VOCABULARY) + 12 * 2 * 24 * 11,
        "after": 6 * (2 * (4 * 48 * 48 + 2 * 48 * 50) + 20 * 48 + 10 * VOCABULARY) + 12 * 2 * 48 * 11,
    }
    assert (found["exact"], found["reasons"], found["dropped"], found["tokens"]) == (True, [], ["x"], 33)


LEARNED = dataclasses.replace(SMALL, hidden_act="smooth_relu_gaussian:0.5:learned")


@pytest.mark.parametrize(
    "config", [SMALL, BERT, V2, LEARNED, *(dataclasses.replace(c, embedding_size=24) for c in (SMALL, V2))]
)
@pytest.mark.parametrize("pooler", [False, True])
@pytest.mark.parametrize("width", [24, 48, 40])
def test_it_names_every_group_of_tensors(config: EncoderConfig, pooler: bool, width: int) -> None:
    small = MaskedLanguageModel(config, pooler=pooler)
    wide = widen(small, width=width, allow_inexact=True)
    groups = {plan.group(name)[0] for name in wide.state_dict()}
    assert construction(config, wide.config, pooler=pooler).keys() == groups
    if width == 24:
        assert set(construction(config, wide.config, pooler=pooler).values()) == {"unchanged"}


@pytest.mark.parametrize(
    ("config", "sizes", "lines"),
    [
        (
            SMALL,
            {"width": 48, "feed_forward": 50},
            {
                "encoder.words": "unchanged",
                "encoder.project": "repeated rows 24 -> 48",
                "attention.qkv": "repeated heads 3 -> 6; split columns 24 -> 48",
                "feed_in": "repeated rows 40 -> 50; split columns 24 -> 48",
                "transform": "split columns 24 -> 48",
            },
        ),
        (
            BERT,
            {"width": 48, "heads": 4},
            {
                "encoder.positions": "repeated columns 24 -> 48",
                "transform": "repeated rows 24 -> 48; split columns 24 -> 48",
                "transform_norm": "shared out 24 -> 48",
                "attention.qkv": "repeated heads 3 -> 4; head size 8 -> 12: q and k in the first slots, "
                "q times sqrt(1.5), other q slots zero, other k slots random, v repeated; split columns 24 -> 48",
            },
        ),
        (
            dataclasses.replace(V2, embedding_size=24),
            {"width": 32, "feed_forward": 40},
            {
                "encoder.project": "new: sqrt(D / d) times an isometry 24 -> 32",
                "transform": "new: its transpose 24 -> 32",
                "feed_in": "columns by the isometry over sqrt(D / d) 24 -> 32",
                "feed_out": "rows by sqrt(D / d) times an isometry 24 -> 32",
            },
        ),
        (
            SMALL,
            {"width": 40},
            {
                "feed_norm": "repeated rows 24 -> 40, the last 16 the mean, all times sqrt(24 / 40)",
                "transform": "split columns 24 -> 40, the last 16 zero",
            },
        ),
    ],
)
def test_it_says_what_was_done(config: EncoderConfig, sizes: dict[str, Any], lines: dict[str, str]) -> None:
    small = perturbed(config)
    made = certificate(small, widen(small, **sizes, allow_inexact=True), *batch())["construction"]
    assert lines.items() <= made.items()


def test_it_sees_a_difference() -> None:
    small = perturbed(SMALL)
    wide = widen(small, width=48)
    ids, mask = batch()
    wide.bias.data[3] += 0.25
    gap = certificate(small, wide, ids, mask)["max_logit_gap"]
    assert gap["float64"] == pytest.approx(0.25, abs=1e-9)
    wide.bias.data[3] = math.nan
    assert math.isnan(certificate(small, wide, ids, mask)["max_logit_gap"]["float64"])


def test_packed_rows_longer_than_berts_positions() -> None:
    """Three documents of 9 in rows of 27, more rows than are compared at a time; the model knows 16 positions."""
    small = perturbed(BERT)
    wide = widen(small, width=48)
    ids = torch.randint(1, VOCABULARY, (11, 27), generator=torch.Generator().manual_seed(0))
    documents = torch.arange(1, 4).repeat_interleave(9).expand(11, -1)
    with pytest.raises(ValueError, match="a text of 27 tokens; this model has positions for 16"):
        certificate(small, wide, ids, masks.packed(documents))
    found = certificate(small, wide, ids, masks.packed(documents), positions=masks.positions(documents))
    with torch.no_grad():
        expected = small(ids.view(33, 9)).std(correction=0).item()
    assert found["logit_std"] == pytest.approx(expected, rel=1e-9)
    assert found["max_logit_gap"]["float64"] <= 1e-11 * expected


def test_copies_distance_by_hand() -> None:
    """One weight of one reader moved by d in one of its two copies: d / sqrt of the sum of all squares."""
    small = perturbed(SMALL)
    wide = widen(small, width=48)
    wide.transform.weight.data[0, 24] += 3.0
    readers = ("attention.qkv", "attention.out", "feed_in", "feed_out", "transform")
    weights = [t for name, t in wide.state_dict().items() if name.endswith("weight") and plan.group(name)[0] in readers]
    expected = 3.0 / math.sqrt(sum(weight.square().sum().item() for weight in weights))
    assert certificate(small, wide, *batch())["copies_distance"] == pytest.approx(expected, rel=1e-12)


def test_what_was_left_behind_is_named(tmp_path: Path) -> None:
    small = read(theirs(BERT, head="ForPreTraining"), tmp_path)
    found = certificate(small, widen(small, width=48), *batch(), dropped=folder.not_taken(tmp_path))
    assert found["dropped"] == ["cls.seq_relationship.bias", "cls.seq_relationship.weight"]
