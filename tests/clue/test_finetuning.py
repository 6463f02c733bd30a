"""The task model and its training: what pairs are judged from, that all kinds learn, every option of a recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rosphere.clue import finetuning, scoring
from rosphere.clue import model as models
from rosphere.clue.examples import collate, examples
from rosphere.clue.finetuning import DEV, Recipe, layer_rates, order
from rosphere.clue.global_pointer import FAR
from rosphere.clue.model import TaskModel
from rosphere.clue.predicting import predict
from rosphere.clue.sequences import Example, Tokens
from rosphere.clue.tasks import TASKS, Row
from rosphere.encoder.model import Encoder
from rosphere.errors import Interrupted
from rosphere.text.tokenizer import Tokenizer
from rosphere.training.checkpoint import History
from rosphere.training.loop import Callbacks
from rosphere.training.schedule import Schedule
from tests import tiny

FAQ = TASKS["faq"]
TEXTS = [f"{one}{other}" for one in "甲乙丙丁" for other in "子丑寅卯"]
ROWS: dict[str, list[Row]] = {
    "sentiment": [{"sentence": t, "label": "1" if t[0] in "甲乙" else "0"} for t in TEXTS],
    "entities": [{"text": t, "label": {"name": {t[0]: [[0, 0]]}} if t[0] in "甲乙" else {}} for t in TEXTS],
    "cmrc2018": [
        {"id": t, "question": t[1], "context": c, "answers": {"text": [t], "answer_start": [c.index(t)]}}
        for t in TEXTS[:8]
        for c in ("丙丁" + "。" * 9 + t + "丙", t + "。" * 5)
    ],
    "c3": [
        {"id": t, "context": [t], "question": "？", "choice": [t[0], "戊"][:: (-1) ** n], "answer": t[0]}
        for n, t in enumerate(TEXTS)
    ],
}


def encoder(vocabulary: int, blocks: int = 1, dropout: float = 0.1) -> Encoder:
    shape = {"num_hidden_layers": blocks, "hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    return tiny.encoder(vocabulary, **shape)


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return tiny.tokenizer(tmp_path_factory.mktemp("tokenizer"), [*TEXTS, "戊。？"])


def small(name: str) -> Any:
    return replace(TASKS[name], max_length=16, stride=4)


def recipe(epochs: int, learning_rate: float = 1e-2, **more: Any) -> Recipe:
    every = {"checkpoint_every": 1, "log_every": 1, "warmup": 0.0}
    return Recipe(
        epochs=epochs,
        batch_size=8,
        schedule=lambda steps: Schedule(steps=steps, learning_rate=learning_rate, **every),  # type: ignore[arg-type]
        **more,
    )


def tuned(
    name: str,
    pieces: Tokenizer,
    made: Recipe,
    *,
    folder: Path | None = None,
    callbacks: Callbacks | None = None,
    dropout: float = 0.1,
) -> tuple[TaskModel, History]:
    model = TaskModel(encoder(len(pieces), dropout=dropout), small(name), means=True)
    model.dropout.p = dropout
    rows = ROWS[name]
    history = finetuning.finetune(
        model, rows, pieces, made, seed=0, folder=folder, callbacks=callbacks or Callbacks(), dev=rows[::2]
    )
    return model, history


def same(one: TaskModel, other: TaskModel) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in one.state_dict().items())


def test_features_are_cls_and_the_means_of_the_segments() -> None:
    hidden = torch.randn(1, 7, 4)
    pair = Example(row=0, sequences=(Tokens(ids=[2, 10, 11, 3, 12, 3], parts=(2, 1)),), target=0)
    longer = Example(row=1, sequences=(Tokens(ids=[2] * 7),), target=0)
    batch = collate([pair, longer], FAQ, pad=0)
    assert batch.part_BL[0].tolist() == [0, 1, 1, 0, 2, 0, 0]
    u, v = hidden[0, 1:3].mean(0), hidden[0, 4]
    expected = {"faq": torch.cat((hidden[0, 0], u, v, (u - v).abs(), u * v)), "sentiment": torch.cat((hidden[0, 0], u))}
    for name, features in expected.items():
        model = TaskModel(encoder(20), TASKS[name], means=True)
        torch.testing.assert_close(model._features(hidden, batch.part_BL[:1])[0], features)


@pytest.mark.parametrize(
    ("name", "means", "width"),
    [("sentiment", True, 2), ("faq", True, 5), ("c3", True, 5), ("sentiment", False, 1), ("faq", False, 1)],
)
def test_what_a_text_a_pair_and_a_choice_are_judged_from(name: str, means: bool, width: int) -> None:
    head = TaskModel(encoder(20), TASKS[name], means=means).head
    assert isinstance(head, torch.nn.Linear)
    assert head.in_features == width * encoder(20).config.hidden_size


def test_an_epoch_visits_every_row_once() -> None:
    lengths = [3, 9, 4, 4, 7, 1, 8]
    for epoch in range(3):
        assert sorted(number for batch in order(lengths, epoch, 2, seed=1) for number in batch) == list(range(7))
    assert order(lengths, 0, 2, seed=1) != order(lengths, 1, 2, seed=1)


@pytest.mark.parametrize(("name", "epochs"), [("sentiment", 30), ("entities", 30), ("cmrc2018", 60), ("c3", 40)])
def test_what_can_be_learned_is_learned(name: str, epochs: int, pieces: Tokenizer) -> None:
    model, _ = tuned(name, pieces, recipe(epochs))
    assert scoring.score(model.task, ROWS[name], predict(model, ROWS[name], pieces)) == 1.0


def test_the_rate_of_a_layer_falls_with_its_distance_from_the_head() -> None:
    model = TaskModel(encoder(20, blocks=3), TASKS["sentiment"])
    rates = layer_rates(model, 0.5)
    assert set(rates) == {name for name, _ in model.named_parameters()}
    assert {rates[name] for name in rates if name.startswith("head")} == {1.0}
    for block, expected in ((2, 0.5), (1, 0.25), (0, 0.125)):
        assert {rates[name] for name in rates if name.startswith(f"encoder.blocks.{block}.")} == {expected}
    rest = {name for name in rates if not name.startswith(("head", "encoder.blocks"))}
    assert "encoder.words.weight" in rest and {rates[name] for name in rest} == {0.5**4}


def test_layer_decay_moves_low_layers_less(pieces: Tokenizer) -> None:
    start = TaskModel(encoder(len(pieces)), small("sentiment"), means=True).state_dict()

    def moved(decay: float) -> Tensor:
        model, _ = tuned("sentiment", pieces, recipe(1, layer_decay=decay))
        return (model.encoder.words.weight - start["encoder.words.weight"]).abs().sum()

    assert moved(0.1) < 0.1 * moved(1.0)


@pytest.mark.parametrize("name", list(ROWS))
def test_chunks_give_the_gradient_of_the_whole(name: str, pieces: Tokenizer) -> None:
    model = TaskModel(encoder(len(pieces)), small(name), means=True).eval().double()
    made = examples(model.task, ROWS[name], pieces)[:11]

    def gradient(parts: list[list[Example]]) -> tuple[float, Tensor]:
        model.zero_grad()
        chunks = [collate(part, model.task, pieces.pad) for part in parts]
        value = finetuning.objective(model, chunks, lambda loss: loss.backward(), r_drop=0.0)  # type: ignore[no-untyped-call]
        return float(value), torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    whole, chunked = gradient([made]), gradient([made[:4], made[4:10], made[10:]])
    assert whole[0] == pytest.approx(chunked[0])
    torch.testing.assert_close(whole[1], chunked[1], rtol=1e-4, atol=1e-6)


def test_without_dropout_chunks_change_nothing_but_rounding(pieces: Tokenizer) -> None:
    one, _ = tuned("sentiment", pieces, recipe(2, 1e-3), dropout=0.0)
    other, _ = tuned("sentiment", pieces, recipe(2, 1e-3, accumulate=3, gradient_checkpointing=True), dropout=0.0)
    assert other.encoder.recompute
    for name, tensor in one.state_dict().items():
        torch.testing.assert_close(tensor, other.state_dict()[name], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", ["sentiment", "c3", "cmrc2018"])
def test_the_divergence_is_the_mean_of_both_kls(name: str) -> None:
    torch.manual_seed(0)
    shape = (2, 3, 3) if name == "cmrc2018" else (2, 4)
    one, other = torch.randn(shape), torch.randn(shape)
    one[0, -1] = other[0, -1] = FAR  # impossible under both
    p, q = one.flatten(1).softmax(-1), other.flatten(1).softmax(-1)
    expected = 0.0
    for a, b in zip(p.tolist(), q.tolist(), strict=True):
        expected += sum(x * math.log(x / y) + y * math.log(y / x) for x, y in zip(a, b, strict=True) if x and y) / 2
    assert float(models.divergence(TASKS[name], one, other)) == pytest.approx(expected / 2, rel=1e-5)


def test_the_divergence_of_entities_adds_up_over_decisions() -> None:
    torch.manual_seed(0)
    one, other = torch.randn(2, 3, 2, 2), torch.randn(2, 3, 2, 2)
    expected = 0.0
    for s, t in zip(one.flatten().tolist(), other.flatten().tolist(), strict=True):
        p, q = 1 / (1 + math.exp(-s)), 1 / (1 + math.exp(-t))
        pairs = ((p, q), (q, p), (1 - p, 1 - q), (1 - q, 1 - p))
        expected += sum(x * math.log(x / y) for x, y in pairs) / 2
    assert float(models.divergence(TASKS["entities"], one, other)) == pytest.approx(expected / 6, rel=1e-5)


@pytest.mark.parametrize("name", list(ROWS))
def test_r_drop_is_the_formula(name: str, pieces: Tokenizer) -> None:
    model = TaskModel(encoder(len(pieces)), small(name), means=True).train()
    batch = collate(examples(model.task, ROWS[name], pieces)[:5], model.task, pieces.pad)
    with torch.no_grad():
        torch.manual_seed(5)
        found = float(finetuning.objective(model, [batch], lambda loss: None, r_drop=4.0))
        torch.manual_seed(5)
        one, other = model(batch), model(batch)
    losses = [float(models.loss(model.task, scores, batch)) for scores in (one, other)]
    assert not torch.equal(one, other), "two dropouts"
    apart = float(models.divergence(model.task, one, other))
    assert found == pytest.approx((sum(losses) + 4.0 * apart) / 2, rel=1e-5)
    assert apart > 0


def test_the_best_epoch_is_the_one_that_is_kept(pieces: Tokenizer) -> None:
    made = recipe(6, 3e-2, select="best")  # fast enough to fall back now and then
    model, history = tuned("sentiment", pieces, made)
    scores = [row[DEV] for row in history if DEV in row and row["step"] > 0]
    assert len(scores) == 6
    dev = ROWS["sentiment"][::2]
    assert scoring.score(model.task, dev, predict(model, dev, pieces)) == max(scores)


@pytest.mark.parametrize(("least", "steps"), [(0, 4), (4, 4), (5, 6), (9, 10)])
def test_few_rows_get_more_epochs_until_there_are_so_many_steps(least: int, steps: int, pieces: Tokenizer) -> None:
    """Whole epochs: two of two steps, or as many as it takes."""
    rows = [{"sentence": text, "label": str(number % 2)} for number, text in enumerate(TEXTS[:6])]
    model = TaskModel(tiny.encoder(len(pieces), seed=1), TASKS["sentiment"])
    few = replace(recipe(2), batch_size=3, minimum_steps=least)
    history = finetuning.finetune(model, rows, pieces, few, seed=0, folder=None, callbacks=Callbacks())
    assert history[-1]["step"] == steps


def test_looking_at_dev_changes_nothing_in_training(pieces: Tokenizer) -> None:
    _, best = tuned("sentiment", pieces, recipe(3, select="best"))
    _, last = tuned("sentiment", pieces, recipe(3))
    assert [row["loss"] for row in best if row["step"]] == [row["loss"] for row in last]


def test_patience_ends_the_training_and_keeps_its_history(pieces: Tokenizer, tmp_path: Path) -> None:
    made = recipe(40, 0.0, select="best", patience=2)  # at rate 0 no epoch is better than the first
    _, history = tuned("sentiment", pieces, made, folder=tmp_path)
    steps = [row["step"] for row in history if DEV in row]
    assert steps == [0, 2, 4, 6], "two steps an epoch: the first score, and two more in vain"


class Stopped:
    """Asks for a stop once so many steps are done."""

    def __init__(self, after: int) -> None:
        self.after, self.done = after, 0

    def progress(self, step: int, total: int, metrics: Mapping[str, float]) -> None:
        self.done = step

    def stopping(self) -> bool:
        return self.done >= self.after


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"layer_decay": 0.8, "r_drop": 1.0, "accumulate": 2, "gradient_checkpointing": True},
        {"select": "best"},
        {"select": "best", "patience": 1},
    ],
)
@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_stopped_run_ends_as_if_nothing_had_happened(
    pieces: Tokenizer, tmp_path: Path, options: dict[str, Any], after: int
) -> None:
    made = recipe(4, 2e-2, **options)
    whole, history = tuned("sentiment", pieces, made, folder=tmp_path / "whole")
    stopped = Stopped(after)
    with_stop = Callbacks(progress=stopped.progress, stopping=stopped.stopping)
    try:
        tuned("sentiment", pieces, made, folder=tmp_path / "stopped", callbacks=with_stop)
    except Interrupted:
        pass
    else:
        assert options.get("patience"), "only patience may end a run before it is stopped"
    again, found = tuned("sentiment", pieces, made, folder=tmp_path / "stopped")
    assert same(whole, again)
    assert found == history
