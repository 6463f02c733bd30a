"""Fine-tuning an encoder on one task."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from rosphere.clue import model as models
from rosphere.clue import scoring
from rosphere.clue.examples import collate, examples
from rosphere.clue.model import TaskModel
from rosphere.clue.predicting import predict
from rosphere.clue.selection import Selection, reached_by
from rosphere.clue.sequences import Batch
from rosphere.clue.tasks import Row
from rosphere.encoder.precision import Precision
from rosphere.errors import Interrupted
from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import loop
from rosphere.training.checkpoint import History
from rosphere.training.loop import Callbacks
from rosphere.training.optimizers import adamw
from rosphere.training.schedule import Schedule

DEV = "dev_score"  # in the history, where dev was looked at


def order(lengths: Sequence[int], epoch: int, size: int, seed: int) -> list[list[int]]:
    """Batches of one epoch: shuffled, then sorted by length within pools of 20 batches, batches shuffled again."""
    generator = stream(seed, Stream.FINE_TUNING, epoch)
    shuffled = generator.permutation(len(lengths))
    pools = [shuffled[start : start + 20 * size] for start in range(0, len(shuffled), 20 * size)]
    batches = [
        sorted_pool[start : start + size].tolist()
        for pool in pools
        for sorted_pool in [pool[np.argsort(np.take(lengths, pool), kind="stable")]]
        for start in range(0, len(pool), size)
    ]
    return [batches[place] for place in generator.permutation(len(batches))]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to fine-tune; ``schedule`` knows everything but the number of steps."""

    epochs: int
    minimum_steps: int = 0  # of few rows more epochs than that, until there are so many steps
    batch_size: int
    schedule: Callable[[int], Schedule]
    select: Literal["last", "best"] = "last"  # the weights that are kept: the last, or the best on dev of all epochs
    patience: int = 0  # with "best": epochs without a better score on dev after which training ends; 0: never
    layer_decay: float = 1.0
    r_drop: float = 0.0
    accumulate: int = 1  # chunks that a step's rows are cut into: less memory, the same gradient
    gradient_checkpointing: bool = False

    def epochs_of(self, steps: int) -> int:
        """How many epochs of so many steps each."""
        return max(self.epochs, -(-self.minimum_steps // steps))


def layer_rates(model: TaskModel, decay: float) -> dict[str, float]:
    """What each parameter's learning rate is multiplied by: decay^d, d being its distance from the head.

    The head has d = 0, the last block 1, the first block n, the embeddings n + 1 (Howard and Ruder 2018, arXiv
    1801.06146; in this form Clark et al. 2020, arXiv 2003.10555).
    """
    blocks = len(model.encoder.blocks)
    rates = {}
    for name, _ in model.named_parameters():
        part, _, rest = name.removeprefix("encoder.").partition(".")
        inside = name.startswith("encoder.")
        depth = blocks - int(rest.split(".")[0]) if part == "blocks" else blocks + 1
        rates[name] = decay**depth if inside else 1.0
    return rates


def objective(model: TaskModel, chunks: Sequence[Batch], backward: loop.Backward, *, r_drop: float) -> Tensor:
    """Backpropagates the loss of a step, chunk by chunk, and returns it.

    A chunk's mean counts by its share of the examples, so the gradient is that of the whole. With r_drop = w > 0 each
    chunk passes twice, under two dropouts p and q, and its loss is (L_p + L_q + w (KL(p || q) + KL(q || p)) / 2) / 2:
    half of Liang et al. 2021 (arXiv 2106.14448), which is on the scale of a single pass.
    """
    total = torch.zeros(())
    count = sum(len(chunk.target) for chunk in chunks)
    for chunk in chunks:
        value = _regularised(model, chunk, r_drop) if r_drop else model.loss(chunk)
        value = value * (len(chunk.target) / count)
        backward(value)
        total = total.to(value.device) + value.detach()
    return total


def _regularised(model: TaskModel, batch: Batch, weight: float) -> Tensor:
    passes = [model(batch), model(batch)]
    losses = [models.loss(model.task, scores, batch) for scores in passes]
    return (sum(losses, torch.zeros_like(losses[0])) + weight * models.divergence(model.task, *passes)) / 2


def finetune(
    model: TaskModel,
    rows: Sequence[Row],
    tokenizer: Tokenizer,
    recipe: Recipe,
    *,
    seed: int,
    folder: Path | None,
    callbacks: Callbacks,
    dev: Sequence[Row] = (),
    precision: Precision = "fp32",
) -> History:
    """Trains ``model`` in place and returns its history; with select "best" it looks at ``dev`` after every epoch.

    With ``folder`` a killed run goes on where it was. Raises Interrupted as ``loop.fit`` does.
    """
    made = examples(model.task, rows, tokenizer)
    lengths = [example.length for example in made]
    a_epoch = len(order(lengths, 0, recipe.batch_size, seed))
    schedule = recipe.schedule(recipe.epochs_of(a_epoch) * a_epoch)
    model.encoder.recompute = recipe.gradient_checkpointing

    def batch(step: int) -> list[Batch]:
        chosen = order(lengths, step // a_epoch, recipe.batch_size, seed)[step % a_epoch]
        parts = np.array_split(chosen, min(recipe.accumulate, len(chosen)))
        return [collate([made[number] for number in part], model.task, tokenizer.pad) for part in parts]

    def step(trained: nn.Module, chunks: list[Batch], backward: loop.Backward) -> dict[str, Tensor]:
        return {"loss": objective(model, chunks, backward, r_drop=recipe.r_drop)}

    rates = layer_rates(model, recipe.layer_decay) if recipe.layer_decay != 1.0 else None
    optimizer = adamw(model, schedule, rates=rates)

    def train(schedule: Schedule, folder: Path | None, callbacks: Callbacks) -> History:
        return loop.fit(
            model,
            batch,
            step,
            schedule,
            seed=seed,
            folder=folder,
            callbacks=callbacks,
            precision=precision,
            optimizer=optimizer,
        )

    if recipe.select == "last":
        return train(schedule, folder, callbacks)

    def dev_score() -> dict[str, float]:
        return {DEV: scoring.score(model.task, dev, predict(model, dev, tokenizer))}

    with ExitStack() as stack:
        kept = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        selection = Selection(kept, patience=recipe.patience)
        every_epoch = replace(schedule, evaluate_every=a_epoch)
        watched = replace(_watching(callbacks, selection, model), evaluate=dev_score)
        history = _until_exhausted(lambda: train(every_epoch, kept, watched), selection, callbacks)
        selection.restore(model)
        return history


def _watching(callbacks: Callbacks, selection: Selection, model: TaskModel) -> Callbacks:
    """Callbacks that show the selection every score, and stop when it has no patience left."""

    def progress(step: int, total: int, metrics: dict[str, float]) -> None:
        if DEV in metrics:
            selection.see(step, metrics[DEV], model)
        callbacks.progress(step, total, metrics)

    return Callbacks(
        progress=lambda step, total, metrics: progress(step, total, dict(metrics)),
        stopping=lambda: callbacks.stopping() or selection.exhausted,
    )


def _until_exhausted(train: Callable[[], History], selection: Selection, callbacks: Callbacks) -> History:
    """The history of a training that may end early, up to its last score; what someone else stopped is Interrupted."""
    if not selection.exhausted:
        try:
            return train()
        except Interrupted:
            if callbacks.stopping() or not selection.exhausted:
                raise
    end = max(selection.scores)  # a step more was trained before the stop was noticed
    return [row for row in reached_by(selection.folder)[1] if row["step"] <= end]
