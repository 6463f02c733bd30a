"""A widened folder beside the one it was made of, in other people's libraries: what those compute must not change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rosphere.encoder.config import EncoderConfig
from rosphere.widening import maps, plan


def readable(config: EncoderConfig) -> bool:
    """Whether transformers knows such a model: no RoFormerV2, no smooth activation."""
    return config.model_type != "roformer_v2" and ":" not in config.hidden_act


def transformers_gap(
    small: Path, wide: Path, old: EncoderConfig, new: EncoderConfig, ids: Tensor, keep: Tensor, *, bare: bool, seed: int
) -> float:
    """The largest difference of two logits in transformers, float32; of a bare encoder, of two hidden states."""
    from transformers import AutoModel, AutoModelForMaskedLM

    reader = AutoModel if bare else AutoModelForMaskedLM
    found = [_run(reader, folder, ids, keep) for folder in (small, wide)]
    before, after = ((each.last_hidden_state if bare else each.logits)[keep.bool()] for each in found)
    if bare:
        before = maps.apply(plan.growth(old, new, seed)["write hidden"], before, 1)
    return float((after - before).abs().max())


@torch.no_grad()
def _run(reader: Any, folder: Path, ids: Tensor, keep: Tensor) -> Any:
    model = reader.from_pretrained(str(folder.resolve()), local_files_only=True, dtype=torch.float32).eval()
    return model(input_ids=ids, attention_mask=keep.long())


def cosine_gap(small: Path, wide: Path, texts: Sequence[str]) -> float:
    """The largest difference of two cosines in sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    cosines = []
    for folder in (small, wide):
        model = SentenceTransformer(str(folder.resolve()), local_files_only=True, device="cpu")
        vectors = model.encode(list(texts), normalize_embeddings=True, convert_to_tensor=True, show_progress_bar=False)
        cosines.append(vectors.double() @ vectors.double().T)
    return float((cosines[0] - cosines[1]).abs().max())
