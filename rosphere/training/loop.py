"""The one training loop. It knows nothing of any model: batches by number, an objective, callbacks.

Step s of a run depends on (seed, s) alone: the batch is ``batches(s)`` and the random state is set from (seed, s)
before the objective runs. A run that was killed and resumed therefore ends with the bytes of one that was not.

Started by torchrun, all processes run the same code on shares of the same batches; the loss curve is that of one.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from rosphere.encoder.precision import Precision, autocast
from rosphere.errors import Interrupted
from rosphere.randomness.state import seed_everything
from rosphere.training import checkpoint, feeding, processes
from rosphere.training.checkpoint import History
from rosphere.training.optimizers import adamw
from rosphere.training.processes import Released
from rosphere.training.schedule import Schedule

Batch = TypeVar("Batch")
Backward = Callable[[Tensor], None]
Progress = Callable[[int, int, Mapping[str, float]], None]  # steps done, steps in all, metrics
# objective(model, batch, backward) calls backward once or more and returns what to log. With several processes the
# batch is this one's share: losses and metrics are then parts that add up over the processes, such as sums over the
# rows at hand divided by the count of the whole batch.
Objective = Callable[[nn.Module, Batch, Backward], Mapping[str, Tensor | float]]


@dataclass(frozen=True, kw_only=True)
class Callbacks:
    """What the surroundings want to know and say."""

    progress: Progress = lambda step, total, metrics: None
    stopping: Callable[[], bool] = lambda: False
    evaluate: Callable[[], Mapping[str, float]] | None = None


def fit(
    model: nn.Module,
    batches: Callable[[int], Batch],
    objective: Objective[Batch],
    schedule: Schedule,
    *,
    seed: int,
    folder: Path | None = None,
    callbacks: Callbacks | None = None,
    precision: Precision = "fp32",
    optimizer: torch.optim.AdamW | None = None,
    divisible: bool = False,
) -> History:
    """Trains ``model`` in place and returns its history: one row of mean metrics per ``log_every`` steps; of a run of
    no steps one row with what is evaluated.

    ``precision`` is that of the training steps; what ``callbacks.evaluate`` measures is computed in float32.

    ``optimizer``, one that ``optimizers.adamw`` made, may bring a state along and is left with the state at the end.

    ``divisible`` says that the objective of a batch is the sum over its shares. A step for which the memory of the GPU
    does not suffice is then done in 2, 4, ... parts, and so are those after it, with the same gradients up to rounding
    and the draws of dropout.

    With ``folder``, the state is saved there every ``checkpoint_every`` steps and found again by the next call.
    Raises Interrupted, with the state saved, when ``callbacks.stopping()`` turns true.

    In a group of processes each trains on ``batches(step).share(rank, count)``; a batch without ``share`` is an
    InputError. All of them evaluate, all end with the same weights, and stop together when one is stopping. Only
    process 0 saves, calls ``callbacks.progress`` and returns; the others raise Released. What comes then, be it another
    training, is the work of process 0 alone.
    """
    run = _Run(
        model,
        objective,
        schedule,
        optimizer or adamw(model, schedule),
        seed=seed,
        folder=folder,
        callbacks=callbacks or Callbacks(),
        precision=precision,
        divisible=divisible,
    )
    for step, batch in feeding.ahead(lambda step: run.processes.share(batches(step)), run.step, schedule.steps):
        run.advance(step, batch)
    run.processes.leave()
    if run.processes.rank > 0:
        raise Released
    return run.history


class _Run(Generic[Batch]):
    """One call of ``fit``: what lives from step to step."""

    def __init__(
        self,
        model: nn.Module,
        objective: Objective[Batch],
        schedule: Schedule,
        optimizer: torch.optim.AdamW,
        *,
        seed: int,
        folder: Path | None,
        callbacks: Callbacks,
        precision: Precision,
        divisible: bool,
    ) -> None:
        self.divisible, self.parts = divisible, 1
        self.objective, self.schedule, self.seed = objective, schedule, seed
        self.folder, self.callbacks = folder, callbacks
        self.processes = processes.join()
        self.precision, self.device = precision, processes.device()
        self.model = model.to(self.device)
        self.trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = optimizer
        self.processes.meet()  # process 0 may have waited for another trainer to save its last state
        saved = checkpoint.load(folder, model, optimizer) if folder else None
        self.step = saved.step if saved else 0
        self.processes.meet(self.step)
        self.processes.align(model)
        self.history: History = saved.history if saved else []
        self.window: list[Mapping[str, Tensor | float]] = [*saved.window] if saved else []
        self.shares: list[Mapping[str, Tensor | float]] = []  # of the steps since the window was last filled
        if not saved and (not schedule.steps or (callbacks.evaluate and schedule.evaluate_every)):
            self.history.append({"step": 0, **self._evaluated()})

    def advance(self, step: int, batch: Batch) -> None:
        stopping = self._train(step, batch)
        done, schedule = step + 1, self.schedule
        last = done == schedule.steps
        evaluate = last or (schedule.evaluate_every and done % schedule.evaluate_every == 0)
        if evaluate or done % schedule.log_every == 0:
            self._log(done, evaluate=bool(evaluate))
        due = schedule.checkpoint_every and done % schedule.checkpoint_every == 0
        if self.folder and not last and (stopping or due):
            self._save(self.folder, done)
        if stopping and not last:
            self.processes.leave()
            raise Interrupted(f"stopped after step {done} of {schedule.steps}")

    def _train(self, step: int, batch: Batch) -> bool:
        """One step of the optimizer; whether the run should stop after it."""
        self.model.train()
        rate = self.schedule.rate(step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        metrics = self._measured(step, batch)
        stopping = self.processes.add(self.trained, self.callbacks.stopping())
        nn.utils.clip_grad_norm_(self.model.parameters(), self.schedule.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        known = rate if self.processes.rank == 0 else 0.0  # all know it, one brings it into the sum
        self.shares.append({"learning_rate": known, **metrics})
        return stopping

    def _measured(self, step: int, batch: Batch) -> Mapping[str, Tensor | float]:
        """Gradients and metrics of the batch, in as many parts as the memory asks for."""
        while True:
            parts = feeding.parts(batch, self.parts)
            seed_everything(self.seed, step, self.processes.rank)
            try:
                return _sums([self._part(part) for part in parts])
            except torch.OutOfMemoryError:
                if not (self.divisible and feeding.can_be_split(batch, 2 * self.parts)):
                    raise
            # Only here: inside the handler the failed step's tensors are still alive.
            self.optimizer.zero_grad()
            torch.cuda.empty_cache()
            self.parts *= 2
            warnings.warn(f"step {step + 1}: out of memory, going on with batches in {self.parts} parts", stacklevel=2)

    def _part(self, batch: Batch) -> Mapping[str, Tensor | float]:
        with autocast(self.precision, self.device):
            return self.objective(self.model, feeding.moved(batch, self.device), Tensor.backward)

    def _fill(self) -> None:
        """The window gets what was measured since the last time, added up over the processes."""
        self.window += self.processes.sums(self.shares)
        self.shares = []

    def _log(self, done: int, *, evaluate: bool) -> None:
        """Closes the window: means of what the objective returned, and the evaluation."""
        self._fill()
        row = {"step": float(done), **_finite_means(self.window, done)}
        self.window = []
        if evaluate and self.callbacks.evaluate:
            row.update(self._evaluated())
        self.history.append(row)
        if self.processes.rank == 0:
            self.callbacks.progress(done, self.schedule.steps, {k: v for k, v in row.items() if k != "step"})

    def _save(self, folder: Path, done: int) -> None:
        """The half-filled window goes along, so that a resumed run logs the rows of one that was never stopped."""
        self._fill()
        _finite_means(self.window, done)  # no checkpoint of a run that has diverged
        if self.processes.rank == 0:
            window = [{key: float(value) for key, value in metrics.items()} for metrics in self.window]
            progress = checkpoint.Progress(step=done, history=self.history, window=window)
            checkpoint.save(folder, self.model, self.optimizer, progress)
        self.processes.meet(done)  # the others may be about to leave, and whoever started us would then end process 0

    def _evaluated(self) -> Mapping[str, float]:
        if self.callbacks.evaluate is None:
            return {}
        self.model.eval()
        with torch.no_grad():
            return self.callbacks.evaluate()


def _sums(parts: list[Mapping[str, Tensor | float]]) -> Mapping[str, Tensor | float]:
    return parts[0] if len(parts) == 1 else {key: sum(part[key] for part in parts) for key in parts[0]}


def _finite_means(window: list[Mapping[str, Tensor | float]], done: int) -> dict[str, float]:
    """One look at the device per window, not per step."""
    keys = list(dict.fromkeys(key for metrics in window for key in metrics))
    means = {k: float(np.mean([float(metrics[k]) for metrics in window if k in metrics])) for k in keys}
    if not all(math.isfinite(value) for value in means.values()):
        raise FloatingPointError(f"step {done}: the loss is not finite ({means}); lower the learning rate")
    return means
