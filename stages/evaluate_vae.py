"""evaluate_vae@<variant>: likelihood, KL, mutual information and reconstructions of a finished text VAE; examples."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.run import runner
from pipeline.workspace.declaration import Declaration, Metric, Rival
from rosphere.errors import InputError
from rosphere.randomness.state import seed_everything
from rosphere.text import reading
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import processes
from rosphere.vae import decoding, folder, latents, measures
from rosphere.vae.latents import modes, neighbours
from rosphere.vae.likelihood import measure_likelihood
from rosphere.vae.measures import reconstruction_bleu
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

    def __post_init__(self) -> None:
        if min(self.batch_size, self.importance_samples, self.importance_sentences) < 1:
            raise InputError("batch_size, importance_samples and importance_sentences: expected 1 or more of each")


DECLARATION = Declaration(
    title="Text VAE",
    settings=EvaluateVae,
    items="vmf_vae.variants",
    metrics=(
        Metric(key="reconstruction", label="reconstruction, nats a sentence", better="lower"),
        Metric(key="kl", label="KL, nats a sentence (Monte Carlo)"),
        Metric(key="kl_closed_form", label="KL, nats a sentence (closed form)"),
        Metric(key="kl_std", label="KL, standard deviation over sentences"),
        Metric(
            key="bound_ppl",
            label="bound on the perplexity per token",
            better="lower",
            headline="VAE: bound on the perplexity",
            rivals=(Rival(stage="evaluate_vae@gaussian", key="bound_ppl", name="the Gaussian baseline", item="vmf"),),
        ),
        Metric(key="nll", label="-log p(x) by importance sampling, nats a sentence*", better="lower"),
        Metric(key="nll_bound", label="-ELBO from the same draws*", better="lower"),
        Metric(key="ppl", label="perplexity per token by importance sampling*", better="lower"),
        Metric(key="effective_draws", label="effective number of the importance draws*"),
        Metric(
            key="token_accuracy",
            label="token accuracy",
            better="higher",
            headline="VAE: tokens reconstructed",
            rivals=(
                Rival(stage="evaluate_vae@gaussian", key="token_accuracy", name="the Gaussian baseline", item="vmf"),
            ),
        ),
        Metric(key="bleu", label="BLEU-4 of reconstructions", better="higher"),
        Metric(key="mutual_information", label="mutual information, nats", better="higher"),
        Metric(key="active_units", label="active units", better="higher"),
        Metric(key="active_directions", label="active directions", better="higher"),
        Metric(key="importance_draws", label="* draws a sentence"),
        Metric(key="importance_sentences", label="* sentences"),
    ),
    figures=("kl", "reconstruction", "sphere"),
)


def measured(
    model: SentenceVAE, sentences: Sentences, settings: EvaluateVae, tokenizer: Tokenizer, seed: int
) -> dict[str, float]:
    seed_everything(seed)  # the draws do not depend on the model's training
    dev = sentences.batches(settings.batch_size, MEASURED)
    some = sentences.batches(settings.batch_size, settings.importance_sentences)
    return {
        **measures.measure(model, dev),
        **measure_likelihood(model, some, draws=settings.importance_samples),
        "bleu": reconstruction_bleu(model, dev, cls=tokenizer.cls, sep=tokenizer.sep),
    }


def examples(model: SentenceVAE, train: Sentences, dev: Sentences, tokenizer: Tokenizer) -> dict[str, Any]:
    """Reconstructions from the modes, the way from the first to the second, samples, neighbours: none picked."""
    rows = dev.rows[:EXAMPLES]
    points = modes(model, Sentences(rows, tokenizer.pad))
    known = Sentences(train.rows[:SEARCHED], tokenizer.pad)
    nearest = neighbours(points, modes(model, known), NEAREST).tolist()
    torch.manual_seed(0)
    given, drawn = [tokenizer.decode(row) for row in rows], model.prior().sample((EXAMPLES,))
    written = decoding.texts(model, tokenizer, points)
    return {
        "reconstructions": [{"input": a, "output": b} for a, b in zip(given, written, strict=True)],
        "interpolation": decoding.texts(model, tokenizer, latents.path(model, points[0], points[1], STEPS)),
        "samples": decoding.texts(model, tokenizer, drawn),
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
        job.report(measured(model, dev, settings, tokenizer, seed))
        job.examples({**examples(model, train, dev, tokenizer), **view(model, tokenizer, max_length)})


if __name__ == "__main__":
    main()
