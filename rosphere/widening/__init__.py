"""Widening without loss (Su 2021, kexue.fm/archives/8444; Chen et al. 2016, arXiv 1511.05641).

For a post-LayerNorm RoFormer plain repetition keeps the function exactly. Every unit is copied; what writes a
unit is repeated (rows), what reads it is shared out among its copies (columns that add up to the old one).
The residual stream x becomes (x, ..., x): LayerNorm finds the same mean and the same variance, so neither a
factor 1/sqrt(k) nor another epsilon is needed. The vocabulary head reads through columns shared out like all
others and stays tied to embeddings that stay as they are.

Heads grow in number (copies, whose outputs are shared out) or in size. In a head m times as large, rotary
pair m j turns with the frequency of the old pair j: BASE**(-2 m j / (m s)) = BASE**(-2 j / s). Pair j moves
there, and q is multiplied by sqrt(m), for the score is now divided by sqrt(m s). All other q slots are 0,
which leaves free the k slots that they meet: those are drawn afresh, so that the q slots have a gradient.

Equal shares give copies the same gradient for ever. ``noise`` shares unevenly: the function stays the same
and the copies part. In training, dropout draws a mask for every copy, so there the function is not the same.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.widening import copies, sizes
from rosphere.widening.certificate import certificate

__all__ = ["certificate", "widen"]


def widen(
    model: MaskedLanguageModel,
    *,
    width: int,
    heads: int | None = None,
    head_size: int | None = None,
    feed_forward: int | None = None,
    noise: float = 0.0,
    seed: int = 0,
) -> MaskedLanguageModel:
    """A new model with the same function, hidden size ``width``; ``model`` is not touched.

    Exact are: a width k times the old one, k a whole number; heads x head_size = width, with no fewer heads
    than before and a head size some whole number of times the old one (default: the old one); feed_forward
    no smaller than before (default: k times the old one). For all others InputError names the nearest ones.

    noise, 0 to 1: how unevenly copies share what reads them (``copies.split``); 0: equally. Dtype, device and
    training mode are those of ``model``; torch's global random state is left alone.
    """
    if not 0 <= noise <= 1:
        raise InputError(f"noise {noise}: expected a number from 0 (equal shares) to 1 (as uneven as can be)")
    old = model.config
    new = sizes.widened(old, width=width, heads=heads, head_size=head_size, feed_forward=feed_forward)
    state = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    grown = _grown(state, old, new, noise=noise, generator=torch.Generator().manual_seed(seed))
    with torch.device("meta"):  # no weights are drawn only to be overwritten
        wide = MaskedLanguageModel(new)
    wide.load_state_dict(grown, assign=True)
    return wide.to(model.encoder.words.weight.device).train(model.training)


def _grown(
    state: dict[str, Tensor],
    old: EncoderConfig,
    new: EncoderConfig,
    *,
    noise: float,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    origins = copies.origins(old, new)
    grown: dict[str, Tensor] = {}
    for name, tensor in state.items():
        group, kind = copies.group(name)
        if group == "attention.qkv":
            wide = _larger_heads(tensor, old, new, origins, generator)
        elif group in copies.WRITES:
            wide = tensor[origins.of(copies.WRITES[group])]
        else:
            wide = tensor.clone()
        if group in copies.READS and kind == "weight":
            wide = copies.split(wide, origins.of(copies.READS[group]), noise=noise, generator=generator)
        grown[name] = wide
    if old.embedding_size == old.hidden_size != new.hidden_size:
        # There was no projection and now there must be one: the repetition itself.
        like = state["encoder.words.weight"]
        grown["encoder.project.weight"] = torch.eye(old.hidden_size, dtype=like.dtype)[origins.hidden]
        grown["encoder.project.bias"] = like.new_zeros(new.hidden_size)
    return grown


def _larger_heads(
    tensor: Tensor,
    old: EncoderConfig,
    new: EncoderConfig,
    origins: copies.Origins,
    generator: torch.Generator,
) -> Tensor:
    """Weight or bias of the fused projection, [3 x heads x head size, ...], with the new heads' rows."""
    q, k, v = tensor.reshape(3, old.num_attention_heads, old.head_size, *tensor.shape[1:])
    times = new.head_size // old.head_size
    even = torch.arange(0, new.head_size, 2 * times)
    slots = torch.stack((even, even + 1), dim=1).flatten()
    shape = (old.num_attention_heads, new.head_size, *tensor.shape[1:])
    queries = tensor.new_zeros(shape)
    queries[:, slots] = (q.double() * math.sqrt(times)).to(q.dtype)
    keys = tensor.new_zeros(shape)
    if tensor.dim() > 1 and times > 1:  # the free slots start as in a fresh model: biases at zero
        keys.normal_(std=old.initializer_range, generator=generator)
    keys[:, slots] = k
    return torch.stack((queries, keys, v[:, origins.channels]))[:, origins.heads].flatten(0, 2)
