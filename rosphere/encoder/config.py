"""The shape of an encoder, in the words of a Hugging Face ``config.json``."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from rosphere.encoder.activations import activation
from rosphere.errors import InputError

Kind = Literal["roformer", "roformer_v2", "bert"]


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """A post-norm encoder with a factorised embedding; every field is a key of the folder's ``config.json``.

    roformer: rotary positions, LayerNorm, biases (Su et al. 2021, arXiv 2104.09864).
    roformer_v2: rotary positions, RMSNorm without gain, no biases, no head but the embedding (kexue.fm/archives/8998).
    bert: learned absolute positions, LayerNorm, biases (Devlin et al. 2019, arXiv 1810.04805).
    """

    model_type: Kind = "roformer"
    vocab_size: int
    embedding_size: int  # width of the token vectors, before their projection to hidden_size
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    hidden_act: str = "gelu"  # a name that activations.py knows
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int = 0

    def __post_init__(self) -> None:
        if self.model_type not in get_args(Kind):
            raise InputError(f"model_type: expected one of {', '.join(get_args(Kind))}, got {self.model_type!r}")
        activation(self.hidden_act)  # refuses what it does not know
        if self.hidden_size % self.num_attention_heads:
            raise InputError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )
        if self.rotary and self.head_size % 2:
            raise InputError(f"rotary position embeddings need an even head size, got {self.head_size}")

    @property
    def head_size(self) -> int:
        return self.hidden_size // self.num_attention_heads

    @property
    def rotary(self) -> bool:
        """Positions turn queries and keys; otherwise they have vectors of their own."""
        return self.model_type != "bert"

    @property
    def biased(self) -> bool:
        """LayerNorm with gain and bias, linear maps with bias, a transform before the vocabulary."""
        return self.model_type != "roformer_v2"

    @property
    def factorised(self) -> bool:
        return self.embedding_size != self.hidden_size

    def flops_per_token(self, sequence: int, *, predicted: float = 1.0) -> float:
        """Matrix-product FLOPs of one forward and backward pass per token of a packed row, as training computes them.

        6 x (weights that the token meets) + 12 x layers x hidden x sequence for the two attention products
        (Kaplan et al. 2020, arXiv 2001.08361, appendix; a multiply-add is two FLOPs, backward twice forward). The
        vocabulary head, and what the last block does after its attention, run on the share ``predicted`` of the tokens.
        The embedding look-up multiplies nothing.
        """
        h, e, n = self.hidden_size, self.embedding_size, self.num_hidden_layers
        mixing, feeding = 4 * h * h, 2 * h * self.intermediate_size
        head = e * self.vocab_size + (h * e if self.biased or self.factorised else 0)
        every = (n - 1) * (mixing + feeding) + 3 * h * h + (e * h if self.factorised else 0)
        return 6.0 * (every + predicted * (h * h + feeding + head)) + 12.0 * n * h * sequence


def to_json(config: EncoderConfig) -> dict[str, Any]:
    """The ``config.json`` from which transformers builds the same model.

    It knows no roformer_v2 and says so, and fails with a KeyError at a smooth ``hidden_act`` (activations.py).
    """
    values = dataclasses.asdict(config)
    match config.model_type:
        case "bert":
            del values["embedding_size"]
            return {"architectures": ["BertForMaskedLM"], "tie_word_embeddings": True, **values}
        case "roformer_v2":  # the words of the package that first had it in PyTorch
            values |= {"norm_type": "rms_norm", "use_bias": False}
    return {"architectures": ["RoFormerForMaskedLM"], "rotary_value": False, "tie_word_embeddings": True, **values}


def from_json(values: Mapping[str, Any], *, origin: str) -> EncoderConfig:
    """Reads the ``config.json`` of a RoFormer, RoFormerV2 or BERT; ``origin`` names it in errors."""
    if not isinstance(values, dict):
        raise InputError(f"{origin}: expected a JSON object, got {type(values).__name__}")
    if values.get("model_type") not in get_args(Kind):
        raise InputError(f"{origin}: expected model_type {_either(get_args(Kind))}, got {values.get('model_type')!r}")
    unsupported = {
        "rotary_value": (False, "positions rotate queries and keys only"),
        "position_embedding_type": ("absolute", "BERT's own"),
        "is_decoder": (False, "an encoder"),
        "tie_word_embeddings": (True, "the vocabulary head is the token embedding"),
    }
    for key, (expected, meaning) in unsupported.items():
        if values.get(key, expected) != expected:
            raise InputError(f"{origin}: {key} {json.dumps(values[key])} is not supported ({meaning})")
    known = {field.name for field in dataclasses.fields(EncoderConfig)}
    chosen = {key: value for key, value in values.items() if key in known and value is not None}
    if values.get("norm_type") == "rms_norm":
        chosen["model_type"] = "roformer_v2"
    chosen.setdefault("embedding_size", chosen.get("hidden_size"))
    try:
        return EncoderConfig(**chosen)
    except (TypeError, InputError) as error:
        raise InputError(f"{origin}: {error}") from error


def _either(words: Sequence[str]) -> str:
    return " or ".join(map(repr, words))


def read(folder: Path) -> EncoderConfig:
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(f"{folder}: not a model folder, config.json is missing")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # not UTF-8 is a ValueError too
        raise InputError(f"{path}: not JSON: {error}") from error
    return from_json(values, origin=str(path))
