"""The shape of an encoder, in the words of a Hugging Face ``config.json``."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rosphere.errors import InputError


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Post-LayerNorm RoFormer with a factorised embedding; every field is a key of ``RoFormerConfig``."""

    vocab_size: int
    embedding_size: int  # width of the token vectors, before their projection to hidden_size
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int = 0

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_attention_heads:
            raise InputError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )
        if self.head_size % 2:
            raise InputError(f"rotary position embeddings need an even head size, got {self.head_size}")

    @property
    def head_size(self) -> int:
        return self.hidden_size // self.num_attention_heads

    def flops_per_token(self, sequence: int) -> float:
        """Matrix-product FLOPs of one forward and backward pass per token of a packed row.

        6 x (parameters of the layers) + 12 x layers x hidden x sequence for the two attention products
        (Kaplan et al. 2020, arXiv 2001.08361, appendix; a multiply-add is two FLOPs, backward twice forward).
        The vocabulary head runs on masked positions only and is left out, as is the embedding look-up.
        """
        h, f, n = self.hidden_size, self.intermediate_size, self.num_hidden_layers
        weights = n * (4 * h * h + 2 * h * f) + self.embedding_size * h
        return 6.0 * weights + 12.0 * n * h * sequence


def to_json(config: EncoderConfig) -> dict[str, Any]:
    """The ``config.json`` from which transformers builds the same model."""
    return {
        "architectures": ["RoFormerForMaskedLM"],
        "model_type": "roformer",
        "rotary_value": False,
        "tie_word_embeddings": True,
        **dataclasses.asdict(config),
    }


def from_json(values: Mapping[str, Any], *, origin: str) -> EncoderConfig:
    """Reads a RoFormer ``config.json``; ``origin`` names it in errors."""
    if values.get("model_type") != "roformer":
        raise InputError(f"{origin}: expected model_type 'roformer', got {values.get('model_type')!r}")
    if values.get("rotary_value", False):
        raise InputError(f"{origin}: rotary_value true is not supported (positions rotate queries and keys only)")
    known = {field.name for field in dataclasses.fields(EncoderConfig)}
    chosen = {key: value for key, value in values.items() if key in known and value is not None}
    chosen.setdefault("embedding_size", chosen.get("hidden_size"))
    try:
        return EncoderConfig(**chosen)
    except TypeError as error:
        raise InputError(f"{origin}: {error}") from error


def read(folder: Path) -> EncoderConfig:
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(f"{folder}: not a model folder, config.json is missing")
    return from_json(json.loads(path.read_text(encoding="utf-8")), origin=str(path))
