"""What both sides train on, and the shapes they train."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rosphere.encoder.config import EncoderConfig
from rosphere.text.tokenizer import SPECIALS, UNUSED

VOCABULARY = 21128  # that of the published Chinese BERTs
FIRST = len(SPECIALS) + len(UNUSED)
SIZES: dict[str, dict[str, int]] = {
    "tiny": {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512},
    "small": {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 6, "intermediate_size": 1536},
    "base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
}
VOCAB = [*SPECIALS, *UNUSED, *(chr(0x4E00 + n) for n in range(VOCABULARY - FIRST))]
RATE = 0.15


def config(size: str, sequence: int) -> EncoderConfig:
    shape: dict[str, Any] = SIZES[size]
    return EncoderConfig(
        vocab_size=VOCABULARY,
        embedding_size=min(shape["hidden_size"], 128),
        max_position_embeddings=sequence,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        **shape,
    )


class Texts:
    """An endless run of random texts of natural lengths, without special tokens."""

    def __init__(self, sequence: int, count: int, *, seed: int) -> None:
        self.sequence, self.count, self.seed = sequence, count, seed

    def step(self, number: int) -> list[NDArray[np.int64]]:
        """The ``count`` texts of one step."""
        generator = np.random.default_rng([self.seed, number])
        lengths = np.clip(generator.lognormal(4.1, 0.93, self.count), 8, self.sequence - 2).astype(int)
        return [generator.integers(FIRST, VOCABULARY, length) for length in lengths]

    def steps(self, first: int, count: int) -> Iterator[NDArray[np.int64]]:
        for number in range(first, first + count):
            yield from self.step(number)
