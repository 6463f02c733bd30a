"""vmf_vae@<variant>: a sentence VAE, on the sphere or one of the baselines that it is to be compared with."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from pipeline.run import runner
from pipeline.workspace.declaration import Declaration, Metric
from rosphere.dimension.sizes import rule
from rosphere.encoder import folder as encoders
from rosphere.errors import InputError
from rosphere.randomness.state import seed_everything
from rosphere.text.tokenizer import Tokenizer
from rosphere.training.checkpoint import History
from rosphere.training.schedule import Schedule, require_steps
from rosphere.vae import folder, training
from rosphere.vae.decoder import FreshDecoder, LatentAt
from rosphere.vae.heads import Kappa
from rosphere.vae.model import SentenceVAE, Shape
from rosphere.vae.sentences import Sentences
from rosphere.vae.variants import Regularizers, Variant, variant

CORPUS, TOKENIZER = Path("data/corpus"), Path("data/tokenizer")
SOURCE, TARGET = Path("models/pretrain_wide"), Path("models/vmf_vae")


@dataclass(frozen=True, kw_only=True)
class VmfVae:
    variants: list[Variant]
    latent: int | Literal["rule"]
    kappa: Kappa
    latent_at: LatentAt
    decoder: Literal["pretrained", "fresh"]
    fresh_decoder: FreshDecoder
    word_dropout: float
    regularizers: Regularizers = field(default_factory=Regularizers)
    batch_size: int
    max_length: int
    dropout: float
    schedule: Schedule

    def __post_init__(self) -> None:
        require_steps(self.schedule)
        twice = [name for name in self.variants if self.variants.count(name) > 1]
        if twice:
            raise InputError(f"variants: expected each once, got {twice[0]} {self.variants.count(twice[0])} times")
        if "vmf" not in self.variants:
            raise InputError(f"variants: expected vmf among them, the others are its baselines; got {self.variants}")
        if self.decoder == "fresh" and "vmf_fresh" in self.variants:
            raise InputError("variants: vmf_fresh is vmf itself with decoder: fresh; leave one of the two out")
        for name in self.variants:
            variant(name, self.shape(2), self.regularizers, self.fresh_decoder)  # refuses what no model can have

    def shape(self, latent: int) -> Shape:
        return Shape(
            kind="vmf",
            latent=latent,
            kappa=self.kappa,
            fresh_decoder=self.fresh_decoder if self.decoder == "fresh" else None,
            word_dropout=self.word_dropout,
            latent_at=self.latent_at,
        )


DECLARATION = Declaration(
    title="Text VAE",
    settings=VmfVae,
    items="vmf_vae.variants",
    metrics=(
        Metric(key="dev_reconstruction", label="reconstruction in training, nats a sentence", better="lower"),
        Metric(key="dev_kl", label="KL in training, nats a sentence"),
        Metric(key="dev_token_accuracy", label="token accuracy in training", better="higher"),
    ),
)


def train(
    job: runner.Job, name: Variant, settings: VmfVae, splits: dict[str, Sentences]
) -> tuple[SentenceVAE, History]:
    """The model of this name; all variants see the same sentences in the same order."""
    seed, tokenizer = job.scalar("seed", int), Tokenizer(TOKENIZER)
    latent = rule(len(splits["train"])) if settings.latent == "rule" else settings.latent
    shape, objective = variant(name, settings.shape(latent), settings.regularizers, settings.fresh_decoder)
    seed_everything(seed)
    language = encoders.load(SOURCE, dropout=settings.dropout, fresh_head=True)
    if language.bare and shape.fresh_decoder is None:
        raise InputError(
            f"vmf_vae.decoder: pretrained begins as a language model, and {SOURCE} has no vocabulary head; set "
            "decoder: fresh"
        )
    tokenizer.require(language.config.vocab_size, model=SOURCE)
    model = SentenceVAE(language, shape, mask_token=tokenizer.mask)
    history = training.train(
        model,
        splits["train"],
        settings.schedule,
        objective=objective,
        batch_size=settings.batch_size,
        seed=seed,
        dev=splits["dev"].batches(settings.batch_size, 4 * settings.batch_size),
        folder=job.checkpoint,
        progress=job.progress,
        stopping=job.stopping,
        precision=job.precision(language.config.hidden_size),
    )
    return model, history


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] not in get_args(Variant):
        raise SystemExit(f"usage: python -m stages.vmf_vae {'|'.join(get_args(Variant))}")
    name: Variant = sys.argv[1]  # type: ignore[assignment]  # looked up above
    with runner.stage(f"vmf_vae@{name}") as job:
        settings, tokenizer = job.section(VmfVae), Tokenizer(TOKENIZER)
        splits = {
            split: Sentences.read(CORPUS / f"sentences-{split}", tokenizer, settings.max_length)
            for split in ("train", "dev")
        }
        model, history = train(job, name, settings, splits)
        folder.save(model, TARGET / name, tokenizer=TOKENIZER)
        job.curve(history)
        last = history[-1]
        job.report({key: last[key] for key in ("dev_reconstruction", "dev_kl", "dev_token_accuracy")})
        job.report({"latent": model.shape.latent, "kappa": model.shape.kappa, "sentences": len(splits["train"])})


if __name__ == "__main__":
    main()
