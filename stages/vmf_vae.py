"""vmf_vae: a sentence VAE on the sphere, and beside it the twins that it is to be compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from pipeline.run import runner
from rosphere import vae
from rosphere.dimension.sizes import rule
from rosphere.encoder import folder
from rosphere.errors import InputError
from rosphere.text import reading
from rosphere.text.tokenizer import Tokenizer
from rosphere.training.checkpoint import History
from rosphere.training.schedule import Schedule
from rosphere.training.streams import seed_everything
from rosphere.vae import Crutches, Kappa, LatentAt, Sentences, SentenceVAE, Shape, Twin

DATA = Path("data")
LABELLED = DATA / "tasks" / "sentiment"
SOURCE, TARGET = Path("models/pretrain_wide"), Path("models/vmf_vae")
MEASURED = 1024  # held-out sentences at most
EXAMPLES, STEPS = 8, 6
SEARCHED, NEAREST = 2000, 3  # training sentences among which neighbours are looked for, and how many are shown


@dataclass(frozen=True, kw_only=True)
class VmfVae:
    latent: int | Literal["rule"]
    kappa: Kappa
    latent_at: LatentAt
    decoder_layers: int
    decoder_width: int
    word_dropout: float
    twins: list[Twin]
    crutches: Crutches = field(default_factory=Crutches)
    importance_samples: int
    importance_sentences: int
    rows: int
    longest: int
    dropout: float
    schedule: Schedule

    def __post_init__(self) -> None:
        twice = [name for name in self.twins if self.twins.count(name) > 1]
        if twice:
            raise InputError(f"twins: expected each once, got {twice[0]} {self.twins.count(twice[0])} times")
        if min(self.importance_samples, self.importance_sentences) < 1:
            raise InputError("importance_samples and importance_sentences: expected 1 or more of each")
        self.shape(2)  # refuses what no model can have

    @property
    def names(self) -> list[Literal["vmf"] | Twin]:
        """The models in the order they are trained in."""
        return ["vmf", *self.twins]

    def shape(self, latent: int) -> Shape:
        return Shape(
            kind="vmf",
            latent=latent,
            kappa=self.kappa,
            decoder_layers=self.decoder_layers,
            decoder_width=self.decoder_width,
            word_dropout=self.word_dropout,
            latent_at=self.latent_at,
        )


@dataclass(frozen=True, kw_only=True)
class Work:
    """What all the models of one execution share."""

    job: runner.Job
    settings: VmfVae
    tokenizer: Tokenizer
    train: Sentences
    dev: Sentences
    shape: Shape
    seed: int

    def trained(self, name: Literal["vmf"] | Twin) -> tuple[SentenceVAE, History]:
        settings, names = self.settings, self.settings.names
        shape, objective = vae.variant(name, self.shape, settings.crutches)
        seed_everything(self.seed)
        language = folder.load(SOURCE, dropout=settings.dropout)
        self.tokenizer.require(language.config.vocab_size, model=SOURCE)
        model = SentenceVAE(language, shape, mask_token=self.tokenizer.mask)

        def progress(step: int, total: int, metrics: Mapping[str, float]) -> None:
            """All models on one scale, one after the other."""
            done = names.index(name) * total + step
            self.job.progress(done, len(names) * total, {f"{name}/{key}": value for key, value in metrics.items()})

        history = vae.train(
            model,
            self.train,
            settings.schedule,
            objective=objective,
            rows=settings.rows,
            seed=self.seed,
            dev=self.dev.batches(settings.rows, 4 * settings.rows),
            folder=self.job.checkpoint / name,
            progress=progress,
            stopping=self.job.stopping,
            precision=self.job.precision(language.config.hidden_size),
        )
        return model, history

    def measured(self, model: SentenceVAE) -> dict[str, float]:
        settings, tokenizer = self.settings, self.tokenizer
        seed_everything(self.seed)  # the draws do not depend on how the training went
        dev = self.dev.batches(settings.rows, MEASURED)
        some = self.dev.batches(settings.rows, settings.importance_sentences)
        return {
            **vae.measure(model, dev),
            **vae.measure_likelihood(model, some, draws=settings.importance_samples),
            "bleu": vae.reconstruction_bleu(model, dev, cls=tokenizer.cls, sep=tokenizer.sep),
        }

    def examples(self, model: SentenceVAE) -> dict[str, Any]:
        """Reconstructions from the modes, the way from the first to the second, samples, neighbours, a view."""
        tokenizer, rows = self.tokenizer, self.dev.rows[:EXAMPLES]
        points = vae.modes(model, Sentences(rows, tokenizer.pad))
        known = Sentences(self.train.rows[:SEARCHED], tokenizer.pad)
        nearest = vae.neighbours(points, vae.modes(model, known), NEAREST).tolist()
        torch.manual_seed(0)
        given, drawn = [tokenizer.decode(row) for row in rows], model.prior().sample((EXAMPLES,))
        written = vae.texts(model, tokenizer, points)
        return {
            "reconstructions": [{"input": a, "output": b} for a, b in zip(given, written, strict=True)],
            "interpolation": vae.texts(model, tokenizer, vae.path(model, points[0], points[1], STEPS)),
            "samples": vae.texts(model, tokenizer, drawn),
            "neighbours": [
                {"input": text, "output": [tokenizer.decode(known.rows[number]) for number in numbers]}
                for text, numbers in zip(given, nearest, strict=True)
            ],
            **self.view(model),
        }

    def view(self, model: SentenceVAE) -> dict[str, Any]:
        """Held-out labelled sentences on the sphere, in the plane of two labels' mean directions in training.

        Nothing where no labels were prepared, or there is no sphere.
        """
        if model.shape.kind != "vmf" or not LABELLED.is_dir():
            return {}
        (known, names), (points, labels) = (self.labelled(model, split) for split in ("train", "dev"))
        if len(set(names)) < 2 or not labels:
            return {}
        first, second = (
            known[torch.tensor([label == name for label in names])].mean(0) for name in sorted(set(names))[:2]
        )
        return {"sphere": {"points": vae.view(points, first, second).tolist(), "labels": labels}}

    def labelled(self, model: SentenceVAE, split: str) -> tuple[Tensor, list[str]]:
        """Points and labels of the task's sentences that are as short as the VAE's."""
        rows = [row for _, row in reading.rows(LABELLED / f"{split}.jsonl")]
        ids = self.tokenizer.ids([row["sentence"] for row in rows])
        short = [n for n, found in enumerate(ids) if 0 < len(found) <= self.settings.longest - 2]
        sentences = Sentences.of([rows[n]["sentence"] for n in short], self.tokenizer)
        return vae.modes(model, sentences), [str(rows[n]["label"]) for n in short]


def main() -> None:
    with runner.stage("vmf_vae") as job:
        settings, tokenizer = job.section(VmfVae), Tokenizer(DATA / "tokenizer")
        train, dev = (
            Sentences.read(DATA / "corpus" / f"sentences-{split}", tokenizer, settings.longest)
            for split in ("train", "dev")
        )
        latent = rule(len(train)) if settings.latent == "rule" else settings.latent
        work = Work(
            job=job,
            settings=settings,
            tokenizer=tokenizer,
            train=train,
            dev=dev,
            shape=settings.shape(latent),
            seed=job.scalar("seed", int),
        )
        curves: History = []
        shown: dict[str, Any] = {}
        for number, name in enumerate(settings.names):
            model, history = work.trained(name)
            curves += [{"model": float(number), **row} for row in history]
            job.report({name: work.measured(model)})
            shown[name] = work.examples(model)
            if name == "vmf":
                vae.save(model, TARGET, tokenizer=DATA / "tokenizer")
        job.curve(curves)
        job.examples(shown)
        job.report({"models": settings.names, "latent": latent, "kappa": settings.kappa, "sentences": len(train)})


if __name__ == "__main__":
    main()
