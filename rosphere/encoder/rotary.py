"""Rotary position embeddings (Su et al. 2021, arXiv 2104.09864), in Hugging Face RoFormer's pairing."""

from __future__ import annotations

import torch
from torch import Tensor

BASE = 10000.0


def angles(head_size: int, length: int, *, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """cos and sin of p * BASE**(-2j / head_size), each [length, head_size / 2], rounded once from float64."""
    j = torch.arange(0, head_size, 2, device=device, dtype=torch.float64)
    position = torch.arange(length, device=device, dtype=torch.float64)
    theta = position[:, None] * BASE ** (-j / head_size)
    return theta.cos().to(dtype), theta.sin().to(dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns the pair (x[2j], x[2j+1]) of position p by the angle of (p, j).

    x: [..., length, head_size]; cos, sin: [length, head_size / 2].
    """
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1).flatten(-2)
