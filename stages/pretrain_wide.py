"""pretrain_wide: the widened model, trained on where the narrow run ended."""

from __future__ import annotations

from pathlib import Path

import torch

from pipeline.run import runner
from rosphere.dimension.sizes import Size, encoder_config
from rosphere.encoder import config as configs
from rosphere.encoder import folder, hub
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.pretraining import training
from rosphere.pretraining.recipe import Narrow, Wide
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import checkpoint
from rosphere.training.optimizers import adamw

CORPUS, TOKENIZER = Path("data/corpus"), Path("data/tokenizer")
SOURCE, TARGET = Path("models/widen"), Path("models/pretrain_wide")


def optimizer(model: MaskedLanguageModel, settings: Wide) -> torch.optim.AdamW:
    """With the state that the stage widen grew, if that is wanted."""
    found = adamw(model, settings.schedule)
    if settings.optimizer == "grown":
        checkpoint.load_moments(SOURCE / checkpoint.MOMENTS_FILE, model, found)
    return found


def spent(narrow: Narrow, sizes: dict[str, Size], vocabulary: int) -> float:
    """FLOPs of the narrow run, counted from its settings."""
    if narrow.init:
        config = configs.read(hub.located(narrow.init))
    else:
        config = encoder_config(sizes, narrow.size, vocabulary=vocabulary, dropout=0.0)
    return narrow.total_flops(config)


def main() -> None:
    with runner.stage("pretrain_wide", divides=True) as job:
        settings, tokenizer = job.section(Wide), Tokenizer(TOKENIZER)
        narrow = job.section(Narrow, "pretrain")
        model = folder.load(SOURCE, dropout=settings.dropout)
        tokenizer.require(model.config.vocab_size, model=SOURCE)
        history = training.pretrain(
            model,
            settings,
            CORPUS,
            tokenizer,
            seed=job.scalar("seed", int),
            precision=job.precision(model.config.hidden_size),
            folder=job.checkpoint,
            progress=job.progress,
            stopping=job.stopping,
            spent=spent(narrow, job.scalar("sizes", dict[str, Size]), len(tokenizer)),
            first=settings.after(narrow),
            optimizer=optimizer(model, settings),
        )
        folder.save(model, TARGET, tokenizer=TOKENIZER)
        job.curve(history)
        job.report(training.summary(history, model, settings))


if __name__ == "__main__":
    main()
