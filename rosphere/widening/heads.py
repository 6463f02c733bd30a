"""Larger heads: where queries and keys go, so that every score stays what it was.

Rotary: in a head m times as large, pair m j turns with the frequency of the old pair j,
BASE**(-2 m j / (m s)) = BASE**(-2 j / s); pair j moves there. (A head no whole multiple as large has not all the old
frequencies; pair j then moves to the nearest one, and the function changes.) Without rotary positions the first s slots
do. q is multiplied by sqrt(new / old size), for the score is divided by the root of the new size. All other q slots are
0, which leaves free the k slots that they meet: those are drawn afresh, so that the q slots have a gradient.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rosphere.encoder.config import EncoderConfig
from rosphere.widening.maps import Copies


def attended(old: EncoderConfig, new: EncoderConfig) -> Copies:
    """The rows of the fused projection [3 x heads x head size]."""
    heads = torch.arange(new.num_attention_heads) % old.num_attention_heads
    inside = torch.full((new.head_size,), -1)
    inside[_slots(old, new)] = torch.arange(old.head_size)
    scored = torch.where(inside >= 0, heads[:, None] * old.head_size + inside, -1).flatten()
    mixed = channels(old, new)
    origin = torch.cat((scored, torch.where(scored >= 0, scored + old.hidden_size, -1), mixed + 2 * old.hidden_size))
    scale = torch.ones(3, new.hidden_size, dtype=torch.float64)
    scale[0] = math.sqrt(new.head_size / old.head_size)
    return Copies(old=3 * old.hidden_size, origin=origin, scale=scale.flatten())


def channels(old: EncoderConfig, new: EncoderConfig) -> Tensor:
    """For each value channel of the new heads the old one that it copies."""
    heads = torch.arange(new.num_attention_heads) % old.num_attention_heads
    return (heads[:, None] * old.head_size + torch.arange(new.head_size) % old.head_size).flatten()


def fill_free_keys(
    qkv: Tensor, old: EncoderConfig, new: EncoderConfig, origin: Tensor, generator: torch.Generator
) -> None:
    """Draws the k rows that meet zero queries, in place, alike in the copies of a head; as in a fresh model."""
    keys = slice(new.hidden_size, 2 * new.hidden_size)
    free = (origin[keys] < 0).nonzero().flatten()
    if len(free):
        std = old.initializer_range if old.biased else (old.hidden_size * new.num_hidden_layers) ** -0.5
        drawn = qkv.new_empty(old.num_attention_heads, new.head_size, qkv.shape[1])
        drawn.normal_(std=std, generator=generator)
        alike = drawn[torch.arange(new.num_attention_heads) % old.num_attention_heads].flatten(0, 1)
        qkv[keys][free] = alike[free]


def _slots(old: EncoderConfig, new: EncoderConfig) -> Tensor:
    if not old.rotary:
        return torch.arange(old.head_size)
    pairs = torch.arange(old.head_size // 2)
    nearest = (2 * pairs * new.head_size + old.head_size) // (2 * old.head_size)  # round(j new / old)
    return torch.stack((2 * nearest, 2 * nearest + 1), dim=1).flatten()
