"""Finished models in their folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rosphere.errors import InputError

if TYPE_CHECKING:  # torch is not needed for --help
    from rosphere.similarity.model import SimilarityModel
    from rosphere.text.tokenizer import Tokenizer
    from rosphere.vae.model import SentenceVAE

SENTENCES = Path("models/roformer_sim")
LATENTS = Path("models/vmf_vae/vmf")


def there(folder: Path) -> Path:
    """A model's folder, known to exist."""
    if not folder.is_dir():
        beside = ", ".join(sorted(path.parent.name for path in folder.parent.glob("*/tokenizer.json")))
        raise InputError(f"{folder}: no such folder; models there: {beside or 'none yet, the pipeline makes them'}")
    return folder


def sentence_encoder(folder: Path) -> tuple[SimilarityModel, Tokenizer]:
    """A sentence encoder, on the GPU if there is one, and its tokenizer."""
    from rosphere.similarity import folder as similarity
    from rosphere.text.tokenizer import Tokenizer
    from rosphere.training import processes

    model, tokenizer = similarity.load(there(folder)), Tokenizer(folder)
    tokenizer.require(model.language.config.vocab_size, model=folder)
    return model.to(processes.device()), tokenizer


def text_vae(folder: Path) -> tuple[SentenceVAE, Tokenizer]:
    """A text VAE, on the GPU if there is one, and its tokenizer."""
    from rosphere.text.tokenizer import Tokenizer
    from rosphere.training import processes
    from rosphere.vae import folder as folders

    model, tokenizer = folders.load(there(folder)), Tokenizer(folder)
    tokenizer.require(model.encoder.config.vocab_size, model=folder)
    return model.to(processes.device()), tokenizer
