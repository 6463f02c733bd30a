"""AdamW with weight decay on matrices only, and learning-rate multipliers by parameter."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from rosphere.training.schedule import Schedule


def adamw(model: nn.Module, schedule: Schedule, *, rates: Mapping[str, float] | None = None) -> torch.optim.AdamW:
    """AdamW; weight decay on matrices only. ``rates`` multiply the learning rate of the parameters they name.

    AdamW decays by learning rate times weight decay; the decay of a slower parameter is raised to stay what it was.
    """
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {(True, 1.0): [], (False, 1.0): []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((parameter.ndim > 1, (rates or {}).get(name, 1.0)), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": found, "scale": scale, "weight_decay": schedule.weight_decay / scale if decays else 0.0}
            for (decays, scale), found in groups.items()
        ],
        lr=schedule.learning_rate,
        betas=(0.9, schedule.beta2),
        fused=True,
    )
