"""For the tests of the text VAE."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    """Accelerate keeps its precision in a global state; leave none behind."""
    from accelerate.state import AcceleratorState

    torch.manual_seed(0)
    yield
    AcceleratorState._reset_state(True)
