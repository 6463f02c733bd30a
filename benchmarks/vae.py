"""Whose latent is used, and what does it cost? The vMF at several kappas against its baselines.

    python -m benchmarks.vae --data data --folder runs [--sizes tiny small] [--seeds 0 1 2] [--json FILE]

The protocol is that of text VAEs on the Penn treebank, on the sentences of a prepared data folder: for every size and
seed all models have the same random encoder and decoder, latent size, batches, steps and schedule; they differ in the
posterior and in the KL's part in the loss, and in nothing else. Held-out sentences then give -log p(x) by importance
sampling (Burda et al. 2016) and its perplexity, the parts of the ELBO, mutual information, active units and directions,
token accuracy and BLEU-4 of reconstructions. No model is chosen on them: every kappa is shown.

Every run is kept under --folder as it ends, and a killed one goes on: the same command continues. Further sizes, seeds,
models and kappas may be asked for later; other steps or data belong into another folder, which is checked.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rosphere import files
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.randomness.state import seed_everything
from rosphere.text.tokenizer import Tokenizer
from rosphere.training.schedule import Schedule
from rosphere.vae import measures, training
from rosphere.vae.likelihood import measure_likelihood
from rosphere.vae.measures import reconstruction_bleu
from rosphere.vae.model import SentenceVAE, Shape
from rosphere.vae.objective import Objective
from rosphere.vae.sentences import Sentences
from rosphere.vae.variants import Regularizers, variant

SIZES = {"tiny": (64, 1), "small": (128, 2), "medium": (256, 4)}  # width and layers, of the encoder and of the decoder
BASELINES = ("vmf_learned", "gaussian", "gaussian_annealed", "gaussian_free_bits", "gaussian_bn")
COLUMNS = {
    "nll": "NLL",
    "ppl": "PPL",
    "nll_bound": "-ELBO",
    "reconstruction": "rec.",
    "kl_closed_form": "KL",
    "kl_std": "KL sd",
    "mutual_information": "MI",
    "active_units": "AU",
    "active_directions": "AD",
    "token_accuracy": "acc.",
    "bleu": "BLEU",
}


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What all runs of a folder have in common."""

    data: str  # fingerprint of the sentences
    latent: int
    steps: int
    batch_size: int
    rate: float
    max_length: int
    word_dropout: float
    dropout: float
    sentences: int  # held out, measured
    importance_sentences: int  # of them, for -log p(x)
    draws: int

    def keep(self, folder: Path) -> None:
        """Writes the protocol of a new folder, refuses another one's."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "protocol.json"
        if path.is_file():
            there = json.loads(path.read_text())
            there.setdefault("batch_size", there.get("rows"))  # as older versions wrote it
            other = [
                f"{key} {there.get(key)}, not {value}" for key, value in vars(self).items() if there.get(key) != value
            ]
            if other:
                raise InputError(f"{path}: the runs in this folder have {'; '.join(other)}: choose another folder")
        path.write_text(json.dumps(vars(self), indent=1) + "\n")


@dataclass(frozen=True, kw_only=True)
class Bench:
    protocol: Protocol
    tokenizer: Tokenizer
    train: Sentences
    dev: Sentences

    def model(self, name: str, size: str, seed: int) -> tuple[SentenceVAE, Objective]:
        """``name`` is that of a baseline, or vmf-KAPPA."""
        width, layers = SIZES[size]
        kappa = float(name.removeprefix("vmf-")) if name.startswith("vmf-") else 1.0
        shape = Shape(
            kind="vmf",
            latent=self.protocol.latent,
            kappa=kappa,
            decoder_layers=layers,
            decoder_width=width,
            word_dropout=self.protocol.word_dropout,
        )
        shape, objective = variant("vmf" if name.startswith("vmf-") else name, shape, Regularizers())
        seed_everything(seed)
        language = MaskedLanguageModel(
            EncoderConfig(
                vocab_size=len(self.tokenizer),
                embedding_size=width,
                hidden_size=width,
                num_hidden_layers=layers,
                num_attention_heads=width // 64,
                intermediate_size=4 * width,
                hidden_dropout_prob=self.protocol.dropout,
                attention_probs_dropout_prob=self.protocol.dropout,
            )
        )
        return SentenceVAE(language, shape, mask_token=self.tokenizer.mask), objective

    def run(self, name: str, size: str, seed: int, place: Path) -> dict[str, Any]:
        """One model trained and measured; read from ``place`` if it has been."""
        done = place / "result.json"
        if done.is_file():
            return dict(json.loads(done.read_text()))
        protocol, (model, objective) = self.protocol, self.model(name, size, seed)
        schedule = Schedule(steps=protocol.steps, learning_rate=protocol.rate, log_every=50, checkpoint_every=200)
        history = training.train(
            model,
            self.train,
            schedule,
            objective=objective,
            batch_size=protocol.batch_size,
            seed=seed,
            folder=place / "state",
            progress=lambda step, total, _: print(f"{place}: {step}/{total}", flush=True) if step % 500 == 0 else None,
        )
        found = {"measures": self.measured(model, seed), "history": history}
        place.mkdir(parents=True, exist_ok=True)
        done.write_text(json.dumps(found))
        (place / "state" / "state.safetensors").unlink(missing_ok=True)
        return found

    def measured(self, model: SentenceVAE, seed: int) -> dict[str, float]:
        seed_everything(seed)
        batches, weighed = (
            self.dev.batches(self.protocol.batch_size, count)
            for count in (self.protocol.sentences, self.protocol.importance_sentences)
        )
        return {
            **measures.measure(model, batches),
            **measure_likelihood(model, weighed, draws=self.protocol.draws),
            "bleu": reconstruction_bleu(model, batches, cls=self.tokenizer.cls, sep=self.tokenizer.sep),
        }


def table(found: dict[str, list[dict[str, float]]]) -> list[str]:
    """A line a model: mean and standard deviation over the seeds."""
    lines = ["| model | " + " | ".join(COLUMNS.values()) + " |", "| --- |" + " --- |" * len(COLUMNS)]
    for name, seeds in found.items():
        cells = [_cell([each[key] for each in seeds]) for key in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _cell(values: list[float]) -> str:
    return f"{mean(values):.4g}" + (f" ± {stdev(values):.2g}" if len(values) > 1 else "")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="what the stage prepare made")
    parser.add_argument("--folder", type=Path, required=True, help="where runs are kept")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["tiny", "small"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--kappas", type=float, nargs="*", default=[25, 50, 100, 200])
    parser.add_argument("--baselines", nargs="*", choices=BASELINES, default=list(BASELINES))
    parser.add_argument("--latent", type=int, default=50)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--batch-size", type=int, default=64, help="sentences a step")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--max-length", type=int, default=26, help="tokens of a sentence")
    parser.add_argument("--word-dropout", type=float, default=0.0)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--sentences", type=int, default=500, help="held out, measured")
    parser.add_argument("--importance-sentences", type=int, default=500, help="of them, for -log p(x)")
    parser.add_argument("--draws", type=int, default=500, help="for -log p(x)")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    tokenizer = Tokenizer(options.data / "tokenizer")
    splits = {name: options.data / "corpus" / f"sentences-{name}" for name in ("train", "dev")}
    shared = {key: getattr(options, key) for key in Protocol.__dataclass_fields__ if key != "data"}
    protocol = Protocol(data="-".join(files.folder_hash(folder)[:8] for folder in splits.values()), **shared)
    protocol.keep(options.folder)
    train, dev = (Sentences.read(folder, tokenizer, options.max_length) for folder in splits.values())
    bench = Bench(protocol=protocol, tokenizer=tokenizer, train=train, dev=dev)
    names = [*(f"vmf-{kappa:g}" for kappa in options.kappas), *options.baselines]
    results: dict[str, dict[str, list[dict[str, float]]]] = {
        size: {name: [] for name in names} for size in options.sizes
    }
    for seed in options.seeds:
        for size in options.sizes:
            for name in names:
                place = options.folder / size / name / f"seed-{seed}"
                results[size][name].append(bench.run(name, size, seed, place)["measures"])
    for size, found in results.items():
        width, layers = SIZES[size]
        print(
            f"\n{size}: {layers} layers {width} wide, latent {options.latent},"
            f" {options.steps} steps of {options.batch_size}"
        )
        print(f"of {len(train):,} sentences; nats a sentence; {len(options.seeds)} seeds\n\n" + "\n".join(table(found)))
    if options.json:
        options.json.write_text(json.dumps({"protocol": vars(protocol), "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
