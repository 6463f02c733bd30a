"""Settings of one task that differ from those of all: evaluate.tasks in params.yaml."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from rosphere.clue.contract import LEAST_LENGTH
from rosphere.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """null, or not given: as for all tasks. ``max_length`` is the task's own where nothing else is said."""

    epochs: int | None = None
    minimum_steps: int | None = None
    batch_size: int | None = None
    max_length: int | None = None
    learning_rate: float | None = None
    warmup: float | None = None
    dropout: float | None = None
    pooling: Literal["cls", "cls_and_means"] | None = None
    seeds: int | None = None
    select: Literal["last", "best"] | None = None
    select_share: float | None = None
    patience: int | None = None
    layer_decay: float | None = None
    r_drop: float | None = None
    accumulate: int | None = None
    gradient_checkpointing: bool | None = None

    def __post_init__(self) -> None:
        if self.max_length is not None and self.max_length < LEAST_LENGTH:
            raise InputError(f"max_length: expected {LEAST_LENGTH} tokens or more, got {self.max_length}")

    def given(self) -> dict[str, Any]:
        """What differs."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
