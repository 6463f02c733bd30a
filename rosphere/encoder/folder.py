"""Models on disk: Hugging Face folders of RoFormer and BERT, written without transformers and read by it.

Our names and theirs differ by the table below and by the fused query-key-value projection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from rosphere import files
from rosphere.encoder import config as configs
from rosphere.encoder import rotary, tensors
from rosphere.encoder.bare import is_bare
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError

TOKENIZER_FILES = (
    "vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"
)  # fmt: skip

OUTER = {
    "encoder.words": "embeddings.word_embeddings",
    "encoder.positions": "embeddings.position_embeddings",
    "encoder.segments": "embeddings.token_type_embeddings",
    "encoder.embedding_norm": "embeddings.LayerNorm",
    "encoder.project": "embeddings_project",
    "transform": "cls.predictions.transform.dense",
    "transform_norm": "cls.predictions.transform.LayerNorm",
    "pooler": "pooler.dense",
    "activation": "cls.predictions.transform.transform_act_fn",
}
BIAS = "cls.predictions.bias"
BLOCK = {
    "attention.out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "feed_in": "intermediate.dense",
    "activation": "intermediate.intermediate_act_fn",
    "feed_out": "output.dense",
    "feed_norm": "output.LayerNorm",
}
FUSED = ("query", "key", "value")
DECODER = "cls.predictions.decoder.weight"
TABLES = ("embeddings.position_ids", "encoder.embed_positions.weight")  # made anew by whoever reads the folder


def prefix(config: EncoderConfig) -> str:
    """What transformers puts before the name of every tensor of the encoder."""
    return "bert." if config.model_type == "bert" else "roformer."


def to_hugging_face(state: Mapping[str, Tensor], config: EncoderConfig) -> dict[str, Tensor]:
    """Our state dict under the names of ``RoFormerForMaskedLM`` or ``BertForMaskedLM``, q, k and v apart."""
    theirs: dict[str, Tensor] = {}
    for name, tensor in state.items():
        names = _names(name, config)
        for wanted, piece in zip(names, tensor.chunk(len(names)), strict=True):
            theirs[wanted] = piece.contiguous()
    return theirs


def from_hugging_face(
    theirs: Mapping[str, Tensor], like: Mapping[str, Tensor], config: EncoderConfig, *, origin: str
) -> dict[str, Tensor]:
    """Their tensors under the names of ``like``, our state dict; missing or misshapen ones are named."""
    ours: dict[str, Tensor] = {}
    for name, expected in like.items():
        names = _names(name, config)
        missing = [wanted for wanted in names if wanted not in theirs]
        if missing:
            raise InputError(f"{origin}: tensor {missing[0]} is missing")
        parts = [theirs[wanted] for wanted in names]
        for wanted, found, like_it in zip(names, parts, expected.chunk(len(names)), strict=True):
            if found.shape != like_it.shape:
                raise InputError(f"{origin}: {wanted} has shape {tuple(found.shape)}, expected {tuple(like_it.shape)}")
        ours[name] = torch.cat(parts) if len(parts) > 1 else parts[0]
    return ours


def _names(name: str, config: EncoderConfig) -> list[str]:
    """What one tensor of ours is called by transformers: three names for a fused projection, otherwise one."""
    if name == "bias":
        return [BIAS]
    stem, kind = name.rsplit(".", 1)
    if stem in OUTER:
        theirs = OUTER[stem]
        return [f"{'' if theirs.startswith('cls.') else prefix(config)}{theirs}.{kind}"]
    number, part = stem.removeprefix("encoder.blocks.").split(".", 1)
    layer = f"{prefix(config)}encoder.layer.{number}"
    if part == "attention.qkv":
        return [f"{layer}.attention.self.{each}.{kind}" for each in FUSED]
    return [f"{layer}.{BLOCK[part]}.{kind}"]


def save(model: MaskedLanguageModel, folder: Path, *, tokenizer: Path) -> None:
    """Writes config, weights and a copy of the tokenizer's files; no head of a model that is ``bare`` (``load``)."""
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / "config.json", configs.to_json(model.config, bare=model.bare))
    named = to_hugging_face(model.state_dict(), model.config) | _table(model.config)
    if model.bare:
        named = {name.removeprefix(prefix(model.config)): t for name, t in named.items() if not name.startswith("cls.")}
    tensors.save(folder / tensors.NAMES[0], named)
    copy_tokenizer(tokenizer, folder)


def copy_tokenizer(source: Path, target: Path) -> None:
    """Every file that belongs to a tokenizer."""
    if source.resolve() != target.resolve():
        files.copy_present(source, target, TOKENIZER_FILES)


def _table(config: EncoderConfig) -> dict[str, Tensor]:
    """The sines and cosines that transformers' RoFormer keeps among its weights, and misses aloud."""
    if config.model_type != "roformer":
        return {}
    cos_sin = rotary.cos_sin(config.head_size, config.max_position_embeddings, like=torch.zeros(0))
    return {"roformer.encoder.embed_positions.weight": torch.cat((cos_sin[..., 1], cos_sin[..., 0]), dim=-1)}


def load(folder: Path, *, dropout: float | None = None, fresh_head: bool = False) -> MaskedLanguageModel:
    """The model of a folder that we or transformers wrote, under another dropout rate if one is given.

    Weights are read from safetensors or from a torch file without unpickling code, whole or in shards. A folder
    without a vocabulary head, of a bare encoder or under a head of another kind, is refused, or with ``fresh_head`` its
    model gets a head that torch's generator draws, and is ``bare``: ``save`` leaves the head out until it is trained
    and ``bare`` is false. The model has a pooler if the folder has one. ``not_taken`` names the tensors
    that have no place in it.

    Raises:
        InputError: a file cannot be read; a tensor is missing, has another shape than config.json says, or is a decoder
            of its own, which transformers uses and our head, the token embedding, is not.
    """
    config = configs.read(folder)
    if dropout is not None:
        config = replace(config, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)
    theirs, origin = _by_modern_names(folder, config)
    pooler = f"{prefix(config)}{OUTER['pooler']}.weight" in theirs
    ours = from_hugging_face(theirs, _wanted(config, theirs, pooler, fresh_head), config, origin=str(origin))
    model = MaskedLanguageModel(config, pooler=pooler)
    missing, _ = model.load_state_dict(ours, strict=False)
    model.bare = bool(missing) or (not model.head and is_bare(folder))
    return model


def _by_modern_names(folder: Path, config: EncoderConfig) -> tuple[dict[str, Tensor], Path]:
    """A folder's tensors under the names of today, and the file that they were found in.

    Raises:
        InputError: two of them have one name and differ, or the decoder differs from the token embedding.
    """
    theirs, origin = tensors.of_folder(folder)
    found: dict[str, Tensor] = {}
    for old, tensor in theirs.items():
        name = _modern(old, config)
        if name in found and not torch.equal(found[name], tensor):
            raise InputError(f"{origin}: {name} is in it twice, with other numbers as {old}")
        found[name] = tensor
    decoder, words = found.get(DECODER), found.get(f"{prefix(config)}{OUTER['encoder.words']}.weight")
    if decoder is not None and words is not None and not torch.equal(decoder, words):
        raise InputError(
            f"{origin}: {DECODER} is not the token embedding, so the model's head is one of its own, which is not "
            "supported; without that tensor the folder is read with the embedding as head"
        )
    return found, origin


def _wanted(config: EncoderConfig, theirs: Mapping[str, Tensor], pooler: bool, fresh_head: bool) -> dict[str, Tensor]:
    """What is to be in the folder, by our names, as tensors without storage: their shapes are compared before memory
    is taken."""
    layer = f"{prefix(config)}encoder.layer."
    numbers = {name.removeprefix(layer).split(".")[0] for name in theirs if name.startswith(layer)}
    few = replace(config, num_hidden_layers=min(config.num_hidden_layers, len(numbers) + 1))  # one more: to be missed
    with torch.device("meta"):
        state: dict[str, Tensor] = MaskedLanguageModel(few, pooler=pooler).state_dict()
    if fresh_head and not any(name.startswith("cls.predictions.") for name in theirs):
        return {name: tensor for name, tensor in state.items() if name.startswith(("encoder.", "pooler."))}
    return state


def not_taken(folder: Path) -> list[str]:
    """Names of the tensors in a folder that ``load`` has no use for, such as BERT's next-sentence head.

    Tables that are computed, and a decoder that is the token embedding once more, are not among them.
    """
    config = configs.read(folder)
    theirs = tensors.of_folder(folder)[0]
    with torch.device("meta"):
        state = MaskedLanguageModel(config, pooler=True).state_dict()
    taken = {wanted for name in state for wanted in _names(name, config)}
    taken |= {prefix(config) + table for table in TABLES}
    modern = {_modern(name, config): tensor for name, tensor in theirs.items()}
    decoder, words = modern.get(DECODER), modern.get(f"{prefix(config)}{OUTER['encoder.words']}.weight")
    if decoder is not None and words is not None and torch.equal(decoder, words):
        taken.add(DECODER)
    return sorted(name for name in theirs if _modern(name, config) not in taken)


def _modern(name: str, config: EncoderConfig) -> str:
    """The name as transformers writes it today: bare encoders have no prefix, old BERTs called gains gamma."""
    name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
    if name == "cls.predictions.decoder.bias":  # an alias, and in some files the only one of the two
        return BIAS
    inside = name.startswith(("embeddings.", "embeddings_project.", "encoder.", "pooler."))
    return f"{prefix(config)}{name}" if inside else name
