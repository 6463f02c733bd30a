"""Random states: of Python, NumPy and torch from numbers, and at one moment."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int, step: int = 0, rank: int = 0) -> None:
    """Python, NumPy and torch from a pair of numbers; processes after the first have a third, for other dropout."""
    mixed = int(np.random.SeedSequence([seed, step, rank] if rank else [seed, step]).generate_state(1)[0])
    random.seed(mixed)
    np.random.seed(mixed)
    torch.manual_seed(mixed)


class RandomState:
    """The random states of Python, NumPy and torch (CPU and the current CUDA device) at one moment."""

    def __init__(self) -> None:
        self.python: Any = random.getstate()
        self.numpy: Any = np.random.get_state()
        self.torch = torch.get_rng_state()
        self.cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None

    def restore(self) -> None:
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.torch)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda)

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Runs the block from this state, then goes on from where the surroundings were."""
        now = RandomState()
        self.restore()
        try:
            yield
        finally:
            now.restore()
