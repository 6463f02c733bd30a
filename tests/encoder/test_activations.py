"""Activations by name: what they compute, and models with smooth ones on disk and in training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rosphere import smoothing
from rosphere.encoder import folder
from rosphere.encoder.activations import PLAIN, LearnedWidth, activation
from tests import tiny

X = torch.linspace(-5, 5, 41)
LEARNED = "smooth_relu_gaussian:0.5:learned"


@pytest.mark.parametrize("name", PLAIN)
def test_transformers_names_are_transformers_functions(name: str) -> None:
    from transformers.activations import ACT2FN

    torch.testing.assert_close(activation(name)(X), ACT2FN[name](X))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("smooth_relu_gaussian:0.5", smoothing.relu(X, "gaussian", 0.5)),
        ("smooth_relu_logistic:2", F.softplus(X, beta=0.5)),
        ("smooth_leaky_relu_gaussian:1e-1:0.25", smoothing.leaky_relu(X, 0.25, "gaussian", 0.1)),
        ("smooth_leaky_relu_logistic:1:-0.1", smoothing.leaky_relu(X, -0.1, "logistic", 1.0)),
        (LEARNED, smoothing.relu(X, "gaussian", 0.5)),
    ],
)
def test_a_smooth_activation_by_its_name(name: str, expected: torch.Tensor) -> None:
    torch.testing.assert_close(activation(name)(X), expected)


@pytest.mark.parametrize("name", ["smooth_leaky_relu_gaussian:0.3:0.25", LEARNED])
@pytest.mark.parametrize("kind", ["roformer", "bert", "roformer_v2"])
def test_a_folder_brings_the_same_model_back(tmp_path: Path, kind: Any, name: str) -> None:
    model = tiny.language(30, model_type=kind, hidden_act=name).eval()
    learned = [module for module in model.modules() if isinstance(module, LearnedWidth)]
    assert len(learned) == (0 if name != LEARNED else 2 if kind == "roformer_v2" else 3)
    for number, module in enumerate(learned):
        nn.init.constant_(module.log_width, -0.1 * number)
    folder.save(model, tmp_path / "one", tokenizer=tmp_path)
    assert json.loads((tmp_path / "one" / "config.json").read_text())["hidden_act"] == name
    again = folder.load(tmp_path / "one").eval()
    ids = torch.arange(1, 13).view(2, 6)
    assert again.config == model.config
    assert torch.equal(again(ids), model(ids))
    assert folder.not_taken(tmp_path / "one") == []


def test_transformers_does_not_take_another_activation_for_it(tmp_path: Path) -> None:
    from transformers import AutoModelForMaskedLM

    model = tiny.language(30, hidden_act="smooth_relu_gaussian:0.5")
    folder.save(model, tmp_path / "one", tokenizer=tmp_path)
    with pytest.raises(KeyError, match="smooth_relu_gaussian:0.5"):
        AutoModelForMaskedLM.from_pretrained(tmp_path / "one")


def test_widths_are_learned() -> None:
    torch.manual_seed(0)
    model = tiny.language(30, hidden_act=LEARNED)
    model(torch.arange(1, 13).view(2, 6)).square().mean().backward()
    slopes = [p.grad for name, p in model.named_parameters() if name.endswith("log_width")]
    assert len(slopes) == 3 and all(slope is not None and slope != 0 for slope in slopes)
