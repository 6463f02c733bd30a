"""Rotary position embeddings (Su et al. 2021, arXiv 2104.09864), in Hugging Face RoFormer's pairing."""

from __future__ import annotations

import torch
from torch import Tensor

BASE = 10000.0


def cos_sin(head_size: int, length: int, *, like: Tensor) -> Tensor:
    """cos and sin of p * BASE**(-2j / head_size), [length, head_size / 2, 2], rounded once from float64.

    On ``like``'s device; float64 if ``like`` is, otherwise float32: bfloat16 cannot hold an angle.
    """
    j = torch.arange(0, head_size, 2, device=like.device, dtype=torch.float64)
    position = torch.arange(length, device=like.device, dtype=torch.float64)
    theta = position[:, None] * BASE ** (-j / head_size)
    return torch.stack((theta.cos(), theta.sin()), dim=-1).to(_working(like))


def fits(held: Tensor, like: Tensor) -> bool:
    """Whether cosines and sines made earlier serve ``like`` too."""
    return held.device == like.device and held.dtype == _working(like)


def _working(like: Tensor) -> torch.dtype:
    return torch.promote_types(like.dtype, torch.float32)


def rotate(x: Tensor, cos_sin: Tensor) -> Tensor:
    """Rotates the pair (x[2j], x[2j+1]) by the angle of cos_sin[..., j, :], in the precision of cos_sin.

    x: [..., head_size] in any floating dtype; cos_sin: [..., head_size / 2, 2], broadcast over the leading dimensions.
    """
    pairs = x.view(*x.shape[:-1], -1, 2).to(cos_sin.dtype)
    if torch.compiler.is_compiling():  # which fuses this and cannot fuse complex products
        (even, odd), (cos, sin) = pairs.unbind(-1), cos_sin.unbind(-1)
        turned = torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1)
    else:  # one pass over memory instead of six
        turned = torch.view_as_real(torch.view_as_complex(pairs) * torch.view_as_complex(cos_sin))
    return turned.flatten(-2).to(x.dtype)
