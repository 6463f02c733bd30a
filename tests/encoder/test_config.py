"""The encoder's shape: config.json both ways, FLOPs as counted by torch, refusals."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from rosphere.encoder import config as configs
from rosphere.encoder.config import EncoderConfig
from rosphere.errors import InputError
from tests import tiny

SMALL: dict[str, Any] = {"vocab_size": 50, **tiny.SIZES}


def test_a_config_survives_the_round_trip(tmp_path: Path) -> None:
    config = EncoderConfig(**SMALL, hidden_act="relu", hidden_dropout_prob=0.25, layer_norm_eps=1e-5, type_vocab_size=3)
    (tmp_path / "config.json").write_text(json.dumps(configs.to_json(config)), encoding="utf-8")
    assert configs.read(tmp_path) == config


def test_transformers_reads_every_field(tmp_path: Path) -> None:
    from transformers import AutoConfig, RoFormerConfig

    config = EncoderConfig(**SMALL, hidden_dropout_prob=0.25, initializer_range=0.03, max_position_embeddings=77)
    (tmp_path / "config.json").write_text(json.dumps(configs.to_json(config)), encoding="utf-8")
    theirs = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(theirs, RoFormerConfig)
    for field in dataclasses.fields(EncoderConfig):
        assert getattr(theirs, field.name) == getattr(config, field.name)
    assert configs.from_json(theirs.to_dict(), origin="theirs") == config


def test_an_embedding_that_is_not_factorised_has_the_hidden_size() -> None:
    values = {"model_type": "roformer", **SMALL, "embedding_size": None}
    assert configs.from_json(values, origin="here").embedding_size == 24


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gpt2"}, "here: expected model_type 'roformer' or 'roformer_v2' or 'bert', got 'gpt2'"),
        ({"hidden_act": "mish"}, "here: hidden_act: expected one of gelu, .*smooth_relu_gaussian:WIDTH.*, got 'mish'"),
        ({"hidden_act": "smooth_relu_box:1"}, "here: hidden_act: expected one of gelu, .*, got 'smooth_relu_box:1'"),
        ({"hidden_act": "smooth_relu_gaussian"}, "expected smooth_relu_gaussian:WIDTH, a width > 0, perhaps .*, got"),
        ({"hidden_act": "smooth_relu_gaussian:0"}, "expected smooth_relu_gaussian:WIDTH, .*got '.*:0'"),
        ({"hidden_act": "smooth_relu_gaussian:wide"}, "expected smooth_relu_gaussian:WIDTH, .*got '.*:wide'"),
        ({"hidden_act": "smooth_leaky_relu_logistic:1"}, "WIDTH:SLOPE, a width > 0 and a slope between -1 and 1, .*"),
        ({"is_decoder": True}, "here: is_decoder true is not supported"),
        ({"rotary_value": True}, "here: rotary_value true is not supported"),
        ({"intermediate_size": None}, "here: intermediate_size is missing"),
        ({"hidden_size": 25}, "hidden_size 25 is not a multiple of num_attention_heads 3"),
        ({"hidden_size": 27}, "even head size, got 9"),
    ],
)
def test_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        configs.from_json({"model_type": "roformer", **SMALL, **changes}, origin="here")


def test_refuses_a_folder_without_a_config(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{tmp_path}: not a model folder, config.json is missing"):
        configs.read(tmp_path)


def test_flops_literal() -> None:
    """Every token: 4 24² + 2 24 40 + 3 24² + 12 24; predicted ones: 24² + 2 24 40 + 12 24 + 12 50; 12 2 24 16."""
    assert EncoderConfig(**SMALL).flops_per_token(16, predicted=0.5) == 6 * (6240 + 0.5 * 3384) + 9216
