"""Length of a training run and its learning rate by step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from rosphere.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Length and learning rate of a run. The learning rate rises over ``warmup`` (share of steps), then decays."""

    steps: int  # 0: nothing is trained
    learning_rate: float
    warmup: float = 0.1
    decay: Literal["linear", "cosine", "constant"] = "linear"
    weight_decay: float = 0.01
    beta2: float = 0.999  # of AdamW: its memory of squared gradients is about 1 / (1 - beta2) steps long
    clip: float = 1.0  # bound on the norm of the gradient
    log_every: int = 20
    evaluate_every: int = 0  # 0: only at the end
    checkpoint_every: int = 200  # 0: only when stopped

    def __post_init__(self) -> None:
        for name, least in (("steps", 0), ("log_every", 1), ("evaluate_every", 0), ("checkpoint_every", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name}: expected {least} or more, got {getattr(self, name)}")
        if not 0 <= self.beta2 < 1:
            raise InputError(f"beta2: expected a share in [0, 1), got {self.beta2}")
        if not self.learning_rate >= 0:
            raise InputError(f"learning_rate: expected 0 or more, got {self.learning_rate}")
        if not self.clip > 0:
            raise InputError(f"clip: expected a number above 0, got {self.clip}")
        if not 0 <= self.warmup < 1:
            raise InputError(f"warmup: expected a share of the steps in [0, 1), got {self.warmup}")

    def rate(self, step: int) -> float:
        """Learning rate of step 0, 1, ..., steps - 1; never zero on the way."""
        rise = max(1, round(self.warmup * self.steps))
        if step < rise:
            return self.learning_rate * (step + 1) / rise
        left = (self.steps - step) / (self.steps - rise + 1)
        shape = {"linear": left, "cosine": 0.5 - 0.5 * math.cos(math.pi * left), "constant": 1.0}[self.decay]
        return self.learning_rate * shape


def require_steps(schedule: Schedule) -> None:
    """Refuses a schedule of no steps, where what is trained begins at random."""
    if not schedule.steps:
        raise InputError("schedule.steps: expected 1 or more, got 0")
