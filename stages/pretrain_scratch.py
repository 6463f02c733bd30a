"""pretrain_scratch: the control, the wide model from random weights with the FLOPs of both runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline.run import control, runner
from pipeline.run.control import Control
from pipeline.workspace.declaration import Declaration, Metric
from rosphere.dimension.sizes import Size, encoder_config
from rosphere.encoder import folder
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.pretraining import training
from rosphere.pretraining.recipe import Narrow, Wide
from rosphere.randomness.state import seed_everything
from rosphere.text.tokenizer import Tokenizer

CORPUS, TOKENIZER, TARGET = Path("data/corpus"), Path("data/tokenizer"), Path("models/pretrain_scratch")


DECLARATION = Declaration(
    title="Pretraining and widening",
    settings=Control,
    metrics=(
        Metric(key="dev_loss", label="masked-token loss on dev, nats", better="lower", format=".3f"),
        Metric(key="dev_accuracy", label="masked tokens guessed", better="higher", format=".0%"),
        Metric(key="dev_causal_loss", label="next-token loss on dev, nats", better="lower", format=".3f"),
    ),
)


def recipe(wide: Wide, config: EncoderConfig, rate: float, *, before: float) -> Wide:
    """pretrain_wide's settings with as many steps as both runs together could pay for; ``before``: narrow FLOPs."""
    steps = wide.schedule.steps + round(before / wide.flops(config))
    return replace(wide, schedule=replace(wide.schedule, steps=steps, learning_rate=rate))


def train(job: runner.Job, given: Control) -> None:
    seed, tokenizer = job.scalar("seed", int), Tokenizer(TOKENIZER)
    sizes, wide = job.scalar("sizes", dict[str, Size]), job.section(Wide, "pretrain_wide")
    narrow, vocabulary = job.section(Narrow, "pretrain"), len(tokenizer)
    shape = encoder_config(sizes, job.scalar("widen.size", str), vocabulary=vocabulary, dropout=wide.dropout)
    before = narrow.total_flops(encoder_config(sizes, narrow.size, vocabulary=vocabulary, dropout=0.0))
    settings = recipe(wide, shape, given.learning_rate, before=before)
    seed_everything(seed)
    model = MaskedLanguageModel(shape)
    history = training.pretrain(
        model,
        settings,
        CORPUS,
        tokenizer,
        seed=seed,
        precision=job.precision(shape.hidden_size),
        folder=job.checkpoint,
        progress=job.progress,
        stopping=job.stopping,
    )
    folder.save(model, TARGET, tokenizer=TOKENIZER)
    job.curve(history)
    job.report(training.summary(history, model, settings))


def main() -> None:
    with runner.stage("pretrain_scratch", divides=True) as job:
        control.run(job, train, TARGET)


if __name__ == "__main__":
    main()
