"""dimension: what n > 8.33 log N says of this corpus, and a measured curve beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rosphere import skipgram
from rosphere.dimension import minimal_dimension
from rosphere.fitting import Schedule
from rosphere.text.corpus import Corpus
from rosphere.text.tokenizer import Tokenizer
from stages import runner
from stages.sizes import Size, encoder_config

DATA = Path("data")


@dataclass(frozen=True, kw_only=True)
class Dimension:
    dimensions: list[int]
    tokens: int
    window: int
    batch: int
    schedule: Schedule


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


def main() -> None:
    with runner.stage("dimension") as job:
        settings, seed = job.section(Dimension), job.scalar("seed", int)
        vocabulary = len(Tokenizer(DATA / "tokenizer"))
        rows = skipgram.curve(
            skipgram.tokens(Corpus(DATA / "corpus" / "train"), settings.tokens),
            skipgram.tokens(Corpus(DATA / "corpus" / "dev"), settings.tokens),
            vocabulary=vocabulary,
            dimensions=settings.dimensions,
            schedule=settings.schedule,
            batch=settings.batch,
            window=settings.window,
            seed=seed,
            progress=job.progress,
            stopping=job.stopping,
        )
        job.curve(rows)
        size, sequence = job.scalar("pretrain.size", str), job.scalar("pretrain.sequence", int)
        job.report(chosen(job.scalar("sizes", dict[str, Size]), size, sequence, vocabulary))


if __name__ == "__main__":
    main()
