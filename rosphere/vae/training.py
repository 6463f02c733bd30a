"""A VAE trained by the one loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributions import kl_divergence

from rosphere.encoder.precision import Precision
from rosphere.training import loop
from rosphere.training.checkpoint import History
from rosphere.training.loop import Callbacks
from rosphere.training.schedule import Schedule
from rosphere.vae.model import SentenceVAE
from rosphere.vae.objective import Objective, elbo
from rosphere.vae.sentences import Batch, Sentences


def train(
    model: SentenceVAE,
    sentences: Sentences,
    schedule: Schedule,
    *,
    objective: Objective,
    batch_size: int,
    seed: int,
    dev: Sequence[Batch] = (),
    folder: Path | None = None,
    progress: loop.Progress = lambda step, total, metrics: None,
    stopping: Callable[[], bool] = lambda: False,
    precision: Precision = "fp32",
) -> History:
    """Trains ``model`` in place on ``batch_size`` sentences a step; what is measured of ``dev`` comes as dev_*."""

    def step_of(trained: nn.Module, batch: Batch, backward: loop.Backward) -> dict[str, Tensor]:
        terms = elbo(model, batch, objective)
        backward(terms["loss"])
        return {name: value.detach() for name, value in terms.items()}

    def evaluate() -> dict[str, float]:
        return {f"dev_{name}": value for name, value in watched(model, dev).items()}

    return loop.fit(
        model,
        lambda step: sentences.training_batch(step, of=schedule.steps, size=batch_size, seed=seed),
        step_of,
        schedule,
        seed=seed,
        folder=folder,
        callbacks=Callbacks(progress=progress, stopping=stopping, evaluate=evaluate if dev else None),
        precision=precision,
    )


@torch.no_grad()
def watched(model: SentenceVAE, batches: Sequence[Batch]) -> dict[str, float]:
    """Reconstruction from one draw and closed KL, nats a sentence, and the share of tokens guessed best.

    What the training itself is about and no more: what is measured of a finished model is in measures.py.
    """
    model.eval()
    prior, sentences, tokens = model.prior(), 0, 0
    reconstruction = kl = hits = 0.0
    for batch in (batch.to(model.device) for batch in batches):
        posterior = model.posterior(batch)
        nll, right = model.reconstruction(posterior.sample(), batch)
        reconstruction, hits = reconstruction + float(nll.sum()), hits + float(right.sum())
        kl += float(kl_divergence(posterior, prior).sum())
        sentences, tokens = sentences + len(nll), tokens + batch.tokens
    return {"reconstruction": reconstruction / sentences, "kl": kl / sentences, "token_accuracy": hits / tokens}
