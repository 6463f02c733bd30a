"""How a language model is pretrained, and what that costs."""

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
    mask_rate: float  # of the words of a masked step
    causal_share: float  # of the steps: the next token is predicted under a causal mask; 0: masked steps only
    causal_rate: float  # of the positions of a causal step: those that predict
    dev_rows: int
    dropout: float
    gradient_checkpointing: bool  # less memory for a third more time
    compile: bool  # blocks through torch.compile
    schedule: Schedule

    def __post_init__(self) -> None:
        for name, least in (("sequence", 8), ("batch_size", 1), ("dev_rows", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name}: expected {least} or more, got {getattr(self, name)}")
        for name in ("mask_rate", "causal_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"{name}: expected a share above 0 and at most 1, got {getattr(self, name)}")
        for name in ("causal_share", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name}: expected a share in [0, 1), got {getattr(self, name)}")

    def flops(self, config: EncoderConfig) -> float:
        """Of one step, the mean over masked and causal ones."""
        predicted = (1 - self.causal_share) * self.mask_rate + self.causal_share * self.causal_rate
        return config.flops_per_token(self.sequence, predicted=predicted) * self.batch_size * self.sequence

    def after(self, before: Recipe) -> int:
        """How many batches of this run hold the rows that ``before`` has had: where this run's rows go on."""
        return -(-before.schedule.steps * before.batch_size // self.batch_size)

    def total_flops(self, config: EncoderConfig) -> float:
        """Of the whole run."""
        return self.schedule.steps * self.flops(config)


@dataclass(frozen=True, kw_only=True)
class Narrow(Recipe):
    """Of the model that is later widened: its size, or a folder or hub name to start from."""

    size: str
    init: str | None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.schedule.steps and not self.init:
            raise InputError("schedule.steps: 0 trains nothing: expected init to name a model to begin with, got null")

    def sources(self) -> list[str | None]:
        """What is read that no stage makes."""
        return [self.init]


@dataclass(frozen=True, kw_only=True)
class Wide(Recipe):
    """Of the widened model."""

    optimizer: Literal["grown", "fresh"]  # the narrow run's state, widened like the weights, or none
