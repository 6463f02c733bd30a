"""What is known of a widened model: how far its logits are from the old ones, how it was made, its cost."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.widening import copies, maps, plan, sizes
from rosphere.widening.construction import construction

ROWS = 8  # of a batch at a time: logits are [rows, length, vocabulary] in float64


def certificate(
    small: MaskedLanguageModel,
    wide: MaskedLanguageModel,
    ids: Tensor,
    mask: Tensor | None = None,
    *,
    positions: Tensor | None = None,
    dropped: Sequence[str] = (),
) -> dict[str, Any]:
    """Compares the two over ids [B, L] (mask: [B, 1, L, L] or None); JSON-able.

    positions [B, L], if rows are packed and the models have absolute positions (``masks.positions``); dropped: names of
    tensors that were left behind when ``small`` was read (``folder.not_taken``).

    The models are compared in evaluation mode, in copies cast to each precision; ``logit_std`` is the scale to hold the
    gaps against. If the weights are float32, the float64 gap is not zero where a weight had to be rounded to float32:
    equal shares of three copies, sqrt(2) q, or an isometry.

    ``exact`` says whether the construction keeps the function, by the sizes alone; if not, ``reasons`` say why.
    """
    exact, spread = _compare(small, wide, ids, mask, positions, torch.float64)
    single, _ = _compare(small, wide, ids, mask, positions, torch.float32)
    length = ids.shape[1]
    reasons = sizes.reasons(small.config, wide.config)
    return {
        "exact": not reasons,
        "reasons": reasons,
        "max_logit_gap": {"float64": exact, "float32": single},
        "logit_std": spread,
        "tokens": ids.numel(),
        "parameters": {"before": _parameters(small), "after": _parameters(wide)},
        "flops_per_token": {
            "before": small.config.flops_per_token(length),
            "after": wide.config.flops_per_token(length),
        },
        "copies_distance": copies_distance(small.config, wide),
        "construction": construction(small.config, wide.config, pooler=small.pooler is not None),
        "dropped": list(dropped),
    }


def copies_distance(old: EncoderConfig, wide: MaskedLanguageModel) -> float:
    """How far from reading no more than the old units the weights are, relative: 0, and training stays that small.

    |W - W1| / |W|, Frobenius over all weights that read units. Where units are copies, column i of W1 is the column of
    W that reads the first copy of unit i's original: 0 if all copies are read alike (equal shares, which gradient
    descent keeps equal); two unrelated copies have about 1. Where a stream of width d was turned into one of width D,
    W1 is the nearest set of weights that read d directions of it only.
    """
    units = plan.copied(old, wide.config)
    apart = total = 0.0
    directions = torch.zeros(0, wide.config.hidden_size, dtype=torch.float64)
    for name, tensor in wide.state_dict().items():
        _, columns = plan.axes(name)
        if columns is None or not columns.startswith("read"):
            continue
        weight, map_ = tensor.cpu().double(), units.get(columns)
        total += weight.square().sum().item()
        if isinstance(map_, maps.Copies):
            apart += (weight - weight[:, copies.first(map_.origin)]).square().sum().item()
        else:  # an isometry, which is not known here and need not be
            directions = torch.linalg.qr(torch.cat((directions, weight)), mode="r").R
    if len(directions):
        apart += torch.linalg.svdvals(directions)[old.hidden_size :].square().sum().item()
    return math.sqrt(apart / total)


def _parameters(model: MaskedLanguageModel) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@torch.no_grad()
def _compare(
    small: MaskedLanguageModel,
    wide: MaskedLanguageModel,
    ids: Tensor,
    mask: Tensor | None,
    positions: Tensor | None,
    dtype: torch.dtype,
) -> tuple[float, float]:
    """The largest difference of two logits, and the standard deviation of the small model's, in ``dtype``."""
    before, after = (copy.deepcopy(model).to(dtype).eval() for model in (small, wide))
    gaps, means, squares = [], [], []
    for start in range(0, len(ids), ROWS):
        rows = slice(start, start + ROWS)
        allowed, places = (None if each is None else each[rows] for each in (mask, positions))
        logits, grown = (
            model.logits(model.encoder(ids[rows], allowed, positions_BL=places)) for model in (before, after)
        )
        gaps.append((grown - logits).abs().max())
        means.append(logits.double().mean() * len(ids[rows]))
        squares.append(logits.double().square().mean() * len(ids[rows]))
    mean, square = torch.stack(means).sum() / len(ids), torch.stack(squares).sum() / len(ids)
    return torch.stack(gaps).max().item(), (square - mean**2).sqrt().item()
