"""Training in fp32, in bf16 and in what `precision: auto` chooses, by width: tokens/s in one interleaved run.

    python -m benchmarks.precision [--widths 128 256 384] [--layers 2] [--threads 1 2] [--rounds 9] [--json FILE]

Packed rows of 128 tokens, 8 of them a step as in the default run, 15 % of the tokens predicted among 21,128. Each round
trains all three a few steps; ratios are of the same round, and the table has their medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.encoder import ours
from benchmarks.encoder.data import VOCABULARY, Texts
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.precision import Requested, bf16_unit, for_training

REQUESTS: tuple[Requested, ...] = ("fp32", "bf16", "auto")


def shape(width: int, layers: int, sequence: int) -> EncoderConfig:
    return EncoderConfig(
        vocab_size=VOCABULARY,
        embedding_size=min(width, 128),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        intermediate_size=4 * width,
        max_position_embeddings=sequence,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def compare(width: int, threads: int, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    torch.set_num_threads(threads)
    texts = Texts(options.sequence, options.texts, seed=0)
    model = shape(width, options.layers, options.sequence)
    parties = {name: ours.Training(model, texts, folder, compiled=False, requested=name) for name in REQUESTS}
    rounds = []
    for turn in range(options.rounds + 1):
        order = REQUESTS if turn % 2 else REQUESTS[::-1]
        rates = {name: parties[name].tokens_per_second(options.steps) for name in order}
        if turn:  # the first round warms up
            rounds.append(rates)
    return {
        "width": width,
        "layers": options.layers,
        "threads": threads,
        **{f"{name} tokens/s": round(statistics.median(each[name] for each in rounds)) for name in REQUESTS},
        "bf16 / fp32": statistics.median(each["bf16"] / each["fp32"] for each in rounds),
        "auto / fp32": statistics.median(each["auto"] / each["fp32"] for each in rounds),
        "auto": for_training("auto", width).precision,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", nargs="+", type=int, default=[128, 256, 384])
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--sequence", type=int, default=128)
    parser.add_argument("--texts", type=int, default=14, help="texts a step; 14 fill about 8 rows")
    parser.add_argument("--steps", type=int, default=8, help="steps a round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(f"unit for bf16: {bf16_unit() or 'none'}")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for threads in options.threads:
            for width in options.widths:
                rows.append(row := compare(width, threads, options, Path(folder)))
                shown = (f"{k}: {v:.2f}" if isinstance(v, float) else f"{k}: {v}" for k, v in row.items())
                print("  ".join(shown), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
