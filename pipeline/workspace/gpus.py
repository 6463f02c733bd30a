"""The GPUs that this process, and the stages that it starts, may use."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.workspace.environment import CUDA_DEVICES, GPUS


def devices() -> tuple[str, ...]:
    """The devices this process may use, as CUDA_VISIBLE_DEVICES spells them.

    ROSPHERE_GPUS ("0,1") wins, then CUDA_VISIBLE_DEVICES, then what /dev shows. CUDA counts from 0
    whichever device files a container was given: /dev/nvidia3 alone is device 0.
    """
    for variable in (GPUS, CUDA_DEVICES):
        if variable in os.environ:
            names = [name.strip() for name in os.environ[variable].split(",")]
            return tuple(name for name in names if name and name != "-1")
    return tuple(str(index) for index in range(on_this_machine()))


def on_this_machine() -> int:
    """How many /dev shows, whoever may use them."""
    return len(list(Path("/dev").glob("nvidia[0-9]*")))
