"""The shape of an encoder, in the words of a Hugging Face ``config.json``."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from rosphere import files
from rosphere.encoder.activations import activation
from rosphere.errors import InputError

Kind = Literal["roformer", "roformer_v2", "bert"]
MOST, MOST_LAYERS = 1 << 24, 1024  # what a size may be: anything beyond is a slip, and would take all memory first


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
        self._refuse_numbers()
        activation(self.hidden_act)  # refuses what it does not know
        if self.hidden_size % self.num_attention_heads:
            raise InputError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )
        if self.rotary and self.head_size % 2:
            raise InputError(f"rotary position embeddings need an even head size, got {self.head_size}")

    def _refuse_numbers(self) -> None:
        """Raises InputError for the first field that is no number of its kind, or out of bounds."""
        for field in sorted(dataclasses.fields(self), key=lambda each: each.name == "embedding_size"):  # by default H
            value = getattr(self, field.name)
            if field.type == "int":
                least = 0 if field.name == "pad_token_id" else 1
                most = MOST_LAYERS if field.name == "num_hidden_layers" else MOST
                if type(value) is not int or not least <= value <= most:
                    raise InputError(f"{field.name}: expected a whole number from {least} to {most}, got {value!r:.80}")
            elif field.type == "float":
                share = field.name.endswith("_prob")
                if type(value) not in (int, float) or not 0 <= value <= (1 if share else 1e6):
                    wanted = "a share from 0 to 1" if share else "a number from 0 on"
                    raise InputError(f"{field.name}: expected {wanted}, got {value!r:.80}")
            elif not isinstance(value, str):
                raise InputError(f"{field.name}: expected a name, got {value!r:.80}")
        if self.pad_token_id >= self.vocab_size:
            raise InputError(f"pad_token_id {self.pad_token_id}: there are only {self.vocab_size} tokens")

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


def to_json(config: EncoderConfig, *, bare: bool = False) -> dict[str, Any]:
    """The ``config.json`` from which transformers builds the same model; ``bare``: without a vocabulary head.

    It knows no roformer_v2 and says so, and fails with a KeyError at a smooth ``hidden_act`` (activations.py).
    """
    values, head = dataclasses.asdict(config), "Model" if bare else "ForMaskedLM"
    match config.model_type:
        case "bert":
            del values["embedding_size"]
            return {"architectures": [f"Bert{head}"], "tie_word_embeddings": True, **values}
        case "roformer_v2":  # the words of the package that first had it in PyTorch
            values |= {"norm_type": "rms_norm", "use_bias": False}
    return {"architectures": [f"RoFormer{head}"], "rotary_value": False, "tie_word_embeddings": True, **values}


def from_json(values: Mapping[str, Any], *, origin: str) -> EncoderConfig:
    """Reads the ``config.json`` of a RoFormer, RoFormerV2 or BERT; ``origin`` names it in errors."""
    if not isinstance(values, dict):
        raise InputError(f"{origin}: expected a JSON object, got {type(values).__name__}")
    if not (isinstance(values.get("model_type"), str) and values["model_type"] in get_args(Kind)):
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
    required = [field.name for field in dataclasses.fields(EncoderConfig) if field.default is dataclasses.MISSING]
    required.sort(key="embedding_size".__eq__)  # which is hidden_size where it does not say
    if absent := [name for name in required if chosen.get(name) is None]:
        raise InputError(f"{origin}: {absent[0]} is missing")
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
    return from_json(files.json_object(path), origin=str(path))
