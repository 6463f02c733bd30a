"""A language model trained by the one loop on a prepared corpus, masked and causal steps in turn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from rosphere.encoder.model import MaskedLanguageModel
from rosphere.encoder.precision import Precision
from rosphere.errors import InputError
from rosphere.pretraining import hybrid
from rosphere.pretraining.batch import Batch, prediction_loss
from rosphere.pretraining.dev_set import DevSet
from rosphere.pretraining.packing import PackedRows
from rosphere.pretraining.recipe import Recipe
from rosphere.text.corpus import Corpus
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import loop
from rosphere.training.checkpoint import History
from rosphere.training.loop import Callbacks


def pretrain(
    model: MaskedLanguageModel,
    recipe: Recipe,
    corpus: Path,
    tokenizer: Tokenizer,
    *,
    seed: int,
    precision: Precision,
    folder: Path,
    progress: loop.Progress,
    stopping: Callable[[], bool],
    spent: float = 0.0,
    first: int = 0,
    optimizer: torch.optim.AdamW | None = None,
) -> History:
    """Trains ``model`` on ``corpus``/train; each row of the history carries FLOPs, from what was ``spent`` before on.

    ``first``: batches that another run has had; this one goes on in the same order after them.

    A model without a vocabulary head gets the one that was drawn for it trained; where there are no steps, it stays
    without, and nothing is measured.

    Raises:
        InputError: the model has no position embeddings for rows of ``recipe.sequence`` tokens.
    """
    if not model.config.rotary and recipe.sequence > model.config.max_position_embeddings:
        most = model.config.max_position_embeddings
        raise InputError(f"sequence: {recipe.sequence}; this model has positions for {most}")
    model.encoder.recompute = recipe.gradient_checkpointing
    if recipe.compile:
        model.encoder.compile_blocks()
    rows, dev_rows = (
        PackedRows(Corpus(corpus / split), tokenizer, length=recipe.sequence, seed=seed) for split in ("train", "dev")
    )
    if recipe.schedule.steps:
        model.bare = False
    dev = DevSet(
        dev_rows,
        size=recipe.batch_size,
        limit=recipe.dev_rows,
        rate=recipe.mask_rate,
        causal=True,
    )

    def objective(trained: nn.Module, batch: Batch, backward: loop.Backward) -> dict[str, Tensor]:
        value, accuracy = prediction_loss(model, batch)
        backward(value)
        before = "causal_" if batch.causal else ""
        return {f"{before}loss": value.detach(), f"{before}accuracy": accuracy}

    history = loop.fit(
        model,
        lambda step: hybrid.training_batch(rows, first + step, recipe),
        objective,
        recipe.schedule,
        seed=seed,
        folder=folder,
        callbacks=Callbacks(progress=progress, stopping=stopping, evaluate=None if model.bare else lambda: dev(model)),
        precision=precision,
        optimizer=optimizer,
        divisible=True,
    )
    a_step = recipe.flops(model.config)
    return [{**row, "flops": spent + row["step"] * a_step} for row in history]


def summary(history: History, model: MaskedLanguageModel, recipe: Recipe) -> dict[str, float]:
    """What a finished run reports."""
    dev = [row for row in history if "dev_loss" in row]
    return {
        **({name: value for name, value in dev[-1].items() if name.startswith("dev_")} if dev else {}),
        **({"dev_loss_at_start": dev[0]["dev_loss"]} if dev else {}),
        "steps": recipe.schedule.steps,
        "tokens": recipe.schedule.steps * recipe.batch_size * recipe.sequence,
        "flops": history[-1]["flops"],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
