"""Two processes and one: the same curve, the same weights, one stop, one checkpoint, and one that goes on alone.

One pair of processes runs all the scenarios, since starting Python and torch twice is what takes the time.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError, Interrupted
from rosphere.pretraining import masked
from rosphere.pretraining.batch import Batch, prediction_loss
from rosphere.pretraining.packing import PackedRows
from rosphere.similarity import gradient_cache
from rosphere.text.corpus import Corpus
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import loop, processes
from rosphere.training.checkpoint import History
from rosphere.training.loop import Backward, Callbacks, Objective, Released
from rosphere.training.processes import Processes, join
from rosphere.training.schedule import Schedule
from tests import tiny

pytestmark = pytest.mark.integration

STEPS = 24
STOPPED_AT = 9  # within a window of the log and between two checkpoints
Metrics = Mapping[str, Tensor | float]


# --- a model and its batches


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Inputs and goals; ``count`` is that of the whole batch."""

    x: Tensor
    y: Tensor
    count: int

    def share(self, rank: int, processes: int) -> Rows:
        first, after = self.count * rank // processes, self.count * (rank + 1) // processes
        return replace(self, x=self.x[first:after], y=self.y[first:after])


def rows(step: int) -> Rows:
    """Seven: the shares of two processes are three and four."""
    x = torch.randn(7, 4, generator=torch.Generator().manual_seed(step))
    return Rows(x=x, y=x.sum(1, keepdim=True).sin(), count=len(x))


class Network(nn.Module):
    """With a matrix that only the last four rows use, of two processes the second alone, and a layer nobody uses."""

    def __init__(self, *, seed: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 1))
        self.late = nn.Linear(4, 1)
        self.unused = nn.Linear(3, 3)
        self.register_buffer("scale", torch.rand(()) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x) * self.scale
        early = len(x) - 4
        return torch.cat([out[:early], out[early:] + self.late(x[early:])]) if early >= 0 else out


def squares(model: nn.Module, batch: Rows, backward: Backward) -> Metrics:
    loss = F.mse_loss(model(batch.x), batch.y, reduction="sum") / batch.count
    backward(loss)
    return {"loss": loss.detach(), "rows": float(len(batch.x))}


def squares_in_two_passes(model: nn.Module, batch: Rows, backward: Backward) -> Metrics:
    for part in (0.25, 0.75):
        loss = F.mse_loss(model(batch.x), batch.y, reduction="sum") / batch.count
        backward(part * loss)
    return {"loss": loss.detach()}


def all_against_all(model: nn.Module, batch: Rows, backward: Backward) -> Metrics:
    """A loss over the vectors of all rows, and one of each row's own, in chunks of two rows."""
    assert isinstance(model, Network)
    indices = torch.arange(len(batch.x)).split(2)

    def encode(chunk: Tensor) -> tuple[Tensor, Tensor]:
        own = F.mse_loss(model(batch.x)[chunk], batch.y[chunk], reduction="sum") / batch.count
        return model.layers[0](batch.x[chunk]), own

    contrast, own = gradient_cache.accumulate(
        encode,
        indices,
        lambda vectors: (vectors @ vectors.T).square().mean(),
        backward=backward,
        processes=processes.join(),
    )
    return {"loss": own, "contrast": contrast}


def predictions(model: nn.Module, batch: Batch, backward: Backward) -> Metrics:
    assert isinstance(model, MaskedLanguageModel)
    value, accuracy = prediction_loss(model, batch)
    backward(value)
    return {"loss": value.detach(), "accuracy": accuracy}


def language(folder: Path, size: int, rate: float = 0.3) -> tuple[MaskedLanguageModel, Callable[[int], Batch]]:
    """A small model, and batches of ``size`` packed rows of random words."""
    words = Tokenizer(folder / "tokenizer")
    packed = PackedRows(Corpus(folder / "corpus"), words, length=24, seed=5)
    model = tiny.language(len(words), seed=1, **tiny.NO_DROPOUT)
    return model, lambda step: masked.training_batch(packed, step, size=size, rate=rate)


# --- runs


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one process has to tell of one run."""

    weights: dict[str, Tensor]
    history: History
    shown: list[int]  # steps at which progress was called
    end: str
    notes: list[Any]


def run(
    model: nn.Module,
    batches: Callable[[int], Any] = rows,
    objective: Objective[Any] = squares,
    *,
    steps: int = STEPS,
    folder: Path | None = None,
    stopping: Callable[[], bool] = lambda: False,
    notes: list[Any] | None = None,
) -> Outcome:
    shown: list[int] = []
    schedule = Schedule(
        steps=steps, learning_rate=0.03, weight_decay=0.1, log_every=4, evaluate_every=12, checkpoint_every=7
    )
    callbacks = Callbacks(
        progress=lambda step, total, metrics: shown.append(step),
        stopping=stopping,
        evaluate=lambda: {"size": float(sum(p.abs().sum() for p in model.parameters()))},
    )
    history: History = []
    end = "returned"
    try:
        history = loop.fit(model, batches, objective, schedule, seed=3, folder=folder, callbacks=callbacks)
    except (Released, Interrupted, InputError, FloatingPointError) as error:
        end = f"{type(error).__name__}: {error}"
    weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    return Outcome(weights=weights, history=history, shown=shown, end=end, notes=notes or [])


# --- what each process does; `folder` belongs to the scenario, process 0 of 1 is the process of the test


def curve(rank: int, folder: Path) -> Outcome:
    return run(Network())


def two_passes(rank: int, folder: Path) -> Outcome:
    return run(Network(), objective=squares_in_two_passes)


def contrast(rank: int, folder: Path) -> Outcome:
    return run(Network(), objective=all_against_all)


def language_model(rank: int, folder: Path) -> Outcome:
    return run(*language(folder.parent, 5), predictions)


def share_without_predictions(rank: int, folder: Path) -> Outcome:
    """At rate 0 one token of the batch is predicted: one process has it."""
    return run(*language(folder.parent, 5, rate=0.0), predictions)


def other_weights(rank: int, folder: Path) -> Outcome:
    return run(Network(seed=rank))


def random_numbers(rank: int, folder: Path) -> Outcome:
    drawn: list[float] = []

    def objective(model: nn.Module, batch: Rows, backward: Backward) -> Metrics:
        drawn.append(float(torch.rand(())))
        return squares(model, batch, backward)

    return run(Network(), objective=objective, notes=drawn)


def stopped(rank: int, folder: Path) -> Outcome:
    """Only the last process is asked to stop."""
    step = iter(range(1, STEPS + 1))
    last = not dist.is_initialized() or rank == dist.get_world_size() - 1
    return run(Network(), folder=folder, stopping=lambda: next(step) >= STOPPED_AT and last)


def uninterrupted(rank: int, folder: Path) -> Outcome:
    return run(Network(dropout=0.3), folder=folder)


def resumed(rank: int, folder: Path) -> Outcome:
    step = iter(range(1, STEPS + 1))
    first = run(Network(dropout=0.3), folder=folder, stopping=lambda: next(step) == STOPPED_AT)
    meet(folder.with_name("second_meeting"), rank)
    return replace(run(Network(seed=99, dropout=0.3), folder=folder), notes=[first.end])


def without_shares(rank: int, folder: Path) -> Outcome:
    return run(Network(), lambda step: (rows(step).x, rows(step).y))


def folders_apart(rank: int, folder: Path) -> Outcome:
    """Process 1 does not see the state that process 0 finds."""
    return run(Network(), folder=folder if rank else folder.with_name("uninterrupted"))


def one_bad_share(rank: int, folder: Path) -> Outcome:
    def objective(model: nn.Module, batch: Rows, backward: Backward) -> Metrics:
        return {**squares(model, batch, backward), "loss": float("nan") if rank else 1.0}

    return run(Network(), objective=objective)


def alone_afterwards(rank: int, folder: Path) -> Outcome:
    first = run(Network(), steps=3)
    return first if rank else run(Network())


SCENARIOS: tuple[Callable[[int, Path], Outcome], ...] = (
    curve,
    two_passes,
    contrast,
    language_model,
    share_without_predictions,
    other_weights,
    random_numbers,
    stopped,
    uninterrupted,
    resumed,
    without_shares,
    folders_apart,
    one_bad_share,
    alone_afterwards,
)


def meet(file: Path, rank: int) -> None:
    dist.init_process_group(
        "gloo", init_method=f"file://{file}", rank=rank, world_size=2, timeout=timedelta(seconds=60)
    )


def live(rank: int, folder: Path) -> None:
    """The life of one process of the pair: every scenario in a group of its own."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo" if sys.platform == "linux" else "lo0"
    torch.set_num_threads(1)
    for scenario in SCENARIOS:
        name = scenario.__name__
        meet(folder / f"{name}_meeting", rank)
        try:
            outcome = scenario(rank, folder / name)
        except Exception:
            outcome = Outcome(weights={}, history=[], shown=[], end=traceback.format_exc(), notes=[])
        if dist.is_initialized():
            dist.destroy_process_group()
        save_file(outcome.weights, folder / f"{name}_{rank}.safetensors")
        told = {key: getattr(outcome, key) for key in ("history", "shown", "end", "notes")}
        (folder / f"{name}_{rank}.json").write_text(json.dumps(told))


def told(folder: Path, scenario: Callable[[int, Path], Outcome], rank: int) -> Outcome:
    file = folder / f"{scenario.__name__}_{rank}"
    return Outcome(weights=load_file(f"{file}.safetensors"), **json.loads(Path(f"{file}.json").read_text()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes have lived through all scenarios."""
    folder = tmp_path_factory.mktemp("pair")
    size = len(tiny.tokenizer(folder / "tokenizer", [tiny.POEM]))
    tiny.shards(tiny.documents((30, 8, 9, 17, 40, 25, 12, 60, 11, 8, 30), size), folder / "corpus", size)
    spawn = multiprocessing.get_context("spawn")
    pair = [spawn.Process(target=live, args=(rank, folder), daemon=True) for rank in (0, 1)]
    for process in pair:
        process.start()
    for process in pair:
        process.join()
    assert [process.exitcode for process in pair] == [0, 0]
    return folder


@pytest.fixture
def both(folder: Path) -> Callable[[Callable[[int, Path], Outcome]], tuple[Outcome, Outcome]]:
    return lambda scenario: (told(folder, scenario, 0), told(folder, scenario, 1))


Both = Callable[[Callable[[int, Path], Outcome]], tuple[Outcome, Outcome]]


def same_weights(one: Outcome, other: Outcome) -> bool:
    assert one.weights.keys() == other.weights.keys()
    return all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


def close(pair: Outcome, one: Outcome, relative: float = 1e-5) -> None:
    """The curves within ``relative``. Weights that hardly matter drift apart: Adam makes steps of rounding errors."""
    assert [row.keys() for row in pair.history] == [row.keys() for row in one.history]
    for ours, theirs in zip(pair.history, one.history, strict=True):
        assert ours == pytest.approx(theirs, rel=relative)
    for name, weight in one.weights.items():
        torch.testing.assert_close(pair.weights[name], weight, rtol=0, atol=2e-4)


# --- the same numbers


@pytest.mark.parametrize("scenario", [curve, two_passes, contrast, language_model, share_without_predictions])
def test_two_processes_give_the_curve_and_the_weights_of_one(
    scenario: Callable[[int, Path], Outcome], both: Both, folder: Path
) -> None:
    first, second = both(scenario)
    one = scenario(0, folder / scenario.__name__)
    assert (first.end, second.end, one.end) == ("returned", "Released: 0", "returned")
    assert len(one.history) == 7
    assert one.history[-1]["loss"] < 0.9 * one.history[1]["loss"]
    close(first, one)
    assert same_weights(first, second)


def test_what_is_logged_is_added_up_and_the_learning_rate_is_not(both: Both) -> None:
    first, _ = both(curve)
    schedule = Schedule(steps=STEPS, learning_rate=0.03)
    assert [row["rows"] for row in first.history[1:]] == [7.0] * 6
    rates = [np.mean([schedule.rate(step) for step in range(end - 4, end)]) for end in range(4, STEPS + 1, 4)]
    assert [row["learning_rate"] for row in first.history[1:]] == rates


def test_a_parameter_without_gradient_in_one_process_learns_and_in_both_is_left_alone(both: Both) -> None:
    first, _ = both(curve)
    fresh = Network().state_dict()
    assert torch.equal(first.weights["unused.weight"], fresh["unused.weight"])  # else it would have decayed
    assert (first.weights["late.weight"] - fresh["late.weight"]).abs().min() > 0.01


def test_the_weights_and_buffers_of_process_0_count(both: Both) -> None:
    assert same_weights(both(other_weights)[0], both(curve)[0])
    assert same_weights(both(other_weights)[1], both(curve)[0])


def test_process_0_draws_what_one_process_draws_and_the_other_something_else(both: Both, folder: Path) -> None:
    first, second = both(random_numbers)
    assert first.notes == random_numbers(0, folder).notes
    assert len({*first.notes, *second.notes}) == 2 * STEPS


# --- stopping and resuming


def test_a_stop_of_one_stops_both_at_the_same_step_and_another_number_of_processes_can_go_on(
    both: Both, folder: Path
) -> None:
    first, second = both(stopped)
    assert first.end == second.end == f"Interrupted: stopped after step {STOPPED_AT} of {STEPS}"
    assert same_weights(first, second)
    assert (folder / "stopped" / "state.safetensors").is_file()
    close(run(Network(seed=99), folder=folder / "stopped"), curve(0, folder))


def test_a_resumed_run_of_two_ends_with_the_bits_of_one_that_was_not_stopped(both: Both) -> None:
    for whole, pieces in zip(both(uninterrupted), both(resumed), strict=True):
        assert pieces.notes == [f"Interrupted: stopped after step {STOPPED_AT} of {STEPS}"]
        assert pieces.end == whole.end
        assert pieces.history == whole.history
        assert same_weights(whole, pieces)
    assert not same_weights(both(uninterrupted)[0], both(curve)[0])  # there was dropout


def test_only_process_0_shows_saves_and_returns(both: Both, folder: Path) -> None:
    first, second = both(uninterrupted)
    assert (first.shown, second.shown) == ([4, 8, 12, 16, 20, 24], [])
    assert len(first.history) == 7 and second.history == []
    assert [path.name for path in (folder / "uninterrupted").iterdir()] == ["state.safetensors"]


def test_process_0_trains_alone_when_the_other_has_left(both: Both, folder: Path) -> None:
    first, second = both(alone_afterwards)
    assert second.end == "Released: 0"
    assert same_weights(first, curve(0, folder))


# --- refusals


def test_batches_without_shares_are_refused_by_both(both: Both) -> None:
    message = "InputError: this stage trains in one process, its batches (tuple) have no shares; got 2"
    assert [outcome.end for outcome in both(without_shares)] == [message] * 2


def test_processes_that_see_different_checkpoints_are_refused(both: Both) -> None:
    message = "InputError: expected one checkpoint folder for all processes, got states of steps 0 to 21"
    assert [outcome.end for outcome in both(folders_apart)] == [message] * 2


def test_a_share_that_is_not_finite_ends_both(both: Both) -> None:
    for outcome in both(one_bad_share):
        assert outcome.end.startswith("FloatingPointError: step 4: the loss is not finite")


# --- one process


def test_one_process_is_alone_and_keeps_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    alone, batch = join(), object()
    assert alone == Processes(rank=0, count=1)
    assert alone.share(batch) is batch
    assert (alone.add([], True), alone.add([], False)) == (True, False)
    assert not dist.is_initialized()


def test_released_is_a_good_end() -> None:
    assert issubclass(Released, SystemExit) and Released().code == 0
