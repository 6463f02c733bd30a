"""Folders of static encoders: a StaticEmbedding and a Normalize of sentence-transformers, read here without it too.

tokenizer.json cuts text into pieces, model.safetensors has their vectors under "embedding.weight", modules.json says
that the mean of those is brought to unit length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer as Backend

from rosphere import files
from rosphere.encoder import modules, tensors
from rosphere.errors import InputError, first_line
from rosphere.static import bags, pieces
from rosphere.static.bags import Matrix

TOKENIZER, WEIGHTS, TABLE = "tokenizer.json", "model.safetensors", "embedding.weight"
MODULES = (("", modules.STATIC), ("1_Normalize", "Normalize"))
BATCH = 4096  # texts at once


@dataclass(frozen=True, kw_only=True)
class StaticEncoder:
    """``table_PD``: the vectors of the pieces that ``backend`` cuts text into."""

    backend: Backend
    table_PD: Matrix

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors [len(texts), D]; zero where a text has no known piece."""
        blocks = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
        found = [self._encoded(block) for block in blocks]
        return np.concatenate(found) if found else np.empty((0, self.table_PD.shape[1]), np.float32)

    def _encoded(self, texts: Sequence[str]) -> NDArray[np.float32]:
        sums = bags.counts(pieces.numbers(self.backend, texts), len(self.table_PD)) @ self.table_PD
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        return np.asarray(sums / np.maximum(lengths, 1e-12), np.float32)


def save(encoder: StaticEncoder, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    files.write_text(folder / TOKENIZER, encoder.backend.to_str(pretty=True) + "\n")
    tensors.save(folder / WEIGHTS, {TABLE: torch.from_numpy(np.ascontiguousarray(encoder.table_PD, np.float32))})
    files.write_json(folder / "config_sentence_transformers.json", {"similarity_fn_name": "cosine"})
    (folder / MODULES[1][0]).mkdir(exist_ok=True)
    files.write_json(folder / MODULES[1][0] / "config.json", {})
    modules.write(folder, dict(MODULES))


def there(folder: Path) -> bool:
    """Whether a folder's modules are those that ``save`` lists, wherever in it they lie."""
    return modules.static(folder) and [each.kind for each in modules.listed(folder)] == [kind for _, kind in MODULES]


def load(folder: Path) -> StaticEncoder:
    """Raises InputError where a folder holds no static encoder, or a part of it is missing or does not fit."""
    if not there(folder):
        raise InputError(f"{folder}: not a static encoder, its {modules.LISTED} lists no StaticEmbedding and Normalize")
    place = folder / modules.listed(folder)[0].path
    table = tensors.one(place / WEIGHTS, TABLE, (None, None)).float().numpy()
    backend = _backend(place / TOKENIZER)
    if backend.get_vocab_size() > len(table):
        count = backend.get_vocab_size()
        raise InputError(f"{place}: {TOKENIZER} has {count} pieces, {WEIGHTS} vectors for {len(table)}")
    return StaticEncoder(backend=backend, table_PD=table)


def _backend(path: Path) -> Backend:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        found = Backend.from_file(str(path))
    except Exception as error:  # tokenizers knows no other
        raise InputError(f"{path}: not a tokenizer ({first_line(error, 200)}): {files.seems(path)}") from error
    found.no_padding()
    return found
