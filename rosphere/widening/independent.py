"""A widened folder beside the one it was made of, in other people's libraries: what those compute must not change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rosphere.encoder.config import EncoderConfig
from rosphere.errors import first_line
from rosphere.widening import maps, plan


def readable(config: EncoderConfig) -> bool:
    """Whether transformers knows such a model: no RoFormerV2, no smooth activation."""
    return config.model_type != "roformer_v2" and ":" not in config.hidden_act


def transformers_gap(
    small: Path, wide: Path, old: EncoderConfig, new: EncoderConfig, ids: Tensor, keep: Tensor, *, bare: bool, seed: int
) -> dict[str, Any]:
    """The largest difference of two logits in transformers, float32; of a bare encoder, of two hidden states.

    {"max_gap", "of"}, or {"not_measured": why} where transformers does not read one of the two.
    """
    from transformers import AutoModel, AutoModelForMaskedLM

    reader = AutoModel if bare else AutoModelForMaskedLM
    try:
        found = [_run(reader, folder, ids, keep) for folder in (small, wide)]
    except Exception as error:  # it may say anything of settings that we have no use for
        return {"not_measured": first_line(error, 300)}
    before, after = ((each.last_hidden_state if bare else each.logits)[keep.bool()] for each in found)
    if bare:
        before = maps.apply(plan.growth(old, new, seed)["write hidden"], before, 1)
    return {"max_gap": float((after - before).abs().max()), "of": "hidden states" if bare else "logits"}


@torch.no_grad()
def _run(reader: Any, folder: Path, ids: Tensor, keep: Tensor) -> Any:
    model = reader.from_pretrained(str(folder.resolve()), local_files_only=True, dtype=torch.float32).eval()
    return model(input_ids=ids, attention_mask=keep.long())


def cosine_gap(small: Path, wide: Path, texts: Sequence[str]) -> dict[str, Any]:
    """The largest difference of two cosines in sentence-transformers: {"max_cosine_gap"}, or {"not_measured": why}."""
    from sentence_transformers import SentenceTransformer

    cosines = []
    for folder in (small, wide):
        try:
            model = SentenceTransformer(
                str(folder.resolve()), local_files_only=True, trust_remote_code=False, device="cpu"
            )
            found = model.encode(
                list(texts), normalize_embeddings=True, convert_to_tensor=True, show_progress_bar=False
            )
        except Exception as error:  # as above
            return {"not_measured": first_line(error, 300)}
        cosines.append(found.double() @ found.double().T)
    return {"max_cosine_gap": float((cosines[0] - cosines[1]).abs().max())}
