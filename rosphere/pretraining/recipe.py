"""How a masked language model is pretrained, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rosphere.encoder.config import EncoderConfig
from rosphere.errors import InputError
from rosphere.training.schedule import Schedule


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What all runs of pretraining have in common."""

    sequence: int
    batch_size: int  # packed rows a step
    mask_rate: float
    dev_rows: int
    dropout: float
    gradient_checkpointing: bool  # less memory for a third more time
    compile: bool  # blocks through torch.compile
    schedule: Schedule

    def __post_init__(self) -> None:
        for name, least in (("sequence", 8), ("batch_size", 1), ("dev_rows", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name}: expected {least} or more, got {getattr(self, name)}")
        if not (0 < self.mask_rate < 1 and 0 <= self.dropout < 1):
            got = f"{self.mask_rate} and {self.dropout}"
            raise InputError(f"mask_rate and dropout: expected shares in (0, 1) and [0, 1), got {got}")

    def flops(self, config: EncoderConfig) -> float:
        """Of one step."""
        return config.flops_per_token(self.sequence) * self.batch_size * self.sequence

    def total_flops(self, config: EncoderConfig) -> float:
        """Of the whole run."""
        return self.schedule.steps * self.flops(config)


@dataclass(frozen=True, kw_only=True)
class Narrow(Recipe):
    """Of the model that is later widened: its size, or a folder or hub name to start from."""

    size: str
    init: str | None

    def sources(self) -> list[str | None]:
        """What is read that no stage makes."""
        return [self.init]


@dataclass(frozen=True, kw_only=True)
class Wide(Recipe):
    """Of the widened model."""

    optimizer: Literal["grown", "fresh"]  # the narrow run's state, widened like the weights, or none
