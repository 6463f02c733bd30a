"""What is known of a widened model: how far its logits are from the old ones, how it was made, its cost."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor

from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.widening import copies

ROWS = 8  # of a batch at a time: logits are [rows, length, vocabulary] in float64


def certificate(
    small: MaskedLanguageModel, wide: MaskedLanguageModel, ids: Tensor, mask: Tensor | None = None
) -> dict[str, Any]:
    """Compares the two over ids [B, L] (mask: [B, 1, L, L] or None); JSON-able.

    The models are compared in evaluation mode, in copies cast to each precision; ``logit_std`` is the scale
    to hold the gaps against. If the weights are float32, the float64 gap is not zero where a weight had to be
    rounded to float32: equal shares of three copies, or sqrt(2) q.
    """
    exact, spread = _compare(small, wide, ids, mask, torch.float64)
    single, _ = _compare(small, wide, ids, mask, torch.float32)
    length = ids.shape[1]
    return {
        "max_logit_gap": {"float64": exact, "float32": single},
        "logit_std": spread,
        "tokens": ids.numel(),
        "parameters": {"before": _parameters(small), "after": _parameters(wide)},
        "flops_per_token": {
            "before": small.config.flops_per_token(length),
            "after": wide.config.flops_per_token(length),
        },
        "copies_distance": copies_distance(small.config, wide),
        "construction": construction(small.config, wide.config),
    }


def copies_distance(old: EncoderConfig, wide: MaskedLanguageModel) -> float:
    """How far copies of one unit are apart: |W - W1| / |W|, Frobenius over all weights that read units.

    Column i of W1 is the column of W that reads the first copy of unit i's original. 0: all copies are read
    alike (equal shares, which gradient descent keeps equal); two unrelated copies have about 1.
    """
    origins = copies.origins(old, wide.config)
    apart = total = 0.0
    for name, tensor in wide.state_dict().items():
        group, kind = copies.group(name)
        if group in copies.READS and kind == "weight":
            weight = tensor.cpu().double()
            apart += (weight - weight[:, copies.first(origins.of(copies.READS[group]))]).square().sum().item()
            total += weight.square().sum().item()
    return math.sqrt(apart / total)


def construction(old: EncoderConfig, new: EncoderConfig) -> dict[str, str]:
    """What was done to each group of tensors; the blocks of a model are all built alike."""
    counts = {
        "hidden": f"{old.hidden_size} -> {new.hidden_size}",
        "mixed": f"{old.hidden_size} -> {new.hidden_size}",
        "fed": f"{old.intermediate_size} -> {new.intermediate_size}",
    }
    done = dict.fromkeys(("encoder.words", "encoder.segments", "encoder.embedding_norm"), "unchanged")
    done |= {"transform_norm": "unchanged", "bias": "unchanged"}
    done |= {name: f"repeated rows {counts[units]}" for name, units in copies.WRITES.items()}
    done["attention.qkv"] = _heads(old, new)
    for name, units in copies.READS.items():
        done[name] = "; ".join(filter(None, (done.get(name), f"split columns {counts[units]}")))
    if old.embedding_size == old.hidden_size:
        absent = new.embedding_size == new.hidden_size
        done["encoder.project"] = "absent" if absent else f"the repetition matrix {counts['hidden']}"
    return done


def _heads(old: EncoderConfig, new: EncoderConfig) -> str:
    heads = f"repeated heads {old.num_attention_heads} -> {new.num_attention_heads}"
    times = new.head_size // old.head_size
    if times == 1:
        return heads
    return (
        f"{heads}; head size {old.head_size} -> {new.head_size}: rotary pair j to pair {times} j, q times "
        f"sqrt({times}), other q slots zero, other k slots random, v repeated"
    )


def _parameters(model: MaskedLanguageModel) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@torch.no_grad()
def _compare(
    small: MaskedLanguageModel,
    wide: MaskedLanguageModel,
    ids: Tensor,
    mask: Tensor | None,
    dtype: torch.dtype,
) -> tuple[float, float]:
    """The largest difference of two logits, and the standard deviation of the small model's, in ``dtype``."""
    before, after = (copy.deepcopy(model).to(dtype).eval() for model in (small, wide))
    gaps, means, squares = [], [], []
    for start in range(0, len(ids), ROWS):
        part = slice(start, start + ROWS)
        allowed = None if mask is None else mask[part]
        logits = before(ids[part], allowed)
        gaps.append((after(ids[part], allowed) - logits).abs().max())
        means.append(logits.double().mean() * len(ids[part]))
        squares.append(logits.double().square().mean() * len(ids[part]))
    mean, square = torch.stack(means).sum() / len(ids), torch.stack(squares).sum() / len(ids)
    return torch.stack(gaps).max().item(), (square - mean**2).sqrt().item()
