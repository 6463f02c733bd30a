"""A training step of our encoder against transformers' RoFormer: same weights, same texts, one process.

    python -m benchmarks.encoder [--json FILE]

Texts of natural lengths; transformers pads them and predicts every position, ours packs them and predicts the masked
ones. Reported are tokens of text per second and the ratio, medians over interleaved rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from rosphere.encoder import folder, masks
from rosphere.encoder.config import EncoderConfig, to_json
from rosphere.encoder.model import MaskedLanguageModel

SIZES = {
    "tiny": {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512},
    "small": {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 6, "intermediate_size": 1536},
}
VOCABULARY, LENGTH, ROWS, RATE = 8000, 128, 8, 0.15


def texts(generator: np.random.Generator) -> list[torch.Tensor]:
    """Token ids of texts with log-normal lengths, about as many tokens as ROWS full rows."""
    found, room = [], ROWS * LENGTH
    while room > 0:
        length = int(np.clip(generator.lognormal(3.7, 0.7), 8, min(LENGTH, max(8, room))))
        found.append(torch.from_numpy(generator.integers(10, VOCABULARY, length)))
        room -= length
    return found


def packed(found: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """(ids, document numbers): texts one behind another, cut into rows."""
    ids = torch.cat(found)[: ROWS * LENGTH]
    owner = torch.cat([torch.full((len(text),), number) for number, text in enumerate(found, 1)])[: ROWS * LENGTH]
    return ids.view(-1, LENGTH), owner.view(-1, LENGTH)


def timed(step: Callable[[], None]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def compare(size: str, rounds: int) -> dict[str, Any]:
    from transformers import RoFormerConfig, RoFormerForMaskedLM

    config = EncoderConfig(
        vocab_size=VOCABULARY,
        embedding_size=80,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        **SIZES[size],
    )
    ours = MaskedLanguageModel(config)
    theirs = RoFormerForMaskedLM(RoFormerConfig(**to_json(config)))
    theirs.load_state_dict(folder.to_hugging_face(ours.state_dict(), ours.config), strict=False)
    optimizers = [torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True) for model in (ours, theirs)]
    generator = np.random.default_rng(0)
    found = texts(generator)
    ids, documents = packed(found)
    positions = torch.from_numpy(np.flatnonzero(generator.random(ids.numel()) < RATE))
    padded = torch.nn.utils.rnn.pad_sequence(found, batch_first=True)
    keep = (padded > 0).long()
    labels = torch.where(torch.rand(padded.shape) < RATE, padded, -100).masked_fill(keep == 0, -100)

    def our_step() -> None:
        hidden = ours.encoder(ids, masks.packed(documents)).flatten(0, 1)[positions]
        F.cross_entropy(ours.logits(hidden), ids.flatten()[positions]).backward()
        optimizers[0].step()
        optimizers[0].zero_grad()

    def their_step() -> None:
        theirs(padded, attention_mask=keep, labels=labels).loss.backward()
        optimizers[1].step()
        optimizers[1].zero_grad()

    our_step(), their_step()
    times = [(timed(our_step), timed(their_step)) for _ in range(rounds)]
    tokens = ids.numel(), int(keep.sum())
    ours_per_second = tokens[0] / statistics.median(a for a, _ in times)
    theirs_per_second = tokens[1] / statistics.median(b for _, b in times)
    return {
        "size": size,
        "ours_tokens_per_second": round(ours_per_second),
        "transformers_tokens_per_second": round(theirs_per_second),
        "ratio": round(ours_per_second / theirs_per_second, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    rows = [compare(size, options.rounds) for size in SIZES]
    for row in rows:
        print("  ".join(f"{key}: {value}" for key, value in row.items()))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
