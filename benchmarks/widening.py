"""Does widening save compute? Narrow pretraining, widening and training on, against training wide from the start.

    python -m benchmarks.widening --data data --folder runs [--narrow 128 --times 2] [--seeds 0 1 2] [--json FILE]

For each seed one wide run from random weights and one narrow run, both at a constant learning rate after their
warm-up, so that every point of a run is the end of a shorter one. At each switch point the narrow model is widened,
with its optimizer state grown and per-parameter learning rates (rosphere.widening.moments), and trained on. The
saving at a loss is 1 - FLOPs(narrow + widened) / FLOPs(wide from scratch), the narrow part included, where each
curve first reaches that loss on the same held-out text. --fresh restarts the optimizer instead, with a warm-up.

Every run is kept under --folder as it ends, and a killed one goes on: the same command continues.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rosphere import checkpoint, fitting, mlm
from rosphere.checkpoint import History
from rosphere.encoder import folder
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.fitting import Callbacks, Schedule
from rosphere.text.corpus import Corpus
from rosphere.text.tokenizer import Tokenizer
from rosphere.widening import widen
from rosphere.widening.moments import grow_moments, learning_rates

LENGTH, ROWS, RATE = 128, 8, 0.3
Point = tuple[float, float]  # FLOPs so far, dev loss


@dataclass(frozen=True, kw_only=True)
class Text:
    """One seed's view of a prepared corpus."""

    rows: mlm.PackedRows
    dev: mlm.DevSet
    vocabulary: int
    seed: int

    @classmethod
    def read(cls, data: Path, seed: int) -> Text:
        tokenizer = Tokenizer(data / "tokenizer")
        rows, dev = (
            mlm.PackedRows(Corpus(data / "corpus" / split), tokenizer, length=LENGTH, seed=seed)
            for split in ("train", "dev")
        )
        measured = mlm.DevSet(dev, size=ROWS, limit=64, rate=RATE)
        return cls(rows=rows, dev=measured, vocabulary=len(tokenizer), seed=seed)


def shape(text: Text, width: int, layers: int) -> EncoderConfig:
    return EncoderConfig(
        vocab_size=text.vocabulary,
        embedding_size=72,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        intermediate_size=4 * width,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def train(
    model: MaskedLanguageModel,
    text: Text,
    place: Path,
    *,
    steps: int,
    rate: float,
    warmup: int,
    first: int,
    optimizer: torch.optim.AdamW | None = None,
) -> History:
    """A run at a constant rate on batches ``first``, first + 1, ...; read from ``place`` if it has been made."""
    done = place / "history.json"
    if done.is_file():
        return list(json.loads(done.read_text()))
    pace = Schedule(
        steps=steps,
        learning_rate=rate,
        warmup=warmup / steps,
        decay="constant",
        log_every=50,
        evaluate_every=50,
        checkpoint_every=100,
    )
    optimizer = optimizer or fitting.optimizer(model, pace)

    def objective(trained: nn.Module, batch: mlm.Batch, backward: fitting.Backward) -> dict[str, Tensor]:
        value, accuracy = mlm.loss(model, batch)
        backward(value)
        return {"loss": value.detach(), "accuracy": accuracy}

    def progress(step: int, total: int, metrics: Any) -> None:
        if "dev_loss" in metrics:
            print(f"{place.name}: {step}/{total} {metrics['dev_loss']:.3f}", flush=True)

    history = fitting.fit(
        model,
        lambda step: mlm.training_batch(text.rows, first + step, size=ROWS, rate=RATE),
        objective,
        pace,
        seed=text.seed,
        folder=place / "state",
        callbacks=Callbacks(progress=progress, evaluate=partial(text.dev, model)),
        optimizer_=optimizer,
    )
    folder.save(model, place / "model", tokenizer=place)
    checkpoint.save_moments(place / checkpoint.MOMENTS_FILE, model, optimizer)
    done.write_text(json.dumps(history))
    return history


def curve(history: History, config: EncoderConfig, spent: float = 0.0) -> list[Point]:
    a_step = config.flops_per_token(LENGTH) * ROWS * LENGTH
    return [(spent + row["step"] * a_step, row["dev_loss"]) for row in history if "dev_loss" in row]


def narrow_until(text: Text, place: Path, options: argparse.Namespace, switch: int) -> History:
    """The narrow run up to a switch point: each goes on where the one before it ended."""
    points = [0, *options.switches]
    begin = points[points.index(switch) - 1]
    fitting.seed_everything(text.seed)
    model = MaskedLanguageModel(shape(text, options.narrow, options.layers))
    optimizer = None
    if begin:
        before = place / f"narrow-{begin}"
        model = folder.load(before / "model")
        optimizer = fitting.optimizer(model, Schedule(steps=1, learning_rate=options.rate))
        checkpoint.load_moments(before / checkpoint.MOMENTS_FILE, model, optimizer)
    return train(
        model,
        text,
        place / f"narrow-{switch}",
        steps=switch - begin,
        rate=options.rate,
        warmup=0 if begin else options.warmup,
        first=begin,
        optimizer=optimizer,
    )


def widened(text: Text, place: Path, options: argparse.Namespace, switch: int) -> History:
    source = place / f"narrow-{switch}"
    small = folder.load(source / "model")
    wide = widen(small, width=options.narrow * options.times, noise=options.noise, seed=text.seed)
    name = f"widened-{switch}" + ("-fresh" if options.fresh else "")
    optimizer = None
    if not options.fresh:
        moments, steps = checkpoint.read_moments(source / checkpoint.MOMENTS_FILE)
        place.joinpath(name).mkdir(parents=True, exist_ok=True)
        grown = place / name / "start.safetensors"
        checkpoint.write_moments(grown, grow_moments(moments, small.config, wide.config, seed=text.seed), steps)
        rates = learning_rates(small.config, wide.config) if options.slow_readers else None
        optimizer = fitting.optimizer(wide, Schedule(steps=1, learning_rate=options.rate), rates=rates)
        checkpoint.load_moments(grown, wide, optimizer)
    return train(
        wide,
        text,
        place / name,
        steps=options.after,
        rate=options.rate * options.wide_rate,
        warmup=options.warmup if options.fresh else options.rewarm,
        first=switch,
        optimizer=optimizer,
    )


def one_seed(options: argparse.Namespace, seed: int) -> dict[str, list[Point]]:
    """The curves of a seed by name."""
    text = Text.read(options.data, seed)
    place = options.folder / f"{options.narrow}x{options.times}-{options.layers}-seed{seed}"
    narrow, wide = (shape(text, options.narrow * times, options.layers) for times in (1, options.times))
    fitting.seed_everything(seed)
    scratch = train(
        MaskedLanguageModel(wide),
        text,
        place / "scratch",
        steps=options.scratch,
        rate=options.rate * options.wide_rate,
        warmup=options.warmup,
        first=0,
    )
    curves = {"scratch": curve(scratch, wide)}
    spent, path = 0.0, []
    for switch in options.switches:
        path += curve(narrow_until(text, place, options, switch), narrow, spent)
        spent = path[-1][0]
        curves[f"switch {switch}"] = curve(widened(text, place, options, switch), wide, spent)
    curves["narrow"] = path
    return curves


def reached(points: list[Point], loss: float) -> float | None:
    """FLOPs at which a curve first has this loss, between its points by straight lines."""
    for (before, high), (after, low) in zip(points, points[1:], strict=False):
        if high >= loss >= low and high > low:
            return before + (after - before) * (high - loss) / (high - low)
    return None


def savings(curves: dict[str, list[Point]], name: str) -> list[tuple[float, float]]:
    """(loss, saving) at every loss that the scratch run reached and the widened run reached after its switch."""
    found = []
    best = np.minimum.accumulate([loss for _, loss in curves["scratch"]])
    for (cost, loss), lowest in zip(curves["scratch"], best, strict=True):
        ours = reached(curves[name], loss)
        if loss <= lowest and ours is not None and cost:
            found.append((loss, 1 - ours / cost))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="what the stage prepare made")
    parser.add_argument("--folder", type=Path, required=True, help="where runs are kept")
    parser.add_argument("--narrow", type=int, default=128)
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--switches", type=int, nargs="+", default=[500, 1000, 2000], help="narrow steps")
    parser.add_argument("--after", type=int, default=800, help="steps of the widened model")
    parser.add_argument("--scratch", type=int, default=2500, help="steps of the wide model from random weights")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--wide-rate", type=float, default=1.0, help="the wide runs' rate in units of --rate")
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--rewarm", type=int, default=0, help="warm-up steps after widening")
    parser.add_argument("--noise", type=float, default=0.3)
    parser.add_argument("--slow-readers", action="store_true", help="muP's learning rates after widening")
    parser.add_argument("--fresh", action="store_true", help="a new optimizer after widening")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    seeds = {seed: one_seed(options, seed) for seed in options.seeds}
    for name in [name for name in seeds[options.seeds[0]] if name.startswith("switch")]:
        for seed, curves in seeds.items():
            saved = savings(curves, name)
            shown = "  ".join(f"{loss:.2f}: {100 * saving:.0f} %" for loss, saving in saved[:: max(1, len(saved) // 8)])
            print(f"{name}, seed {seed}: saved at loss {shown}")
    if options.json:
        options.json.write_text(json.dumps(seeds, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
