"""A VAE trained by the one loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor, nn

from rosphere.encoder.precision import Precision
from rosphere.training import loop
from rosphere.training.checkpoint import History
from rosphere.training.loop import Callbacks
from rosphere.training.schedule import Schedule
from rosphere.vae.measures import measure
from rosphere.vae.model import SentenceVAE
from rosphere.vae.objective import Objective, elbo
from rosphere.vae.sentences import Batch, Sentences

WATCHED = ("reconstruction", "kl", "token_accuracy")


def train(
    model: SentenceVAE,
    sentences: Sentences,
    schedule: Schedule,
    *,
    objective: Objective,
    rows: int,
    seed: int,
    dev: Sequence[Batch] = (),
    folder: Path | None = None,
    progress: loop.Progress = lambda step, total, metrics: None,
    stopping: Callable[[], bool] = lambda: False,
    precision: Precision = "fp32",
) -> History:
    """Trains ``model`` in place on ``rows`` sentences a step; what ``dev`` says of it comes as dev_*."""

    def step_of(trained: nn.Module, batch: Batch, backward: loop.Backward) -> dict[str, Tensor]:
        terms = elbo(model, batch, objective)
        backward(terms["loss"])
        return {name: value.detach() for name, value in terms.items()}

    def evaluate() -> dict[str, float]:
        found = measure(model, dev, draws=2)
        return {f"dev_{name}": found[name] for name in WATCHED}

    return loop.fit(
        model,
        lambda step: sentences.training_batch(step, of=schedule.steps, size=rows, seed=seed),
        step_of,
        schedule,
        seed=seed,
        folder=folder,
        callbacks=Callbacks(progress=progress, stopping=stopping, evaluate=evaluate if dev else None),
        precision=precision,
    )
