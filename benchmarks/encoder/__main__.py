"""Pretraining with our encoder and loop against transformers' RoFormer under its Trainer: same weights, same texts.

    python -m benchmarks.encoder [--sizes tiny small base] [--sequence 128] [--device cuda] [--json FILE]

Texts have natural lengths: log-normal with the median (60 tokens) and the spread of the default corpus, cut at
--sequence. Each round trains both on the next texts, theirs first; the tables give medians over the rounds. `default`
is the Trainer as it comes, `best` with texts of like length together and bf16 where the device is faster with it.
Dropout is 0, as in our pretraining: with dropout fused attention on CPUs loses its advantage.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.encoder import ours, peak, theirs
from benchmarks.encoder.data import SIZES, Texts, config

PARTIES = ("rosphere", "default", "best")


def compare(size: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    texts = Texts(options.sequence, options.texts, seed=0)
    shape = config(size, options.sequence)
    parties = {
        "rosphere": ours.Training(shape, texts, folder, compiled=options.compile),
        "default": theirs.Training(shape, texts, folder, best=False),
        "best": theirs.Training(shape, texts, folder, best=True),
    }
    rates: dict[str, list[float]] = {name: [] for name in parties}
    for turn in range(options.rounds + 1):
        for name, party in reversed(parties.items()):
            rate = party.tokens_per_second(options.steps)
            if turn:  # the first round warms up
                rates[name].append(rate)
    medians = {name: statistics.median(found) for name, found in rates.items()}
    flops = medians["rosphere"] * ours.flops_per_token(shape, options.sequence)
    return {
        "size": size,
        **{f"{name} tokens/s": round(rate) for name, rate in medians.items()},
        "times default": medians["rosphere"] / medians["default"],
        "times best": medians["rosphere"] / medians["best"],
        "TFLOP/s": flops / 1e12,
        "MFU": flops / peak.flops(options.device),
    }


def memory(size: str, options: argparse.Namespace) -> dict[str, Any]:
    """MiB that training needs at its highest, each party in a process of its own."""
    row: dict[str, Any] = {"size": size}
    for name in PARTIES:
        command = [sys.executable, "-m", "benchmarks.encoder", "--sizes", size, "--peak-of", name]
        command += ["--sequence", str(options.sequence), "--texts", str(options.texts), "--device", options.device]
        row[f"{name} MiB"] = float(
            subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]
        )
    return row


def peak_of(name: str, size: str, options: argparse.Namespace, folder: Path) -> float:
    texts, shape = Texts(options.sequence, options.texts, seed=0), config(size, options.sequence)
    if name == "rosphere":
        party: Any = ours.Training(shape, texts, folder, compiled=False)
    else:
        party = theirs.Training(shape, texts, folder, best=name == "best")
    memory = peak.Memory(options.device)
    party.tokens_per_second(3)
    return memory.most()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["tiny", "small"])
    parser.add_argument("--sequence", type=int, default=128)
    parser.add_argument("--texts", type=int, default=32, help="texts a step")
    parser.add_argument("--steps", type=int, default=4, help="steps a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="torch.compile for our blocks")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peak-of", choices=PARTIES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch sees no CUDA device")
    with tempfile.TemporaryDirectory() as folder:
        if options.peak_of:
            print(peak_of(options.peak_of, options.sizes[0], options, Path(folder)))
            return
        rows = [compare(size, options, Path(folder)) | memory(size, options) for size in options.sizes]
    for row in rows:
        print(
            "  ".join(
                f"{key}: {value:.3g}" if isinstance(value, float) else f"{key}: {value}" for key, value in row.items()
            )
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
