"""Units and their copies: which old unit a new one copies, and how copies share the weights that read them.

A unit is one feature of the residual stream (``hidden``), one value channel of one head (``mixed``) or one
feed-forward unit (``fed``). A weight matrix is [written units, read units].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rosphere.encoder.config import EncoderConfig

# Which units each group of tensors writes and reads; a group that is not named keeps its shape.
# The rows of attention.qkv are laid out head by head and have their own construction.
WRITES = {
    "encoder.project": "hidden",
    "attention.out": "hidden",
    "attention_norm": "hidden",
    "feed_in": "fed",
    "feed_out": "hidden",
    "feed_norm": "hidden",
}
READS = {
    "attention.qkv": "hidden",
    "attention.out": "mixed",
    "feed_in": "hidden",
    "feed_out": "fed",
    "transform": "hidden",
}


@dataclass(frozen=True, kw_only=True)
class Origins:
    """For each new unit the number of the old unit that it copies."""

    hidden: Tensor
    mixed: Tensor
    fed: Tensor
    heads: Tensor
    channels: Tensor  # of the values inside a head

    def of(self, kind: str) -> Tensor:
        return {"hidden": self.hidden, "mixed": self.mixed, "fed": self.fed}[kind]


def origins(old: EncoderConfig, new: EncoderConfig) -> Origins:
    """New unit i copies old unit i modulo their number; so do heads, and value channels inside a head."""
    heads = torch.arange(new.num_attention_heads) % old.num_attention_heads
    channels = torch.arange(new.head_size) % old.head_size
    return Origins(
        hidden=torch.arange(new.hidden_size) % old.hidden_size,
        mixed=(heads[:, None] * old.head_size + channels).flatten(),
        fed=torch.arange(new.intermediate_size) % old.intermediate_size,
        heads=heads,
        channels=channels,
    )


def group(name: str) -> tuple[str, str]:
    """``encoder.blocks.3.feed_in.weight`` to (``feed_in``, ``weight``): blocks are all built alike."""
    if name.startswith("encoder.blocks."):
        name = name.split(".", 3)[3]
    stem, _, kind = name.rpartition(".")
    return stem, kind


def split(weight: Tensor, origin: Tensor, *, noise: float, generator: torch.Generator) -> Tensor:
    """[rows, old units] to [rows, new units]: each column shared out among the copies of its unit.

    Without noise every copy takes 1 / copies. With noise, every weight is shared out on its own, in the
    proportions 1 + noise z, z uniform in (-1, 1); the shares are rounded to multiples of the last bit of the
    weight and the last copy takes the rest, so that they add up to the weight exactly in its own dtype.
    """
    wide = weight[:, origin].double()
    if not noise:
        return (wide / torch.bincount(origin)[origin]).to(weight.dtype)
    share = 1 + noise * (2 * torch.rand(wide.shape, dtype=torch.float64, generator=generator) - 1)
    share /= _summed(share, origin)[:, origin]
    size = weight.abs()
    bit = (torch.nextafter(size, torch.full_like(size, torch.inf)) - size)[:, origin].double()
    wide.mul_(share).div_(bit).round_().mul_(bit)
    last = torch.zeros(weight.shape[1], dtype=torch.long)
    last.scatter_reduce_(0, origin, torch.arange(len(origin)), "amax")
    wide[:, last] += weight.double() - _summed(wide, origin)
    return wide.to(weight.dtype)


def _summed(wide: Tensor, origin: Tensor) -> Tensor:
    """Sums over the copies of each old unit."""
    return wide.new_zeros(len(wide), int(origin.max()) + 1).index_add_(1, origin, wide)


def first(origin: Tensor) -> Tensor:
    """For each new unit the number of the first copy of the same old unit."""
    count = int(origin.max()) + 1
    earliest = torch.full((count,), len(origin)).scatter_reduce_(0, origin, torch.arange(len(origin)), "amin")
    return earliest[origin]
