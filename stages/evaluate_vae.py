"""evaluate_vae@<variant>: likelihood, KL, mutual information and reconstructions of a finished text VAE; examples."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.run import runner
from pipeline.run.settings import at_least
from rosphere.errors import InputError
from rosphere.randomness.state import seed_everything
from rosphere.text import reading
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import processes
from rosphere.vae import decoding, folder, latents, measures
from rosphere.vae.latents import modes, neighbours
from rosphere.vae.likelihood import measure_likelihood
from rosphere.vae.measures import writing
from rosphere.vae.model import SentenceVAE
from rosphere.vae.sentences import Sentences

CORPUS, TOKENIZER, MODELS = Path("data/corpus"), Path("data/tokenizer"), Path("models/vmf_vae")
LABELLED = Path("data/tasks/sentiment")
MEASURED = 1024  # held-out sentences at most
EXAMPLES, STEPS = 8, 6
SEARCHED, NEAREST = 2000, 3  # training sentences among which neighbours are looked for, and how many are shown


@dataclass(frozen=True, kw_only=True)
class EvaluateVae:
    batch_size: int
    importance_samples: int
    importance_sentences: int
    samples: int
    top_p: float

    def __post_init__(self) -> None:
        at_least(self, batch_size=1, importance_samples=1, importance_sentences=1, samples=EXAMPLES)
        if not 0 <= self.top_p <= 1:
            raise InputError(f"top_p: expected a probability, 0 to 1, got {self.top_p}")


def measured(model: SentenceVAE, sentences: Sentences, settings: EvaluateVae, seed: int) -> dict[str, float]:
    seed_everything(seed)  # the draws do not depend on the model's training
    dev = sentences.batches(settings.batch_size, MEASURED)
    some = sentences.batches(settings.batch_size, settings.importance_sentences)
    return {
        **measures.measure(model, dev),
        **measure_likelihood(model, some, draws=settings.importance_samples),
    }


def written(
    model: SentenceVAE, sentences: Sentences, settings: EvaluateVae, tokenizer: Tokenizer, seed: int
) -> tuple[dict[str, float], list[str]]:
    """What is measured of reconstructions and samples, and some of the samples: the first."""
    seed_everything(seed)
    ends = {"cls": tokenizer.cls, "sep": tokenizer.sep}
    dev = sentences.batches(settings.batch_size, MEASURED)
    drawn = decoding.sample(model, settings.samples, top_p=settings.top_p, seed=seed, **ends)
    found = writing(
        decoding.reconstruct(model, dev, **ends), [words for batch in dev for words in batch.words()], drawn
    )
    return found, [tokenizer.decode(ids) for ids in drawn[:EXAMPLES]]


def examples(model: SentenceVAE, train: Sentences, dev: Sentences, tokenizer: Tokenizer) -> dict[str, Any]:
    """Reconstructions, the way from the first to the second, neighbours: none picked."""
    rows = dev.rows[:EXAMPLES]
    shown = Sentences(rows, tokenizer.pad)
    points, means = modes(model, shown), latents.means(model, shown)
    known = Sentences(train.rows[:SEARCHED], tokenizer.pad)
    nearest = neighbours(points, modes(model, known), NEAREST).tolist()
    given = [tokenizer.decode(row) for row in rows]
    again = decoding.texts(model, tokenizer, means)
    return {
        "reconstructions": [{"input": a, "output": b} for a, b in zip(given, again, strict=True)],
        "interpolation": decoding.texts(model, tokenizer, latents.path(model, means[0], means[1], STEPS)),
        "neighbours": [
            {"input": text, "output": [tokenizer.decode(known.rows[number]) for number in numbers]}
            for text, numbers in zip(given, nearest, strict=True)
        ],
    }


def view(model: SentenceVAE, tokenizer: Tokenizer, max_length: int) -> dict[str, Any]:
    """Held-out labelled sentences on the sphere, in the plane of two labels' mean directions in training.

    Nothing where no labels were prepared, or there is no sphere.
    """
    if model.shape.kind != "vmf" or not LABELLED.is_dir():
        return {}
    (known, names), (points, labels) = (labelled(model, tokenizer, max_length, split) for split in ("train", "dev"))
    if len(set(names)) < 2 or not labels:
        return {}
    first, second = (known[torch.tensor([label == name for label in names])].mean(0) for name in sorted(set(names))[:2])
    return {"sphere": {"points": latents.view(points, first, second).tolist(), "labels": labels}}


def labelled(model: SentenceVAE, tokenizer: Tokenizer, max_length: int, split: str) -> tuple[Tensor, list[str]]:
    """Points and labels of the task's sentences that are as short as the VAE's."""
    rows = [row for _, row in reading.rows(LABELLED / f"{split}.jsonl")]
    ids = tokenizer.ids([row["sentence"] for row in rows])
    short = [n for n, found in enumerate(ids) if 0 < len(found) <= max_length - 2]
    sentences = Sentences.of([rows[n]["sentence"] for n in short], tokenizer)
    return modes(model, sentences), [str(rows[n]["label"]) for n in short]


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m stages.evaluate_vae VARIANT")
    name = sys.argv[1]
    with runner.stage(f"evaluate_vae@{name}") as job:
        settings, tokenizer = job.section(EvaluateVae), Tokenizer(TOKENIZER)
        max_length, seed = job.scalar("vmf_vae.max_length", int), job.scalar("seed", int)
        train, dev = (
            Sentences.read(CORPUS / f"sentences-{split}", tokenizer, max_length) for split in ("train", "dev")
        )
        model = folder.load(MODELS / name).to(processes.device())
        tokenizer.require(model.encoder.config.vocab_size, model=MODELS / name)
        job.report(measured(model, dev, settings, seed))
        found, samples = written(model, dev, settings, tokenizer, seed)
        job.report(found)
        shown = {**examples(model, train, dev, tokenizer), "samples": samples}
        job.examples({**shown, **view(model, tokenizer, max_length)})


if __name__ == "__main__":
    main()
