"""GlobalPointer against transparent loops: scores, loss, and what is read off the scores."""

from __future__ import annotations

import cmath
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rosphere.clue import global_pointer, predicting
from rosphere.clue.examples import collate, examples
from rosphere.clue.model import TaskModel
from rosphere.clue.tasks import TASKS
from rosphere.text.tokenizer import Tokenizer
from tests import tiny

FAR = global_pointer.FAR


def turned(vector: list[float], position: int) -> list[float]:
    """RoPE as complex numbers: the pair (2j, 2j + 1) times exp(i position 10000^(-2j/d))."""
    size, out = len(vector), []
    for j in range(size // 2):
        angle = position * 10000.0 ** (-2 * j / size)
        z = complex(vector[2 * j], vector[2 * j + 1]) * cmath.exp(1j * angle)
        out += [z.real, z.imag]
    return out


def test_scores_against_transparent_loops() -> None:
    torch.manual_seed(1)
    types, size, length = 3, 8, 6
    head = global_pointer.GlobalPointer(10, types, size)
    hidden = torch.randn(2, length, 10)
    keep = torch.tensor([[0, 1, 1, 1, 1, 0], [0, 1, 1, 0, 0, 0]])
    with torch.no_grad():
        scores = head(hidden, keep)
        projected = head.project(hidden).double()
    assert scores.shape == (2, types, length, length)
    for b in range(2):
        for t in range(types):
            for first in range(length):
                for last in range(length):
                    begin = 2 * t * size
                    q = turned(projected[b, first, begin : begin + size].tolist(), first)
                    k = turned(projected[b, last, begin + size : begin + 2 * size].tolist(), last)
                    expected = sum(x * y for x, y in zip(q, k, strict=True)) / math.sqrt(size)
                    if first > last or not keep[b, first] or not keep[b, last]:
                        expected = FAR
                    assert scores[b, t, first, last].item() == pytest.approx(expected, abs=1e-5)


def brute_force(scores: torch.Tensor, gold: torch.Tensor) -> float:
    """log(1 + sum over negatives of e^s) + log(1 + sum over positives of e^-s), averaged over texts and types."""
    total = 0.0
    for b in range(scores.shape[0]):
        for t in range(scores.shape[1]):
            negative = positive = 1.0
            for first in range(scores.shape[2]):
                for last in range(scores.shape[3]):
                    s = scores[b, t, first, last].item()
                    if gold[b, t, first, last]:
                        positive += math.exp(-s)
                    else:
                        negative += math.exp(s)
            total += math.log(negative) + math.log(positive)
    return total / (scores.shape[0] * scores.shape[1])


@given(st.integers(0, 10_000), st.floats(0.0, 1.0), st.booleans())
def test_loss_against_brute_force(seed: int, share: float, gold_as_numbers: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = 4 * torch.randn(2, 3, 5, 5, generator=generator, dtype=torch.float64)
    possible = torch.ones(5, 5, dtype=torch.bool).triu()
    gold = (torch.rand(2, 3, 5, 5, generator=generator) < share) & possible
    scores = scores.masked_fill(~possible, FAR)
    loss = global_pointer.loss(scores, gold.long() if gold_as_numbers else gold)
    assert loss.item() == pytest.approx(brute_force(scores, gold), rel=1e-9)


def test_loss_of_perfect_and_of_hopeless_scores() -> None:
    gold = torch.zeros(1, 1, 3, 3, dtype=torch.bool)
    gold[0, 0, 0, 1] = True
    scores = torch.full((1, 1, 3, 3), -50.0).masked_fill(gold, 50.0)
    assert global_pointer.loss(scores, gold).item() < 1e-6
    assert global_pointer.loss(-scores, gold).item() == pytest.approx(50.0 + 50.0 + math.log(8), abs=1e-3)
    assert global_pointer.loss(torch.zeros(1, 1, 3, 3), gold).item() == pytest.approx(math.log(9) + math.log(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_impossible_spans_have_no_gradient_and_all_gradients_are_finite(dtype: torch.dtype) -> None:
    torch.manual_seed(2)
    scores = torch.randn(1, 2, 4, 4).masked_fill(~torch.ones(4, 4, dtype=torch.bool).triu(), FAR).to(dtype).float()
    scores.requires_grad_()
    gold = torch.zeros(1, 2, 4, 4, dtype=torch.bool)
    gold[0, 1, 1, 2] = True
    global_pointer.loss(scores, gold).backward()
    assert scores.grad is not None and scores.grad.isfinite().all()
    below = scores.grad[0][:, torch.ones(4, 4).tril(-1).bool()]
    assert (below == 0).all()
    assert (scores.grad[gold] < 0).all()


TEXTS = ["甲乙丙", "丁", "甲丁 hello 乙丙", "乙乙乙乙乙", ""]


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return tiny.tokenizer(tmp_path_factory.mktemp("tokenizer"), TEXTS)


@pytest.fixture
def model(pieces: Tokenizer) -> TaskModel:
    return TaskModel(tiny.encoder(len(pieces), seed=3), TASKS["entities"]).eval()


def test_decoding_against_brute_force(model: TaskModel, pieces: Tokenizer) -> None:
    rows = [{"text": text} for text in TEXTS]
    found = predicting.predict(model, rows, pieces, size=2)
    assert any(found)
    for row, guess in zip(rows, found, strict=True):
        (example,) = examples(model.task, [row], pieces)
        with torch.no_grad():
            scores = model(collate([example], model.task, pieces.pad))[0]
        expected = set()
        for number, label in enumerate(model.task.labels):
            for first, (begin, _) in enumerate(example.sequences[0].offsets, 1):  # [CLS] stands at 0
                for last, (_, end) in enumerate(example.sequences[0].offsets, 1):
                    if first <= last and scores[number, first, last] > 0:
                        expected.add((label, begin, end - 1))
        assert set(guess) == expected
        assert len(guess) == len(expected)


def test_no_entity_on_the_special_tokens(model: TaskModel, pieces: Tokenizer) -> None:
    batch = collate(examples(model.task, [{"text": text} for text in TEXTS], pieces), model.task, pieces.pad)
    with torch.no_grad():
        scores = model(batch)
    possible = (scores > FAR / 2).any(1)
    for row, (text, spans) in enumerate(zip(TEXTS, possible, strict=True)):
        tokens = len(pieces.ids([text])[0])
        places = {(first, last) for first in range(1, tokens + 1) for last in range(first, tokens + 1)}
        assert {tuple(place) for place in spans.nonzero().tolist()} == places, row


def test_the_loss_of_the_model_is_the_formulas(model: TaskModel, pieces: Tokenizer, tmp_path: Path) -> None:
    rows = [{"text": "甲乙丙", "label": {"name": {"甲乙": [[0, 1]]}}}, {"text": "丁", "label": {}}]
    batch = collate(examples(model.task, rows, pieces), model.task, pieces.pad)
    with torch.no_grad():
        assert model.loss(batch).item() == pytest.approx(brute_force(model(batch), batch.target), rel=1e-5)
