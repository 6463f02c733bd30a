"""Models on disk: Hugging Face folders of RoFormer and BERT, written without transformers and read by it.

Our names and theirs differ by the table below and by the fused query-key-value projection.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from rosphere.encoder import config as configs
from rosphere.encoder import rotary
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError

TOKENIZER_FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")

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
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
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
        found = torch.cat([theirs[wanted] for wanted in names]) if len(names) > 1 else theirs[names[0]]
        if found.shape != expected.shape:
            raise InputError(f"{origin}: {names[0]} has shape {tuple(found.shape)}, expected {tuple(expected.shape)}")
        ours[name] = found
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
    """Writes config, weights and a copy of the tokenizer's files."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = json.dumps(configs.to_json(model.config), indent=2, sort_keys=True)
    (folder / "config.json").write_text(settings + "\n", encoding="utf-8")
    tensors = to_hugging_face(model.state_dict(), model.config) | _table(model.config)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    for name in TOKENIZER_FILES:
        if (tokenizer / name).is_file() and tokenizer.resolve() != folder.resolve():
            shutil.copyfile(tokenizer / name, folder / name)


def _table(config: EncoderConfig) -> dict[str, Tensor]:
    """The sines and cosines that transformers' RoFormer keeps among its weights, and misses aloud."""
    if config.model_type != "roformer":
        return {}
    cos_sin = rotary.cos_sin(config.head_size, config.max_position_embeddings, like=torch.zeros(0))
    return {"roformer.encoder.embed_positions.weight": torch.cat((cos_sin[..., 1], cos_sin[..., 0]), dim=-1)}


def load(folder: Path, *, dropout: float | None = None, fresh_head: bool = False) -> MaskedLanguageModel:
    """The model of a folder that we or transformers wrote, under another dropout rate if one is given.

    Weights are read from safetensors or from a torch file without unpickling code, whole or in shards. A folder of
    a bare encoder has no vocabulary head: with ``fresh_head`` it gets a new one, otherwise it is refused.
    The model has a pooler if the folder has one. ``not_taken`` names the tensors that have no place in it.
    """
    config = configs.read(folder)
    if dropout is not None:
        config = replace(config, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)
    theirs, origin = weights(folder)
    theirs = {_modern(name, config): tensor for name, tensor in theirs.items()}
    model = MaskedLanguageModel(config, pooler=f"{prefix(config)}{OUTER['pooler']}.weight" in theirs)
    state = model.state_dict()
    if fresh_head and not any(name.startswith("cls.") for name in theirs):
        state = {name: tensor for name, tensor in state.items() if name.startswith(("encoder.", "pooler."))}
    missing, _ = model.load_state_dict(from_hugging_face(theirs, state, config, origin=str(origin)), strict=False)
    assert not [name for name in missing if name in state]
    return model


def not_taken(folder: Path) -> list[str]:
    """Names of the tensors in a folder that ``load`` has no use for, such as BERT's next-sentence head.

    Tables that are computed, and a decoder that is the token embedding once more, are not among them.
    """
    config = configs.read(folder)
    theirs = weights(folder)[0]
    with torch.device("meta"):
        state = MaskedLanguageModel(config, pooler=True).state_dict()
    taken = {wanted for name in state for wanted in _names(name, config)}
    words = f"{prefix(config)}{OUTER['encoder.words']}.weight"
    modern = {_modern(name, config): tensor for name, tensor in theirs.items()}
    decoder = modern.get("cls.predictions.decoder.weight")
    if decoder is not None and words in modern and torch.equal(decoder, modern[words]):
        taken.add("cls.predictions.decoder.weight")
    taken |= {prefix(config) + table for table in TABLES}
    return sorted(name for name in theirs if _modern(name, config) not in taken)


def _modern(name: str, config: EncoderConfig) -> str:
    """The name as transformers writes it today: bare encoders have no prefix, old BERTs called gains gamma."""
    name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
    if name == "cls.predictions.decoder.bias":  # an alias, and in some files the only one of the two
        return BIAS
    inside = name.startswith(("embeddings.", "embeddings_project.", "encoder.", "pooler."))
    return f"{prefix(config)}{name}" if inside else name


def weights(folder: Path) -> tuple[dict[str, Tensor], Path]:
    """All tensors of a model folder, and the file that they or their list were found in."""
    for name in WEIGHTS:
        index = folder / f"{name}.index.json"
        if index.is_file():
            parts = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
            return {key: tensor for part in parts for key, tensor in _tensors(folder / part).items()}, index
        if (folder / name).is_file():
            return _tensors(folder / name), folder / name
    raise InputError(f"{folder}: expected weights in {' or '.join(WEIGHTS)}, neither is there")


def _tensors(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise InputError(f"{path}: missing, though the list of shards names it")
    if path.suffix == ".safetensors":
        return load_file(path)
    found: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return found
