"""pretrain, pretrain_wide, pretrain_scratch: masked language modelling, narrow, widened, and from random weights."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.run import runner
from pipeline.run.settings import at_least
from rosphere.dimension.sizes import Size, encoder_config
from rosphere.encoder import config as configs
from rosphere.encoder import folder, hub
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.pretraining import masked
from rosphere.pretraining.packing import PackedRows
from rosphere.text.corpus import Corpus
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import checkpoint, loop
from rosphere.training.checkpoint import History
from rosphere.training.loop import Callbacks
from rosphere.training.optimizers import adamw
from rosphere.training.schedule import Schedule
from rosphere.training.streams import seed_everything

DATA = Path("data")
MODELS = Path("models")


@dataclass(frozen=True, kw_only=True)
class Widened:
    """What all three have in common."""

    sequence: int
    rows: int
    mask_rate: float
    dev_rows: int
    dropout: float
    gradient_checkpointing: bool  # less memory for a third more time
    compile: bool  # blocks through torch.compile
    schedule: Schedule

    def __post_init__(self) -> None:
        at_least(self, sequence=8, rows=1, dev_rows=1)
        if not (0 < self.mask_rate < 1 and 0 <= self.dropout < 1):
            got = f"{self.mask_rate} and {self.dropout}"
            raise InputError(f"mask_rate and dropout: expected shares in (0, 1) and [0, 1), got {got}")

    def flops(self, config: EncoderConfig) -> float:
        """Of one step."""
        return config.flops_per_token(self.sequence) * self.rows * self.sequence


@dataclass(frozen=True, kw_only=True)
class Continued(Widened):
    """Section ``pretrain_wide``."""

    optimizer: Literal["grown", "fresh"]  # the narrow run's state, widened like the weights, or none


@dataclass(frozen=True, kw_only=True)
class Pretrain(Widened):
    size: str
    init: str | None  # a model folder or hub name to start from, instead of random weights of ``size``


@dataclass(frozen=True, kw_only=True)
class Scratch:
    enabled: bool
    learning_rate: float


def pretrain(
    model: MaskedLanguageModel,
    settings: Widened,
    job: runner.Job,
    *,
    spent: float,
    optimizer: torch.optim.AdamW | None = None,
) -> History:
    """Trains ``model``; the history carries FLOPs, beginning with what was ``spent`` before."""
    seed = job.scalar("seed", int)
    tokenizer = Tokenizer(DATA / "tokenizer")
    if not model.config.rotary and settings.sequence > model.config.max_position_embeddings:
        most = model.config.max_position_embeddings
        raise InputError(f"params.yaml: {job.word}.sequence: {settings.sequence}; this model has positions for {most}")
    model.encoder.recompute = settings.gradient_checkpointing
    if settings.compile:
        model.encoder.compile_blocks()
    rows, dev_rows = (
        PackedRows(Corpus(DATA / "corpus" / split), tokenizer, length=settings.sequence, seed=seed)
        for split in ("train", "dev")
    )
    dev = masked.DevSet(dev_rows, size=settings.rows, limit=settings.dev_rows, rate=settings.mask_rate)

    def objective(trained: nn.Module, batch: masked.Batch, backward: loop.Backward) -> dict[str, Tensor]:
        value, accuracy = masked.loss(model, batch)
        backward(value)
        return {"loss": value.detach(), "accuracy": accuracy}

    history = loop.fit(
        model,
        lambda step: masked.training_batch(rows, step, size=settings.rows, rate=settings.mask_rate),
        objective,
        settings.schedule,
        seed=seed,
        folder=job.checkpoint,
        callbacks=Callbacks(progress=job.progress, stopping=job.stopping, evaluate=lambda: dev(model)),
        precision=job.precision(model.config.hidden_size),
        optimizer=optimizer,
        divisible=True,
    )
    a_step = settings.flops(model.config)
    return [{**row, "flops": spent + row["step"] * a_step} for row in history]


def summary(history: History, model: MaskedLanguageModel, settings: Widened) -> dict[str, float]:
    dev = [row for row in history if "dev_loss" in row]
    return {
        "dev_loss": dev[-1]["dev_loss"],
        "dev_accuracy": dev[-1]["dev_accuracy"],
        "dev_loss_at_start": dev[0]["dev_loss"],
        "steps": settings.schedule.steps,
        "tokens": settings.schedule.steps * settings.rows * settings.sequence,
        "flops": history[-1]["flops"],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def shape(job: runner.Job, size: str, dropout: float) -> EncoderConfig:
    vocabulary = len(Tokenizer(DATA / "tokenizer"))
    return encoder_config(job.scalar("sizes", dict[str, Size]), size, vocabulary=vocabulary, dropout=dropout)


def fresh(job: runner.Job, size: str, dropout: float) -> MaskedLanguageModel:
    seed_everything(job.scalar("seed", int))
    return MaskedLanguageModel(shape(job, size, dropout))


def published(job: runner.Job, settings: Pretrain, name: str) -> MaskedLanguageModel:
    """The weights of a folder or of the hub, with a new vocabulary head if they have none."""
    seed_everything(job.scalar("seed", int))
    source = hub.located(name)
    Tokenizer(DATA / "tokenizer").require_vocabulary(source)
    return folder.load(source, dropout=settings.dropout, fresh_head=True)


def widened(settings: Widened) -> MaskedLanguageModel:
    model = folder.load(MODELS / "widen", dropout=settings.dropout)
    Tokenizer(DATA / "tokenizer").require(model.config.vocab_size, model=MODELS / "widen")
    return model


def grown_optimizer(model: MaskedLanguageModel, settings: Continued) -> torch.optim.AdamW:
    """With the state that the stage widen grew, if that is wanted."""
    optimizer = adamw(model, settings.schedule)
    if settings.optimizer == "grown":
        checkpoint.load_moments(MODELS / "widen" / checkpoint.MOMENTS_FILE, model, optimizer)
    return optimizer


def before(job: runner.Job) -> float:
    """FLOPs of the narrow run, counted from its settings."""
    narrow = job.section(Pretrain, "pretrain")
    config = configs.read(hub.located(narrow.init)) if narrow.init else shape(job, narrow.size, 0.0)
    return narrow.schedule.steps * narrow.flops(config)


def scratch_settings(job: runner.Job, model: MaskedLanguageModel, wide: Widened, rate: float) -> Widened:
    """pretrain_wide's settings with as many steps as both runs together could pay for."""
    steps = wide.schedule.steps + round(before(job) / wide.flops(model.config))
    return replace(wide, schedule=replace(wide.schedule, steps=steps, learning_rate=rate))


def main() -> None:
    with runner.stage(sys.argv[1] if len(sys.argv) > 1 else "pretrain", divides=True) as job:
        target = MODELS / job.word
        spent, optimizer = 0.0, None
        settings: Widened
        if job.word == "pretrain":
            narrow = job.section(Pretrain)
            settings = narrow
            model = published(job, narrow, narrow.init) if narrow.init else fresh(job, narrow.size, narrow.dropout)
            optimizer = adamw(model, narrow.schedule)
        elif job.word == "pretrain_wide":
            wide = job.section(Continued)
            settings, model, spent = wide, widened(wide), before(job)
            optimizer = grown_optimizer(model, wide)
        else:
            control, wide = job.section(Scratch), job.section(Continued, "pretrain_wide")
            if not control.enabled:
                target.mkdir(parents=True, exist_ok=True)
                job.curve([{"step": 0}])
                job.report({"enabled": False})
                return
            model = fresh(job, job.scalar("widen.size", str), wide.dropout)
            settings = scratch_settings(job, model, wide, control.learning_rate)
        history = pretrain(model, settings, job, spent=spent, optimizer=optimizer)
        folder.save(model, target, tokenizer=DATA / "tokenizer")
        if job.word == "pretrain" and optimizer:  # the stage widen grows it along with the weights
            checkpoint.save_moments(target / checkpoint.MOMENTS_FILE, model, optimizer)
        job.curve(history)
        job.report(summary(history, model, settings))


if __name__ == "__main__":
    main()
