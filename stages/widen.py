"""widen: the narrow model grown to a larger size without changing what it computes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.run import runner
from pipeline.workspace.declaration import Declaration, Metric
from rosphere.dimension.sizes import Size, encoder_config
from rosphere.encoder import folder, masks
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.pretraining import masked
from rosphere.pretraining.packing import PackedRows
from rosphere.randomness.state import seed_everything
from rosphere.randomness.streams import Stream
from rosphere.randomness.streams import generator as stream
from rosphere.text.corpus import Corpus
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import checkpoint
from rosphere.widening import certificate, widen
from rosphere.widening.moments import grow_moments

DATA = Path("data")
SOURCE, TARGET = Path("models/pretrain"), Path("models/widen")


@dataclass(frozen=True, kw_only=True)
class Widen:
    size: str | None  # the size to grow to; its layers and embedding must be the narrow model's; null: as it is
    noise: float


DECLARATION = Declaration(
    title="Pretraining and widening",
    settings=Widen,
    metrics=(
        Metric(key="max_logit_gap.float64", label="largest logit change, float64", better="lower", format=".2e"),
        Metric(key="max_logit_gap.float32", label="largest logit change, float32", better="lower", format=".2e"),
        Metric(key="logit_std", label="standard deviation of the logits", format=".3f"),
        Metric(key="copies_distance", label="distance of the copies (0: they can never part)", format=".3f"),
    ),
    figures=("pretraining",),  # of the stages around it: here, where another figure trains nothing again
    certificates=("reports/widen.json", "models/widen/widening.json"),
)


def grow(settings: Widen, sizes: dict[str, Size], *, seed: int) -> dict[str, Any]:
    """Writes models/widen and its certificate, over real text of the dev split."""
    seed_everything(seed)  # what has no vocabulary head is measured through one that the seed draws
    model = folder.load(SOURCE, fresh_head=True)
    tokenizer = Tokenizer(DATA / "tokenizer")
    tokenizer.require(model.config.vocab_size, model=SOURCE)
    goal = model.config
    if settings.size:
        goal = encoder_config(sizes, settings.size, vocabulary=len(tokenizer), dropout=0.0)
    wide = widen(
        model,
        width=goal.hidden_size,
        heads=goal.num_attention_heads,
        feed_forward=goal.intermediate_size,
        layers=goal.num_hidden_layers,
        noise=settings.noise,
        seed=seed,
    )
    folder.save(wide, TARGET, tokenizer=DATA / "tokenizer")
    state, steps = checkpoint.read_moments(SOURCE / checkpoint.MOMENTS_FILE)
    grown = grow_moments(state, model.config, wide.config, seed=seed)
    checkpoint.write_moments(TARGET / checkpoint.MOMENTS_FILE, grown, steps)
    proof = certified(model, wide, tokenizer, seed)
    if model.bare:
        proof["measured_through"] = "a vocabulary head drawn by the seed, and not written: the model has none"
    (TARGET / "widening.json").write_text(json.dumps(proof, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return proof


def certified(model: MaskedLanguageModel, wide: MaskedLanguageModel, tokenizer: Tokenizer, seed: int) -> dict[str, Any]:
    """The certificate over rows of the dev split, under both masks of pretraining: each row once under each."""
    rows = PackedRows(Corpus(DATA / "corpus" / "dev"), tokenizer, length=128, seed=seed)
    batch = masked.batch(rows, np.arange(min(4, len(rows))), rate=0.15, generator=stream(seed, Stream.CERTIFICATE))
    documents = batch.documents_BL
    both = torch.cat((masks.packed(documents), masks.causal(documents)))
    return certificate(model, wide, batch.ids_BL.repeat(2, 1), both, positions=masks.positions(documents).repeat(2, 1))


def main() -> None:
    with runner.stage("widen") as job:
        sizes = job.scalar("sizes", dict[str, Size])
        job.report(grow(job.section(Widen), sizes, seed=job.scalar("seed", int)))


if __name__ == "__main__":
    main()
