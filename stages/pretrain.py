"""pretrain: a narrow masked language model, from random weights or from a published one."""

from __future__ import annotations

from pathlib import Path

from pipeline.run import runner
from pipeline.workspace.declaration import Declaration, Metric
from rosphere.dimension.sizes import Size, encoder_config
from rosphere.encoder import folder, hub
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.pretraining import training
from rosphere.pretraining.recipe import Narrow
from rosphere.randomness.state import seed_everything
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import checkpoint
from rosphere.training.optimizers import adamw

CORPUS, TOKENIZER, TARGET = Path("data/corpus"), Path("data/tokenizer"), Path("models/pretrain")


DECLARATION = Declaration(
    title="Pretraining and widening",
    settings=Narrow,
    metrics=(
        Metric(key="dev_loss", label="masked-token loss on dev, nats", better="lower", format=".3f"),
        Metric(key="dev_accuracy", label="masked tokens guessed", better="higher", format=".0%"),
        Metric(key="dev_causal_loss", label="next-token loss on dev, nats", better="lower", format=".3f"),
    ),
)


def fresh(sizes: dict[str, Size], settings: Narrow, tokenizer: Tokenizer) -> MaskedLanguageModel:
    shape = encoder_config(sizes, settings.size, vocabulary=len(tokenizer), dropout=settings.dropout)
    return MaskedLanguageModel(shape)


def published(name: str, settings: Narrow, tokenizer: Tokenizer) -> MaskedLanguageModel:
    """The weights of a folder or of the hub, with a new vocabulary head if they have none."""
    source = hub.located(name)
    tokenizer.require_same(source)
    model = folder.load(source, dropout=settings.dropout, fresh_head=True)
    if model.bare:
        what = (
            f"one begins at random ({', '.join(model.head) or 'its token embedding'})"
            if settings.schedule.steps
            else "it stays without"
        )
        print(f"pretrain: {name} has no vocabulary head; {what}", flush=True)
    return model


def main() -> None:
    with runner.stage("pretrain", divides=True) as job:
        settings, seed, tokenizer = job.section(Narrow), job.scalar("seed", int), Tokenizer(TOKENIZER)
        sizes = job.scalar("sizes", dict[str, Size])
        seed_everything(seed)
        model = published(settings.init, settings, tokenizer) if settings.init else fresh(sizes, settings, tokenizer)
        optimizer = adamw(model, settings.schedule)
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
            optimizer=optimizer,
        )
        folder.save(model, TARGET, tokenizer=TOKENIZER)
        checkpoint.save_moments(TARGET / checkpoint.MOMENTS_FILE, model, optimizer)  # widen grows them with the weights
        job.curve(history)
        job.report(training.summary(history, model, settings))


if __name__ == "__main__":
    main()
