"""A VAE on disk: weights and shape, and the tokenizer, so that the folder is enough to encode and decode with."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.folder import TOKENIZER_FILES
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.vae.decoder import FreshDecoder
from rosphere.vae.model import SentenceVAE, Shape

SETTINGS, WEIGHTS = "vae.json", "vae.safetensors"


def save(model: SentenceVAE, folder: Path, *, tokenizer: Path) -> None:
    """Writes vae.json, vae.safetensors and a copy of the tokenizer's files."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    settings = {
        "shape": asdict(model.shape),
        "encoder": asdict(model.encoder.config),
        "mask_token": model.mask_token,
    }
    (folder / SETTINGS).write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    for name in TOKENIZER_FILES:
        if (tokenizer / name).is_file():
            shutil.copyfile(tokenizer / name, folder / name)


def load(folder: Path) -> SentenceVAE:
    """The model of a folder that ``save`` wrote, on the CPU and in evaluation mode."""
    for name in (SETTINGS, WEIGHTS):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: not a text VAE, {name} is missing")
    settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    try:
        shape, config = _shape(settings["shape"]), EncoderConfig(**settings["encoder"])
        mask_token = int(settings["mask_token"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / SETTINGS}: written by another version ({error}); train the model anew") from error
    model = SentenceVAE(MaskedLanguageModel(config), shape, mask_token=mask_token)
    try:
        model.load_state_dict(load_file(folder / WEIGHTS))
    except RuntimeError as error:
        raise InputError(f"{folder / WEIGHTS}: {' '.join(str(error).split())}") from error
    return model.eval()


def _shape(values: dict[str, Any]) -> Shape:
    fresh = values["fresh_decoder"]
    return Shape(**{**values, "fresh_decoder": FreshDecoder(**fresh) if fresh else None})
