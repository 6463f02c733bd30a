"""pretrain_wide: the widened model, trained on where the narrow run ended."""

from __future__ import annotations

from pathlib import Path

import torch

from pipeline.run import runner
from pipeline.workspace.declaration import Declaration, Metric, Rival
from rosphere.dimension.sizes import Size, encoder_config
from rosphere.encoder import config as configs
from rosphere.encoder import folder, hub
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.pretraining import training
from rosphere.pretraining.recipe import Narrow, Wide
from rosphere.randomness.state import seed_everything
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import checkpoint
from rosphere.training.optimizers import adamw

CORPUS, TOKENIZER = Path("data/corpus"), Path("data/tokenizer")
SOURCE, TARGET = Path("models/widen"), Path("models/pretrain_wide")


DECLARATION = Declaration(
    title="Pretraining and widening",
    settings=Wide,
    metrics=(
        Metric(
            key="dev_loss",
            label="masked-token loss on dev, nats",
            better="lower",
            format=".3f",
            headline="masked-token loss",
            rivals=(
                Rival(stage="pretrain", key="dev_loss", name="the narrow model it grew from"),
                Rival(stage="pretrain_longer", key="dev_loss", name="the narrow model trained on, for equal FLOPs"),
                Rival(
                    stage="pretrain_scratch",
                    key="dev_loss",
                    name="the same shape from random weights, for equal FLOPs",
                ),
            ),
        ),
        Metric(key="dev_accuracy", label="masked tokens guessed", better="higher", format=".0%"),
        Metric(key="dev_causal_loss", label="next-token loss on dev, nats", better="lower", format=".3f"),
    ),
)


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
        settings, seed, tokenizer = job.section(Wide), job.scalar("seed", int), Tokenizer(TOKENIZER)
        narrow = job.section(Narrow, "pretrain")
        seed_everything(seed)  # a vocabulary head may begin here
        model = folder.load(SOURCE, dropout=settings.dropout, fresh_head=True)
        tokenizer.require(model.config.vocab_size, model=SOURCE)
        history = training.pretrain(
            model,
            settings,
            CORPUS,
            tokenizer,
            seed=seed,
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
