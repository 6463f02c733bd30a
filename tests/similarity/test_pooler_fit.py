"""The pooler in closed form: a known linear map is found again, and no neighbour has a smaller error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rosphere.errors import InputError
from rosphere.similarity import encoding, pooler_fit
from rosphere.similarity.model import SimilarityModel
from rosphere.similarity.vectors import unit
from rosphere.text.tokenizer import Tokenizer
from tests import tiny

TEXTS = [tiny.POEM[start : start + 2 + start % 5] for start in range(20)] * 3


@pytest.fixture
def tokens(tmp_path: Path) -> Tokenizer:
    return tiny.tokenizer(tmp_path, [tiny.POEM])


@pytest.fixture
def model(tokens: Tokenizer) -> SimilarityModel:
    return SimilarityModel(tiny.language(len(tokens), seed=2), "mean")


def states(model: SimilarityModel, tokens: Tokenizer) -> NDArray[np.float32]:
    model.eval()
    return encoding.in_batches(model.states, model.language, tokens, TEXTS, max_length=64)


def test_a_goal_turned_by_an_orthogonal_matrix_is_met(model: SimilarityModel, tokens: Tokenizer) -> None:
    centred = states(model, tokens) - 0.5
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((centred.shape[1],) * 2))[0].astype(np.float32)
    goal = unit(centred / np.linalg.norm(centred, axis=1, keepdims=True) @ turn)
    found = pooler_fit.fit(model, tokens, TEXTS, lambda numbers: goal[numbers])
    assert found["before"] < 0.5
    assert found["after"] > 0.99
    mean = (encoding.encode(model, tokens, TEXTS) * goal).sum(1).mean()
    assert found["after"] == pytest.approx(mean, abs=1e-4)


def test_no_other_linear_layer_has_a_smaller_penalised_error(model: SimilarityModel, tokens: Tokenizer) -> None:
    """The objective is convex: at its minimum every small step to any side makes it larger."""
    generator = np.random.default_rng(1)
    width = model.language.config.hidden_size
    goal = unit(generator.standard_normal((len(TEXTS), width)).astype(np.float32))
    pooler_fit.fit(model, tokens, TEXTS, lambda numbers: goal[numbers])
    inputs = states(model, tokens).astype(np.float64)
    ridge = pooler_fit.RIDGE * inputs.var(0).mean()

    def error(weight: NDArray[np.float64], bias: NDArray[np.float64]) -> float:
        return float(np.square(inputs @ weight.T + bias - goal).sum(1).mean() + ridge * np.square(weight).sum())

    weight, bias = (each.detach().double().numpy() for each in (model.pooler.weight, model.pooler.bias))
    least = error(weight, bias)
    for _ in range(20):
        one, other = 1e-2 * generator.standard_normal(weight.shape), 1e-2 * generator.standard_normal(bias.shape)
        assert error(weight + one, bias) > least
        assert error(weight, bias + other) > least


def test_it_asks_for_the_vectors_of_evenly_spread_sentences(
    model: SimilarityModel, tokens: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooler_fit, "FITTED", 4)
    asked: list[list[int]] = []

    def goal(numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        asked.append(numbers.tolist())
        return np.eye(len(numbers), model.language.config.hidden_size, dtype=np.float32)

    pooler_fit.fit(model, tokens, TEXTS, goal)
    assert asked == [[0, 19, 39, 59]]
    assert torch.isfinite(model.pooler.weight).all()


def test_refuses_one_sentence(model: SimilarityModel, tokens: Tokenizer) -> None:
    with pytest.raises(InputError, match="pooler: expected two sentences or more to fit it to, got 1"):
        pooler_fit.fit(model, tokens, TEXTS[:1], lambda numbers: np.ones((len(numbers), 1), np.float32))
