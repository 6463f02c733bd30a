"""Models on disk: Hugging Face folders, written without transformers and read by it.

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
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError

TOKENIZER_FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")

OUTER = {
    "encoder.words.weight": "roformer.embeddings.word_embeddings.weight",
    "encoder.segments.weight": "roformer.embeddings.token_type_embeddings.weight",
    "encoder.embedding_norm": "roformer.embeddings.LayerNorm",
    "encoder.project": "roformer.embeddings_project",
    "transform": "cls.predictions.transform.dense",
    "transform_norm": "cls.predictions.transform.LayerNorm",
    "bias": "cls.predictions.bias",
}
BLOCK = {
    "attention.out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "feed_in": "intermediate.dense",
    "feed_out": "output.dense",
    "feed_norm": "output.LayerNorm",
}
FUSED = ("query", "key", "value")


def to_hugging_face(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict under the names of ``RoFormerForMaskedLM``, q, k and v apart."""
    theirs: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if ".attention.qkv." in name:
            prefix, kind = _block(name)[0], name.rsplit(".", 1)[1]
            for part, piece in zip(FUSED, tensor.chunk(3), strict=True):
                theirs[f"{prefix}.attention.self.{part}.{kind}"] = piece.contiguous()
        else:
            theirs[_renamed(name)] = tensor.contiguous()
    return theirs


def from_hugging_face(theirs: Mapping[str, Tensor], like: Mapping[str, Tensor], *, origin: str) -> dict[str, Tensor]:
    """Their tensors under the names of ``like``, our state dict; missing or misshapen ones are named."""
    ours: dict[str, Tensor] = {}
    for name, expected in like.items():
        if ".attention.qkv." in name:
            prefix, kind = _block(name)[0], name.rsplit(".", 1)[1]
            names = [f"{prefix}.attention.self.{part}.{kind}" for part in FUSED]
        else:
            names = [_renamed(name)]
        missing = [wanted for wanted in names if wanted not in theirs]
        if missing:
            raise InputError(f"{origin}: tensor {missing[0]} is missing")
        found = torch.cat([theirs[wanted] for wanted in names]) if len(names) > 1 else theirs[names[0]]
        if found.shape != expected.shape:
            raise InputError(f"{origin}: {names[0]} has shape {tuple(found.shape)}, expected {tuple(expected.shape)}")
        ours[name] = found
    return ours


def _block(name: str) -> tuple[str, str]:
    number, rest = name.removeprefix("encoder.blocks.").split(".", 1)
    return f"roformer.encoder.layer.{number}", rest


def _renamed(name: str) -> str:
    if name.startswith("encoder.blocks."):
        prefix, rest = _block(name)
        stem, kind = rest.rsplit(".", 1)
        return f"{prefix}.{BLOCK[stem]}.{kind}"
    if name in OUTER:
        return OUTER[name]
    stem, kind = name.rsplit(".", 1)
    return f"{OUTER[stem]}.{kind}"


def save(model: MaskedLanguageModel, folder: Path, *, tokenizer: Path) -> None:
    """Writes config, weights and a copy of the tokenizer's files."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = json.dumps(configs.to_json(model.config), indent=2, sort_keys=True)
    (folder / "config.json").write_text(settings + "\n", encoding="utf-8")
    save_file(to_hugging_face(model.state_dict()), folder / "model.safetensors", metadata={"format": "pt"})
    for name in TOKENIZER_FILES:
        if (tokenizer / name).is_file() and tokenizer.resolve() != folder.resolve():
            shutil.copyfile(tokenizer / name, folder / name)


def load(folder: Path, *, dropout: float | None = None) -> MaskedLanguageModel:
    """The model of a folder that we or transformers wrote (safetensors), under another dropout rate if one is given."""
    config = configs.read(folder)
    if dropout is not None:
        config = replace(config, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise InputError(f"{folder}: model.safetensors is missing")
    model = MaskedLanguageModel(config)
    model.load_state_dict(from_hugging_face(load_file(weights), model.state_dict(), origin=str(weights)))
    return model
