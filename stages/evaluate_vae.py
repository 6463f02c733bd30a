"""evaluate_vae@<variant>: likelihood, KL, mutual information and reconstructions of a finished text VAE; examples."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.run import runner
from pipeline.run.settings import at_least
from pipeline.workspace.declaration import Declaration, Metric, Rival
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
LABELLED = Path("data/labelled")  # sentences of a task with a class, by split
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


DECLARATION = Declaration(
    title="Text VAE",
    settings=EvaluateVae,
    items="vmf_vae.variants",
    metrics=(
        Metric(key="reconstruction", label="reconstruction, nats a sentence", better="lower"),
        Metric(key="kl", label="KL, nats a sentence (Monte Carlo)"),
        Metric(key="kl_closed_form", label="KL, nats a sentence (closed form)"),
        Metric(key="kl_std", label="KL, standard deviation over sentences"),
        Metric(key="bound_ppl", label="bound on the perplexity per token", better="lower"),
        Metric(key="nll", label="-log p(x) by importance sampling, nats a sentence*", better="lower"),
        Metric(key="nll_bound", label="-ELBO from the same draws*", better="lower"),
        Metric(
            key="ppl",
            label="perplexity per token by importance sampling*",
            better="lower",
            format=".1f",
            headline="VAE: perplexity per token",
            rivals=(
                Rival(stage="evaluate_vae@gaussian", key="ppl", name="the Gaussian", item="vmf"),
                Rival(
                    stage="evaluate_vae@gaussian_free_bits", key="ppl", name="the Gaussian with free bits", item="vmf"
                ),
                Rival(stage="evaluate_vae@vmf_fresh", key="ppl", name="the decoder from random blocks", item="vmf"),
            ),
        ),
        Metric(key="effective_draws", label="effective number of the importance draws*"),
        Metric(
            key="token_accuracy",
            label="token accuracy",
            better="higher",
            format=".3f",
            headline="VAE: tokens reconstructed",
            rivals=(
                Rival(stage="evaluate_vae@gaussian", key="token_accuracy", name="the Gaussian", item="vmf"),
                Rival(
                    stage="evaluate_vae@gaussian_free_bits",
                    key="token_accuracy",
                    name="the Gaussian with free bits",
                    item="vmf",
                ),
                Rival(
                    stage="evaluate_vae@vmf_fresh",
                    key="token_accuracy",
                    name="the decoder from random blocks",
                    item="vmf",
                ),
            ),
        ),
        Metric(key="bleu", label="BLEU-4 of reconstructions", better="higher"),
        Metric(
            key="reconstruction_repetition",
            label="reconstructions with a token three times in a row",
            better="lower",
            format=".1%",
        ),
        Metric(
            key="sample_repetition", label="samples with a token three times in a row", better="lower", format=".1%"
        ),
        Metric(
            key="held_out_repetition", label="the sentences themselves with a token three times in a row", format=".1%"
        ),
        Metric(key="sample_distinct", label="samples that differ from one another", better="higher", format=".1%"),
        Metric(key="mutual_information", label="mutual information, nats", better="higher", format=".2f"),
        Metric(key="active_units", label="active units", better="higher"),
        Metric(key="active_directions", label="active directions", better="higher"),
        Metric(key="samples", label="samples written"),
        Metric(key="importance_draws", label="* draws a sentence"),
        Metric(key="importance_sentences", label="* sentences"),
    ),
    figures=("kl", "reconstruction", "sphere"),
)


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
    if model.shape.kind != "vmf":
        return {}
    (sentences, names), (held, labels) = (labelled(tokenizer, max_length, split) for split in ("train", "dev"))
    if len(set(names)) < 2 or not labels:
        return {}
    known, points = modes(model, sentences), modes(model, held)
    first, second = (known[torch.tensor([label == name for label in names])].mean(0) for name in sorted(set(names))[:2])
    return {"sphere": {"points": latents.view(points, first, second).tolist(), "labels": labels}}


def labelled(tokenizer: Tokenizer, max_length: int, split: str) -> tuple[Sentences, list[str]]:
    """Those that are as short as the VAE's sentences, and their labels."""
    rows = [row for _, row in reading.rows(LABELLED / f"{split}.jsonl")]
    ids = tokenizer.ids([row["sentence"] for row in rows])
    short = [n for n, found in enumerate(ids) if 0 < len(found) <= max_length - 2]
    sentences = Sentences.of([rows[n]["sentence"] for n in short], tokenizer)
    return sentences, [str(rows[n]["label"]) for n in short]


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
