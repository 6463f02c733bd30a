"""Sentence encoders that are not ours, by sentence-transformers: any folder that it reads without running its code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rosphere import files
from rosphere.encoder import modules, tensors
from rosphere.encoder.config import MOST, MOST_LAYERS
from rosphere.errors import InputError, first_line
from rosphere.similarity.vectors import Vectors, unit

SIZES = ("vocab_size", "hidden_size", "intermediate_size", "max_position_embeddings", "type_vocab_size")

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def load(folder: Path, *, max_length: int | None = None) -> SentenceTransformer:
    """The encoder in float32, for at most ``max_length`` tokens or as many as it says itself.

    A folder without modules.json gets the mean of the last hidden states, as sentence-transformers has it. Weights are
    safetensors; where a folder has none, torch files, of which transformers unpickles tensors alone.

    Raises:
        InputError: it cannot be read, or names modules that are none of sentence-transformers.
    """
    rows = modules.listed(folder)  # refuses code of others, which sentence-transformers would run
    inner = modules.encoder(folder)
    if not (inner / "config.json").is_file() and not rows:
        raise InputError(f"{folder}: not a sentence encoder, it has neither config.json nor modules.json")
    _require_sizes(inner / "config.json")
    torch_alone = (inner / tensors.NAMES[1]).is_file() and not list(inner.glob("*.safetensors"))
    from sentence_transformers import SentenceTransformer

    settings = {"dtype": "float32", **({} if torch_alone else {"use_safetensors": True})}
    if not torch_alone and _without_pooler(inner):
        settings["add_pooling_layer"] = False  # else transformers draws one, and warns of it; nothing reads it here
    try:
        # else in the format they are stored in
        model = SentenceTransformer(
            str(folder.resolve()), local_files_only=True, trust_remote_code=False, model_kwargs=settings
        )
    except Exception as error:  # of a damaged folder transformers and sentence-transformers say anything
        raise InputError(f"{folder}: not a model that transformers can load: {first_line(error, 300)}") from error
    if max_length is not None and type(model[0]).__name__ != "StaticEmbedding":  # which reads all, and has no bound
        model.max_seq_length = int(min(max_length, model.max_seq_length or max_length))
    return model


def _require_sizes(path: Path) -> None:
    """Transformers makes a model of any size that config.json names before it looks at the weights."""
    for name, value in files.json_object(path).items() if path.is_file() else ():
        largest = {"num_hidden_layers": MOST_LAYERS}.get(name, MOST if name in SIZES else None)
        if largest is not None and isinstance(value, int) and value > largest:
            raise InputError(f"{path}: {name}: expected at most {largest}, got {value}")


def _without_pooler(folder: Path) -> bool:
    """Whether a BERT's folder has the encoder alone."""
    if not (folder / "config.json").is_file() or files.json_object(folder / "config.json").get("model_type") != "bert":
        return False
    weights = folder / tensors.NAMES[0]
    return weights.is_file() and not any("pooler." in name for name in tensors.names(weights))


def most(model: SentenceTransformer) -> int:
    """Of how many tokens the encoder reads the beginning; 0: of all."""
    said = model.max_seq_length
    return int(said) if said is not None and 0 < said < 1 << 20 else 0


def lengths(model: SentenceTransformer, texts: Sequence[str]) -> list[int]:
    """How many tokens each text has, special ones included."""
    found = model.tokenizer(list(texts), truncation=False)["input_ids"]
    return [len(ids) for ids in found]


def encode(model: SentenceTransformer, texts: Sequence[str]) -> Vectors:
    """Unit vectors [len(texts), D]."""
    try:
        found = model.encode(list(texts), batch_size=64, convert_to_numpy=True, show_progress_bar=False)
    except Exception as error:  # sizes in its modules that do not fit one another show here
        raise InputError(f"the sentence encoder cannot be run: {first_line(error, 300)}") from error
    vectors = np.asarray(found, np.float32)
    if not np.isfinite(vectors).all():
        raise InputError("the sentence encoder gives vectors that are no numbers")
    return unit(vectors)
