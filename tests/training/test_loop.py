"""The training loop: its pace by literals, its optimizer by hand, its resumption bit by bit."""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from rosphere.errors import InputError, Interrupted
from rosphere.training import checkpoint, feeding, loop
from rosphere.training.checkpoint import History
from rosphere.training.loop import Callbacks
from rosphere.training.optimizers import adamw
from rosphere.training.schedule import Schedule

STEPS = 12


class Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it."""


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.3), nn.LayerNorm(8), nn.Linear(8, 1))


def batches(step: int) -> tuple[Tensor, Tensor, int]:
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(step))
    return x, x.sum(1, keepdim=True).sin(), step


@dataclass
class Witness:
    """An objective that remembers which steps it saw."""

    steps: list[int] = field(default_factory=list)

    def __call__(
        self, model: nn.Module, batch: tuple[Tensor, Tensor, int], backward: loop.Backward
    ) -> dict[str, Tensor | float]:
        x, y, step = batch
        self.steps.append(step)
        loss = nn.functional.mse_loss(model(x), y)
        backward(loss)
        return {"loss": loss.detach(), "step_squared": float(step**2)}


def train(model: nn.Module, schedule: Schedule, *, witness: Witness | None = None, **options: Any) -> History:
    return loop.fit(model, batches, witness or Witness(), schedule, seed=3, **options)


def schedule(**changes: Any) -> Schedule:
    return Schedule(**{"steps": STEPS, "learning_rate": 0.05, "log_every": 4, **changes})


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


# --- the schedule


def test_the_linear_rate_rises_and_falls_in_equal_steps_and_never_is_zero() -> None:
    pace = Schedule(steps=10, learning_rate=0.8, warmup=0.4)
    expected = [0.2, 0.4, 0.6, 0.8, *(0.8 * n / 7 for n in (6, 5, 4, 3, 2, 1))]
    assert [pace.rate(step) for step in range(10)] == pytest.approx(expected, rel=1e-12)


def test_the_cosine_and_constant_rates() -> None:
    cosine = Schedule(steps=4, learning_rate=2.0, warmup=0.25, decay="cosine")
    half = math.sqrt(0.5)
    assert [cosine.rate(step) for step in range(4)] == pytest.approx([2.0, 1 + half, 1.0, 1 - half], rel=1e-12)
    constant = Schedule(steps=4, learning_rate=2.0, warmup=0.5, decay="constant")
    assert [constant.rate(step) for step in range(4)] == [1.0, 2.0, 2.0, 2.0]


@given(
    steps=st.integers(1, 300),
    warmup=st.floats(0, 0.99),
    decay=st.sampled_from(["linear", "cosine", "constant"]),
)
def test_the_rate_stays_in_bounds_and_has_one_peak(steps: int, warmup: float, decay: Any) -> None:
    rates = [Schedule(steps=steps, learning_rate=1.0, warmup=warmup, decay=decay).rate(s) for s in range(steps)]
    assert all(0 < rate <= 1 for rate in rates)
    peak = rates.index(max(rates))
    assert max(rates) == 1.0
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": -1}, "steps: expected 0 or more, got -1"),
        ({"warmup": 1.0}, r"warmup: .* in \[0, 1\), got 1.0"),
    ],
)
def test_refuses_a_schedule_without_steps_or_without_decay(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        schedule(**wrong)


@pytest.mark.parametrize("every", [0, 2])
def test_a_run_of_no_steps_measures_and_changes_nothing(tmp_path: Path, every: int) -> None:
    found, before = network(), network()
    evaluate = {"callbacks": loop.Callbacks(evaluate=lambda: {"dev": 2.5})}
    asked = schedule(steps=0, evaluate_every=every)
    assert train(found, asked, folder=tmp_path, **evaluate) == [{"step": 0, "dev": 2.5}]
    assert train(found, asked) == [{"step": 0}], "where nothing is evaluated there is nothing to say"
    assert same_weights(found, before)


def test_without_checkpoints_every_so_often_a_stop_still_saves(tmp_path: Path) -> None:
    stops = iter([False, False, True])
    with pytest.raises(Interrupted):
        train(
            network(), schedule(checkpoint_every=0), folder=tmp_path, callbacks=Callbacks(stopping=lambda: next(stops))
        )
    progress = checkpoint.load(tmp_path, model := network(1), adamw(model, schedule()))
    assert progress is not None and progress.step == 3


def test_each_training_has_its_own_precision_and_leaves_the_model_as_it_was() -> None:
    model, x = network().eval(), batches(0)[0]
    outputs = []

    def objective(trained: nn.Module, batch: tuple[Tensor, Tensor, int], backward: loop.Backward) -> dict[str, Any]:
        outputs.append(trained[0](batch[0]).dtype)
        return Witness()(trained, batch, backward)

    measured = []

    def evaluate() -> dict[str, float]:
        measured.append(model[0](x).dtype)
        return {}

    for precision in ("bf16", "fp32", "bf16"):
        callbacks = Callbacks(evaluate=evaluate)
        loop.fit(model, batches, objective, schedule(steps=1), seed=0, callbacks=callbacks, precision=precision)
        model.eval()
        by_hand = x
        for layer in model:
            by_hand = layer(by_hand)
        assert torch.equal(model(x), by_hand) and model(x).dtype == torch.float32
        assert set(vars(model)) == set(vars(network()))
    assert outputs == [torch.bfloat16, torch.float32, torch.bfloat16]
    assert measured == [torch.float32] * 3  # what is measured does not depend on what it is trained in


# --- the optimizer


def adamw_by_hand(model: nn.Module, pace: Schedule, loss: Callable[[int], Tensor]) -> None:
    """Loshchilov and Hutter 2019 (arXiv 1711.05101), with the gradient's norm bounded by pace.clip."""
    moments: dict[Tensor, tuple[Tensor, Tensor]] = {
        p: (torch.zeros_like(p), torch.zeros_like(p)) for p in model.parameters()
    }
    for step in range(pace.steps):
        gradients = torch.autograd.grad(loss(step), list(moments))
        norm = math.sqrt(sum(float(g.square().sum()) for g in gradients))
        bound = min(1.0, pace.clip / (norm + 1e-6))
        for (p, (m, v)), g in zip(moments.items(), gradients, strict=True):
            m.mul_(0.9).add_(bound * g, alpha=0.1)
            v.mul_(0.999).add_((bound * g).square(), alpha=0.001)
            unbiased_m, unbiased_v = m / (1 - 0.9 ** (step + 1)), v / (1 - 0.999 ** (step + 1))
            decay = pace.weight_decay if p.ndim > 1 else 0.0
            with torch.no_grad():
                p.mul_(1 - pace.rate(step) * decay).sub_(pace.rate(step) * unbiased_m / (unbiased_v.sqrt() + 1e-8))


@pytest.mark.parametrize("clip", [0.05, 1e9])
def test_a_run_is_adamw_written_out(clip: float) -> None:
    ours, hand = nn.Linear(4, 3).double(), nn.Linear(4, 3).double()
    hand.load_state_dict(ours.state_dict())
    pace = Schedule(steps=6, learning_rate=0.03, warmup=0.5, weight_decay=0.2, clip=clip)

    def loss(model: nn.Module, step: int) -> Tensor:
        x = torch.randn(5, 4, generator=torch.Generator().manual_seed(step), dtype=torch.float64)
        return (step + 1) * model(x).square().mean()

    def objective(model: nn.Module, step: int, backward: loop.Backward) -> dict[str, Tensor | float]:
        backward(value := loss(model, step))
        return {"loss": value.detach()}

    start = ours.weight.detach().clone()
    loop.fit(ours, lambda step: step, objective, pace, seed=0)
    adamw_by_hand(hand, pace, lambda step: loss(hand, step))
    for a, b in zip(ours.parameters(), hand.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    assert (ours.weight - start).abs().max() > 0.01


def test_weight_decay_shrinks_matrices_alone() -> None:
    model = network()
    before = [p.detach().clone() for p in model.parameters()]

    def nothing(model: nn.Module, batch: object, backward: loop.Backward) -> dict[str, Tensor | float]:
        backward(0.0 * sum(p.sum() for p in model.parameters()))  # type: ignore[arg-type]
        return {"loss": 0.0}

    pace = Schedule(steps=2, learning_rate=0.5, warmup=0.0, decay="constant", weight_decay=0.1)
    loop.fit(model, batches, nothing, pace, seed=0)
    for old, new in zip(before, model.parameters(), strict=True):
        torch.testing.assert_close(new.detach(), old * (0.95**2 if old.ndim > 1 else 1.0), rtol=1e-6, atol=0)


def test_frozen_parameters_stay() -> None:
    model = network()
    model[0].requires_grad_(False)
    frozen = model[0].weight.clone()
    train(model, schedule())
    assert torch.equal(model[0].weight, frozen)
    assert not same_weights(model, network())


# --- the history


def test_rows_are_means_over_the_steps_since_the_last_row() -> None:
    told: list[tuple[int, int, Mapping[str, float]]] = []
    history = train(
        network(),
        schedule(steps=5, log_every=2),
        callbacks=Callbacks(progress=lambda *news: told.append(news), evaluate=lambda: {"dev": 7.0}),
    )
    assert [row["step"] for row in history] == [2, 4, 5]
    assert [row["step_squared"] for row in history] == [0.5, 6.5, 16.0]
    assert ["dev" in row for row in history] == [False, False, True]
    assert [(done, total, dict(metrics)) for done, total, metrics in told] == [
        (int(row["step"]), 5, {key: value for key, value in row.items() if key != "step"}) for row in history
    ]


def test_evaluates_before_the_first_step_and_without_dropout_or_gradients() -> None:
    model, modes = network(), []

    def evaluate() -> dict[str, float]:
        modes.append((model.training, torch.is_grad_enabled()))
        return {"dev": float(len(modes))}

    history = train(model, schedule(steps=6, evaluate_every=4, log_every=3), callbacks=Callbacks(evaluate=evaluate))
    assert modes == [(False, False)] * 3
    assert [(row["step"], row.get("dev")) for row in history] == [(0, 1.0), (3, None), (4, 2.0), (6, 3.0)]
    assert model.training is False  # as the last evaluation left it


@pytest.mark.parametrize("where", ["log", "checkpoint"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_run(where: str, value: float, tmp_path: Path) -> None:
    def objective(
        model: nn.Module, batch: tuple[Tensor, Tensor, int], backward: loop.Backward
    ) -> dict[str, Tensor | float]:
        backward(model(batch[0]).sum())
        return {"loss": torch.tensor(value if batch[2] == 5 else 1.0)}

    every = {
        "log": {"log_every": 3, "checkpoint_every": 4},
        "checkpoint": {"log_every": 99, "checkpoint_every": 3},
    }
    with pytest.raises(FloatingPointError, match="step 6: the loss is not finite"):
        loop.fit(network(), batches, objective, schedule(**every[where]), seed=0, folder=tmp_path)


# --- stopping and resuming


def interrupted(folder: Path, pace: Schedule, stops: set[int], kills: set[int]) -> tuple[nn.Module, History, int]:
    """Runs to the end through polite stops and kills after these steps, from fresh weights each time."""
    stops, kills = set(stops), set(kills)
    for attempt in range(2 * STEPS):
        model, witness = network(seed=attempt), Witness()  # other weights: what counts is the checkpoint
        if not (folder / "state.safetensors").exists():
            model = network()

        def stopping(witness: Witness = witness) -> bool:
            done = witness.steps[-1] + 1
            if done in kills:
                kills.remove(done)
                raise Killed
            if done in stops:
                stops.remove(done)
                return True
            return False

        def evaluate(model: nn.Module = model) -> dict[str, float]:
            return {"dev": float(model(batches(99)[0]).sum())}

        calls = Callbacks(stopping=stopping, evaluate=evaluate)
        try:
            return model, train(model, pace, witness=witness, folder=folder, callbacks=calls), attempt
        except (Interrupted, Killed):
            continue
    raise AssertionError("the run never ended")


@settings(max_examples=30, deadline=None)
@given(
    stops=st.sets(st.integers(1, STEPS - 1), max_size=3),
    kills=st.sets(st.integers(1, STEPS - 1), max_size=2),
    log_every=st.integers(1, 5),
    evaluate_every=st.integers(0, 5),
    checkpoint_every=st.integers(1, 7),
)
def test_a_run_cut_anywhere_ends_with_the_same_bits(
    stops: set[int], kills: set[int], log_every: int, evaluate_every: int, checkpoint_every: int
) -> None:
    pace = schedule(log_every=log_every, evaluate_every=evaluate_every, checkpoint_every=checkpoint_every)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        whole, history, _ = interrupted(Path(one), pace, set(), set())
        pieces, resumed, attempts = interrupted(Path(other), pace, stops, kills - stops)
    assert attempts >= len(stops)
    assert same_weights(whole, pieces)
    assert resumed == history


def test_each_step_of_each_seed_has_a_random_state_of_its_own_and_dropout() -> None:
    drawn: list[tuple[float, float, float]] = []
    modes: list[bool] = []

    def objective(model: nn.Module, batch: object, backward: loop.Backward) -> dict[str, Tensor | float]:
        drawn.append((random.random(), float(np.random.random()), float(torch.rand(()))))
        modes.append(model.training)
        backward(model(torch.zeros(1, 4)).sum())
        return {}

    pace = schedule(evaluate_every=2)
    for seed in (3, 4, 3):
        callbacks = Callbacks(evaluate=dict)
        loop.fit(network(), batches, objective, pace, seed=seed, callbacks=callbacks)
    assert drawn[2 * STEPS :] == drawn[:STEPS]
    for numbers in zip(*drawn[: 2 * STEPS], strict=True):
        assert len(set(numbers)) == 2 * STEPS
    assert modes == [True] * 3 * STEPS


def test_a_stop_names_the_step_and_the_next_call_goes_on_after_it(tmp_path: Path) -> None:
    first, second = Witness(), Witness()
    with pytest.raises(Interrupted, match="stopped after step 5 of 12"):
        train(
            network(),
            schedule(),
            witness=first,
            folder=tmp_path,
            callbacks=Callbacks(stopping=lambda: len(first.steps) == 5),
        )
    train(network(), schedule(), witness=second, folder=tmp_path)
    assert (first.steps, second.steps) == ([0, 1, 2, 3, 4], [5, 6, 7, 8, 9, 10, 11])


def test_a_stop_at_the_last_step_is_the_end() -> None:
    history = train(network(), schedule(steps=1), callbacks=Callbacks(stopping=lambda: True))
    assert [row["step"] for row in history] == [1]


# --- batches


def test_batches_move_with_their_containers() -> None:
    device = torch.device("meta")
    mover = SimpleNamespace(to=lambda device: f"to {device}")
    moved = feeding.moved({"a": (torch.zeros(2), [torch.ones(1)]), "b": mover, "c": "text"}, device)
    assert moved["a"][0].device == moved["a"][1][0].device == device
    assert (moved["b"], moved["c"]) == ("to meta", "text")


def test_an_error_in_the_thread_of_batches_is_raised_here() -> None:
    def broken(step: int) -> tuple[Tensor, Tensor, int]:
        if step == 2:
            raise InputError("row 17: empty")
        return batches(step)

    with pytest.raises(InputError, match="row 17: empty"):
        loop.fit(network(), broken, Witness(), schedule(), seed=0)


def test_rates_of_single_parameters() -> None:
    """One step of AdamW with a rate of 1/4: a quarter of the step, and of nothing else; the same decay."""
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].load_state_dict(model[0].state_dict())
    pace = Schedule(steps=1, learning_rate=1e-2, weight_decay=0.1)
    optimizer = adamw(model, pace, rates={"1.weight": 0.25})
    before = model[0].weight.detach().clone()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    for group in optimizer.param_groups:
        group["lr"] = 1e-2 * group["scale"]
    optimizer.step()
    decayed = before * (1 - 1e-2 * 0.1)
    torch.testing.assert_close(model[1].weight - decayed, 0.25 * (model[0].weight - decayed))
    assert torch.equal(model[0].bias, model[1].bias)


# --- more than the memory holds


@dataclass(frozen=True)
class Rows:
    """Six rows of one batch, or a share of them."""

    x: Tensor
    whole: int

    def share(self, rank: int, count: int) -> Rows:
        if len(self.x) < count:
            raise InputError(f"rows: expected {count} or more, got {len(self.x)}")
        return Rows(self.x[len(self.x) * rank // count : len(self.x) * (rank + 1) // count], self.whole)


def fit_rows(most: int, *, divisible: bool = True) -> tuple[nn.Linear, History, list[int]]:
    """Trains on six rows a step with memory for ``most``; the model, its history and how many rows were tried."""
    torch.manual_seed(0)
    model, tried = nn.Linear(4, 1).double(), []

    def objective(model: nn.Module, batch: Rows, backward: loop.Backward) -> dict[str, Tensor | float]:
        tried.append(len(batch.x))
        loss = (model(batch.x) - batch.x.sum(1, keepdim=True).sin()).square().sum() / batch.whole
        if len(batch.x) > most:
            backward(loss)  # half-done work must leave no gradient
            raise torch.OutOfMemoryError("CUDA out of memory")
        backward(loss)
        return {"loss": loss.detach(), "share": len(batch.x) / batch.whole}

    def rows(step: int) -> Rows:
        generator = torch.Generator().manual_seed(step)
        return Rows(torch.randn(6, 4, generator=generator, dtype=torch.float64), 6)

    pace = schedule(steps=3, log_every=1)
    history = loop.fit(model, rows, objective, pace, seed=3, divisible=divisible)
    return model, history, tried


def test_a_batch_too_large_for_the_memory_is_done_in_parts() -> None:
    whole, history, tried = fit_rows(6)
    assert tried == [6, 6, 6]
    with pytest.warns(UserWarning) as said:
        split, in_parts, tried = fit_rows(2)
    assert [str(warning.message) for warning in said] == [
        "step 1: out of memory, going on with batches in 2 parts",
        "step 1: out of memory, going on with batches in 4 parts",
    ]
    assert tried == [6, 3, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2]
    for one, other in zip(whole.parameters(), split.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-12)
    for one, other in zip(history, in_parts, strict=True):
        assert other == pytest.approx(one, abs=1e-12) and other["share"] == pytest.approx(1)


@pytest.mark.filterwarnings("ignore:step 1. out of memory")
@pytest.mark.parametrize(("most", "divisible"), [(2, False), (0, True)])
def test_what_cannot_be_split_runs_out_of_memory(most: int, divisible: bool) -> None:
    with pytest.raises(torch.OutOfMemoryError):
        fit_rows(most, divisible=divisible)
