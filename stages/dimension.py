"""dimension: what n > 8.33 log N says of this corpus, and measured curves beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from pipeline.run import runner
from pipeline.run.settings import at_least
from pipeline.workspace.declaration import Declaration
from rosphere.dimension import skipgram
from rosphere.dimension.rule import minimal_dimension
from rosphere.dimension.sizes import Size, encoder_config
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.pretraining import masked
from rosphere.pretraining.batch import Batch, prediction_loss
from rosphere.pretraining.dev_set import DevSet
from rosphere.pretraining.packing import PackedRows
from rosphere.randomness.state import seed_everything
from rosphere.text.corpus import Corpus
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import loop
from rosphere.training.loop import Callbacks
from rosphere.training.schedule import Schedule, require_steps

DATA = Path("data")
MASK_RATE = 0.3


@dataclass(frozen=True, kw_only=True)
class Heads:
    """The head size against the quality of a small encoder whose width stays the same."""

    width: int
    layers: int
    counts: list[int]  # numbers of heads; the head size is width / number
    sequence: int
    batch_size: int
    dev_rows: int
    schedule: Schedule

    def __post_init__(self) -> None:
        at_least(self, counts=1, sequence=8, batch_size=1, dev_rows=1)
        require_steps(self.schedule)


@dataclass(frozen=True, kw_only=True)
class Dimension:
    dimensions: list[int]
    vocabularies: list[int | None]  # so many of the most frequent tokens; null: all of them
    negatives: int  # noise tokens a step; 0: the full softmax
    tokens: int
    window: int
    batch_size: int
    schedule: Schedule
    heads: Heads

    def __post_init__(self) -> None:
        at_least(self, dimensions=1, vocabularies=1, negatives=0, tokens=1, window=1, batch_size=1)
        require_steps(self.schedule)


DECLARATION = Declaration(title="The dimension rule", settings=Dimension, figures=("vectors", "heads"))


def chosen(sizes: dict[str, Size], name: str, sequence: int, vocabulary: int) -> dict[str, Any]:
    """The rule's numbers beside those of one size."""
    config = encoder_config(sizes, name, vocabulary=vocabulary, dropout=0.0)
    return {
        "vocabulary": vocabulary,
        "embedding_rule": minimal_dimension(vocabulary),
        "embedding_log_formula": 8.33 * math.log(vocabulary),
        "embedding_size": config.embedding_size,
        "sequence": sequence,
        "head_rule": minimal_dimension(sequence),
        "head_log_formula": 8.33 * math.log(sequence),
        "head_size": config.head_size,
    }


def embeddings(settings: Dimension, vocabulary: int, job: runner.Job, seed: int) -> Iterator[dict[str, float]]:
    """Rows of skip-gram's losses by vocabulary and dimension."""
    streams = [skipgram.tokens(Corpus(DATA / "corpus" / split), settings.tokens) for split in ("train", "dev")]
    for turn, wanted in enumerate(settings.vocabularies):
        size = min(wanted or vocabulary, vocabulary)
        train_T, dev_T = skipgram.most_frequent(streams[0], size, streams[1]) if wanted else streams
        for row in skipgram.curve(
            train_T,
            dev_T,
            vocabulary=size,
            dimensions=settings.dimensions,
            schedule=settings.schedule,
            batch=settings.batch_size,
            window=settings.window,
            seed=seed,
            progress=_after(job, settings, turn * len(settings.dimensions)),
            stopping=job.stopping,
            negatives=settings.negatives,
        ):
            yield {"vocabulary": float(size), **row}


def heads(settings: Dimension, tokenizer: Tokenizer, job: runner.Job, seed: int) -> Iterator[dict[str, float]]:
    """Rows of the masked language model's dev loss by head size."""
    asked = settings.heads
    train, dev = (
        PackedRows(Corpus(DATA / "corpus" / split), tokenizer, length=asked.sequence, seed=seed)
        for split in ("train", "dev")
    )
    measured = DevSet(dev, size=asked.batch_size, limit=asked.dev_rows, rate=MASK_RATE)
    for turn, count in enumerate(asked.counts):
        seed_everything(seed)
        model = MaskedLanguageModel(_encoder(asked, count, len(tokenizer)))
        history = loop.fit(
            model,
            partial(masked.training_batch, train, size=asked.batch_size, rate=MASK_RATE),
            partial(_objective, model),
            asked.schedule,
            seed=seed,
            callbacks=Callbacks(stopping=job.stopping, evaluate=partial(measured, model)),
        )
        row = {"head_size": float(asked.width // count), "head_dev_loss": history[-1]["dev_loss"]}
        _after(job, settings, len(settings.vocabularies) * len(settings.dimensions))(turn + 1, 0, row)
        yield row


def _objective(model: MaskedLanguageModel, _: nn.Module, batch: Batch, backward: loop.Backward) -> dict[str, Tensor]:
    value, accuracy = prediction_loss(model, batch)
    backward(value)
    return {"loss": value.detach(), "accuracy": accuracy}


def _encoder(asked: Heads, count: int, vocabulary: int) -> EncoderConfig:
    return EncoderConfig(
        vocab_size=vocabulary,
        embedding_size=asked.width,
        hidden_size=asked.width,
        num_hidden_layers=asked.layers,
        num_attention_heads=count,
        intermediate_size=4 * asked.width,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def _after(job: runner.Job, settings: Dimension, before: int) -> Callable[[int, int, Any], None]:
    """Progress over all curves together."""
    total = len(settings.vocabularies) * len(settings.dimensions) + len(settings.heads.counts)
    return lambda done, _, metrics: job.progress(before + done, total, metrics)


def knees(rows: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """By vocabulary: the rule, and the dimension that has nine tenths of the measured gain."""
    found = {}
    for size in dict.fromkeys(row["vocabulary"] for row in rows):
        curve = [row for row in rows if row["vocabulary"] == size]
        found[str(int(size))] = {"rule": minimal_dimension(int(size)), "knee": skipgram.knee(curve)}
    return found


def main() -> None:
    with runner.stage("dimension") as job:
        settings, seed = job.section(Dimension), job.scalar("seed", int)
        tokenizer = Tokenizer(DATA / "tokenizer")
        rows = list(embeddings(settings, len(tokenizer), job, seed))
        sized = list(heads(settings, tokenizer, job, seed))
        job.curve([*rows, *sized])
        size, sequence = job.scalar("pretrain.size", str), job.scalar("pretrain.sequence", int)
        found = chosen(job.scalar("sizes", dict[str, Size]), size, sequence, len(tokenizer))
        spread = max(row["head_dev_loss"] for row in sized) - min(row["head_dev_loss"] for row in sized)
        best = min(sized, key=lambda row: row["head_dev_loss"])
        measured = {
            "measured_sequence": settings.heads.sequence,
            "measured_head_rule": minimal_dimension(settings.heads.sequence),
            "best_head_size": best["head_size"],
            "head_loss_spread": spread,
        }
        job.report({**found, **measured, "knees": knees(rows)})


if __name__ == "__main__":
    main()
