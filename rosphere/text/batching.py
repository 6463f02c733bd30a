"""Rows of unlike lengths in batches: padding, length buckets, token budgets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

TOKENS_A_BATCH, GPU_TIMES = 2048, 16


def pad(sequences: Sequence[Sequence[int]], token: int) -> tuple[Tensor, Tensor]:
    """(ids, keep), both [N, L]."""
    max_length = max(map(len, sequences))
    ids = torch.tensor([[*sequence, *[token] * (max_length - len(sequence))] for sequence in sequences])
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    return ids, (torch.arange(max_length) < lengths[:, None]).long()


def length_buckets(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Numbers of rows, shortest first, in batches of at most ``tokens`` tokens when padded to the batch's longest row.

    A row that alone is longer is a batch of its own.
    """
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[number] > tokens:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def token_budget(tokens: int, device: torch.device) -> int:
    """Tokens of a batch: as many as a CPU's caches hold, and what keeps a GPU busy."""
    return tokens if device.type == "cpu" else GPU_TIMES * tokens
