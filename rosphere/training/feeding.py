"""Batches on their way into the training loop: made ahead, moved to the device, cut into parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch

from rosphere.errors import InputError

Batch = TypeVar("Batch")


def ahead(batches: Callable[[int], Batch], first: int, last: int) -> Iterator[tuple[int, Batch]]:
    """(step, batch), the next batch being made on another thread while this one trains."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(batches, first) if first < last else None
        for step in range(first, last):
            assert coming is not None
            batch = coming.result()
            coming = pool.submit(batches, step + 1) if step + 1 < last else None
            yield step, batch


def moved(batch: Any, device: torch.device) -> Any:
    """The batch with its tensors on ``device``; batches are tensors, tuples, dicts or have a method ``to``."""
    if isinstance(batch, tuple | list):
        return type(batch)(moved(item, device) for item in batch)
    if isinstance(batch, dict):
        return {key: moved(item, device) for key, item in batch.items()}
    return batch.to(device) if hasattr(batch, "to") else batch


def parts(batch: Any, count: int) -> list[Any]:
    """Shares of the batch that are trained on one after the other."""
    return [batch] if count == 1 else [batch.share(part, count) for part in range(count)]


def can_be_split(batch: Any, count: int) -> bool:
    """Whether there are rows enough for so many parts."""
    try:
        batch.share(0, count)
    except InputError:  # fewer rows than parts
        return False
    return True
