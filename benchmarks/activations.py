"""Does smoothness matter? The same small encoder with other activations, trained alike, by dev loss.

    python -m benchmarks.activations --data data --folder runs [--steps 2000] [--seeds 0 1 2] [--json F] [--figure F]

ReLU, smooth ReLU (Gaussian kernel) at several widths, SoftPlus, SAU, GELU and SiLU. A run's batches, masks and first
weights depend on its seed alone, so that two activations can be compared seed by seed: beside the mean dev loss and
its standard deviation over seeds stand the mean difference to GELU and that difference's standard deviation. The figure
has the loss against the width, 0 being ReLU.

Every run is kept under --folder as it ends, and a killed one goes on: the same command continues.
"""

from __future__ import annotations

import argparse
import json
import statistics
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
from torch import Tensor, nn

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
from rosphere.training.schedule import Schedule

LENGTH, ROWS, RATE = 128, 8, 0.3
REFERENCE = "gelu"
WIDTHS = (0.05, 0.2, 0.5, 1.0, 2.0)
ACTIVATIONS = (
    REFERENCE,
    "relu",
    "silu",
    "smooth_relu_logistic:1",  # SoftPlus
    "smooth_leaky_relu_gaussian:0.5:0.25",  # SAU
    "smooth_relu_gaussian:0.5:learned",
    *(f"smooth_relu_gaussian:{width}" for width in WIDTHS),
)
Row = dict[str, Any]


def shape(options: argparse.Namespace, activation: str, vocabulary: int) -> EncoderConfig:
    return EncoderConfig(
        vocab_size=vocabulary,
        embedding_size=72,
        hidden_size=options.width,
        num_hidden_layers=options.layers,
        num_attention_heads=options.width // 64,
        intermediate_size=4 * options.width,
        hidden_act=activation,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def objective(model: MaskedLanguageModel, _: nn.Module, batch: Batch, backward: loop.Backward) -> dict[str, Tensor]:
    value, accuracy = prediction_loss(model, batch)
    backward(value)
    return {"loss": value.detach(), "accuracy": accuracy}


def run(options: argparse.Namespace, activation: str, seed: int) -> Row:
    """One model trained, read from its folder if that has been done."""
    name = activation.replace(":", "-")
    place = options.folder / f"{options.layers}x{options.width}-{options.steps}" / f"{name}-seed{seed}"
    done = place / "result.json"
    if done.is_file():
        return dict(json.loads(done.read_text(encoding="utf-8")))
    tokenizer = Tokenizer(options.data / "tokenizer")
    rows, held = (
        PackedRows(Corpus(options.data / "corpus" / split), tokenizer, length=LENGTH, seed=seed)
        for split in ("train", "dev")
    )
    seed_everything(seed)
    model = MaskedLanguageModel(shape(options, activation, len(tokenizer)))
    if options.compile:
        model.encoder.compile_blocks()
    history = loop.fit(
        model,
        partial(masked.training_batch, rows, size=ROWS, rate=RATE),
        partial(objective, model),
        Schedule(steps=options.steps, learning_rate=options.rate, log_every=50, checkpoint_every=200),
        seed=seed,
        folder=place / "state",
        callbacks=Callbacks(evaluate=partial(DevSet(held, size=ROWS, limit=96, rate=RATE), model)),
    )
    widths = [float(p.detach().exp()) for n, p in model.named_parameters() if n.endswith("log_width")]
    found = {"activation": activation, "seed": seed, "dev_loss": history[-1]["dev_loss"], "learned_widths": widths}
    done.parent.mkdir(parents=True, exist_ok=True)
    done.write_text(json.dumps(found) + "\n", encoding="utf-8")
    print(f"{activation}, seed {seed}: {found['dev_loss']:.4f}", flush=True)
    return found


def summary(runs: list[Row]) -> list[Row]:
    """Mean and spread over the seeds, by activation, and the differences to GELU seed by seed."""
    losses = {(row["activation"], row["seed"]): row["dev_loss"] for row in runs}
    found = []
    for activation in dict.fromkeys(row["activation"] for row in runs):
        mine = {seed: loss for (name, seed), loss in losses.items() if name == activation}
        apart = [loss - losses[REFERENCE, seed] for seed, loss in mine.items() if (REFERENCE, seed) in losses]
        row = {
            "activation": activation,
            "dev_loss": statistics.mean(mine.values()),
            "spread": _spread([*mine.values()]),
        }
        if apart:
            row |= {"against_gelu": statistics.mean(apart), "against_gelu_spread": _spread(apart)}
        found.append({**row, "seeds": len(mine)})
    return found


def _spread(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def draw(rows: list[Row], path: Path) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    by_name = {row["activation"]: row for row in rows}
    smooth = [("relu", 0.0), *((f"smooth_relu_gaussian:{width}", width) for width in WIDTHS)]
    known = [(width, by_name[name]) for name, width in smooth if name in by_name]
    figure, axis = plt.subplots(figsize=(7.0, 3.8))
    axis.errorbar(
        [width for width, _ in known],
        [row["dev_loss"] for _, row in known],
        [row["spread"] for _, row in known],
        fmt="o-",
        capsize=3,
        label="smooth ReLU, Gaussian (0: ReLU)",
    )
    others = [row for name, row in by_name.items() if name not in dict(smooth)]
    for number, row in enumerate(others, 1):
        axis.axhline(row["dev_loss"], ls="--", lw=1, color=f"C{number}", label=row["activation"])
    axis.set_xlabel("width of the kernel")
    axis.set_ylabel("MLM dev loss, nats (bars: s. d. over seeds)")
    axis.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="what the stage prepare made")
    parser.add_argument("--folder", type=Path, required=True, help="where runs are kept")
    parser.add_argument("--activations", nargs="+", default=ACTIVATIONS)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--compile", action="store_true", help="the blocks through torch.compile")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    runs = [run(options, activation, seed) for seed in options.seeds for activation in options.activations]
    rows = summary(runs)
    for row in rows:
        apart = f"  {row['against_gelu']:+.4f} ± {row['against_gelu_spread']:.4f}" if "against_gelu" in row else ""
        print(f"{row['activation']:36}  {row['dev_loss']:.4f} ± {row['spread']:.4f}{apart}")
    if options.json:
        options.json.write_text(json.dumps({"runs": runs, "summary": rows}, indent=1) + "\n", encoding="utf-8")
    if options.figure:
        draw(rows, options.figure)


if __name__ == "__main__":
    main()
