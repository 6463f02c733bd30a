"""Encoder sizes by name, and the one place where the dimension rule turns into a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rosphere.dimension.rule import minimal_dimension
from rosphere.encoder.config import EncoderConfig
from rosphere.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Size:
    """One entry under ``sizes``."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    embedding_size: int | Literal["rule"]
    hidden_act: str = "gelu"  # or another that rosphere/encoder/activations.py knows


def rule(items: int) -> int:
    """The dimension rule for so many items, rounded up to a multiple of 8 for the hardware."""
    return -(-minimal_dimension(items) // 8) * 8


def encoder_config(sizes: dict[str, Size], name: str, *, vocabulary: int, dropout: float) -> EncoderConfig:
    if name not in sizes:
        raise InputError(f"params.yaml: sizes: no size is called {name!r}; there are {', '.join(sizes)}")
    size = sizes[name]
    return EncoderConfig(
        vocab_size=vocabulary,
        embedding_size=rule(vocabulary) if size.embedding_size == "rule" else size.embedding_size,
        hidden_size=size.hidden_size,
        num_hidden_layers=size.num_hidden_layers,
        num_attention_heads=size.num_attention_heads,
        intermediate_size=size.intermediate_size,
        hidden_act=size.hidden_act,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
