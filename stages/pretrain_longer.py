"""pretrain_longer: the control, the narrow model trained on for the FLOPs that the wide one gets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline.run import control, runner
from pipeline.run.control import Control
from pipeline.workspace.declaration import Declaration, Metric
from rosphere.dimension.sizes import Size, encoder_config
from rosphere.encoder import folder
from rosphere.encoder.config import EncoderConfig
from rosphere.pretraining import training
from rosphere.pretraining.recipe import Narrow, Wide
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import checkpoint
from rosphere.training.optimizers import adamw

CORPUS, TOKENIZER = Path("data/corpus"), Path("data/tokenizer")
SOURCE, TARGET = Path("models/pretrain"), Path("models/pretrain_longer")


DECLARATION = Declaration(
    title="Pretraining and widening",
    settings=Control,
    metrics=(
        Metric(key="dev_loss", label="masked-token loss on dev, nats", better="lower", format=".3f"),
        Metric(key="dev_accuracy", label="masked tokens guessed", better="higher", format=".0%"),
        Metric(key="dev_causal_loss", label="next-token loss on dev, nats", better="lower", format=".3f"),
    ),
)


def recipe(wide: Wide, narrow: Narrow, shape: EncoderConfig, grown: EncoderConfig, rate: float) -> Wide:
    """pretrain_wide's settings on the narrow run's batches, with as many steps as the wide run's FLOPs pay for."""
    cut = replace(wide, sequence=narrow.sequence, batch_size=narrow.batch_size)
    steps = max(1, round(wide.total_flops(grown) / cut.flops(shape)))
    return replace(cut, schedule=replace(wide.schedule, steps=steps, learning_rate=rate))


def train(job: runner.Job, given: Control) -> None:
    tokenizer, sizes = Tokenizer(TOKENIZER), job.scalar("sizes", dict[str, Size])
    wide, narrow = job.section(Wide, "pretrain_wide"), job.section(Narrow, "pretrain")
    model = folder.load(SOURCE, dropout=wide.dropout)
    grown = encoder_config(sizes, job.scalar("widen.size", str), vocabulary=len(tokenizer), dropout=0.0)
    settings = recipe(wide, narrow, model.config, grown, given.learning_rate)
    optimizer = adamw(model, settings.schedule)
    checkpoint.load_moments(SOURCE / checkpoint.MOMENTS_FILE, model, optimizer)
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
        spent=narrow.total_flops(model.config),
        first=narrow.schedule.steps,
        optimizer=optimizer,
    )
    folder.save(model, TARGET, tokenizer=TOKENIZER)
    job.curve(history)
    job.report(training.summary(history, model, settings))


def main() -> None:
    with runner.stage("pretrain_longer", divides=True) as job:
        control.run(job, train, TARGET)


if __name__ == "__main__":
    main()
