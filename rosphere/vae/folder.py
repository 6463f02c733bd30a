"""A VAE on disk: weights and shape, and the tokenizer, so that the folder is enough to encode and decode with."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from rosphere import files
from rosphere.encoder import tensors
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.folder import copy_tokenizer
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.vae.decoder import FreshDecoder
from rosphere.vae.model import SentenceVAE, Shape

SETTINGS, WEIGHTS = "vae.json", "vae.safetensors"


def save(model: SentenceVAE, folder: Path, *, tokenizer: Path) -> None:
    """Writes vae.json, vae.safetensors and a copy of the tokenizer's files."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors.save(folder / WEIGHTS, model.state_dict())
    settings = {
        "shape": asdict(model.shape),
        "encoder": asdict(model.encoder.config),
        "mask_token": model.mask_token,
    }
    files.write_json(folder / SETTINGS, settings)
    copy_tokenizer(tokenizer, folder)


def load(folder: Path) -> SentenceVAE:
    """The model of a folder that ``save`` wrote, on the CPU and in evaluation mode."""
    for name in (SETTINGS, WEIGHTS):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: not a text VAE, {name} is missing")
    shape, config, mask_token = _settings(folder / SETTINGS)
    found = tensors.read(folder / WEIGHTS)
    with torch.device("meta"):  # shapes are compared before memory is taken
        like = SentenceVAE(MaskedLanguageModel(config), shape, mask_token=mask_token).state_dict()
    tensors.require_shapes(found, like, folder / WEIGHTS)
    if other := sorted(set(found) - set(like)):
        raise InputError(f"{folder / WEIGHTS}: {other[0]} is no tensor of such a model")
    model = SentenceVAE(MaskedLanguageModel(config), shape, mask_token=mask_token)
    model.load_state_dict(found)
    return model.eval()


def _settings(path: Path) -> tuple[Shape, EncoderConfig, int]:
    values = files.json_object(path)
    try:
        found = _shape(values["shape"]), EncoderConfig(**values["encoder"]), int(values["mask_token"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: written by another version ({error}); train the model anew") from error
    return found


def _shape(values: dict[str, Any]) -> Shape:
    fresh = values["fresh_decoder"]
    return Shape(**{**values, "fresh_decoder": FreshDecoder(**fresh) if fresh else None})
