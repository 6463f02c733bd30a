"""The weights of the grown model, by the plan; by name, so that nothing of them is ever held twice."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from rosphere.encoder.config import EncoderConfig
from rosphere.widening import copies, heads, isometry, maps, plan
from rosphere.widening.maps import Map, Mixture

SILENT = ("attention.out", "feed_out")  # what these write is zero in an added block


def weights(
    state: Mapping[str, Tensor],
    old: EncoderConfig,
    new: EncoderConfig,
    *,
    noise: float,
    seed: int,
) -> dict[str, Tensor]:
    """The state dict of the grown model, on the CPU, in the dtypes of ``state``."""
    units = plan.growth(old, new, seed)
    generator = torch.Generator().manual_seed(seed + 1)  # not what chose the isometry
    grown: dict[str, Tensor] = {}
    for name, tensor in state.items():
        wide = _grown(name, tensor.cpu(), units, old, new, noise=noise, generator=generator)
        for place, added in plan.renamed(name, old, new):
            silent = added and plan.group(name)[0] in SILENT
            grown[place] = torch.zeros_like(wide) if silent else wide.clone() if added else wide
    if old.embedding_size == new.embedding_size == old.hidden_size != new.hidden_size:
        grown |= _passage(state, units, new, noise=noise, generator=generator)
    _still(grown, old, new)
    return grown


def _grown(
    name: str,
    tensor: Tensor,
    units: Mapping[str, Map],
    old: EncoderConfig,
    new: EncoderConfig,
    *,
    noise: float,
    generator: torch.Generator,
) -> Tensor:
    rows, columns = plan.axes(name)
    wide = tensor
    if rows == "read predicting":
        wide = read(tensor[None], units[rows], noise=noise, generator=generator)[0]
    elif rows:
        wide = maps.apply(units[rows], tensor, 0)
    if name.endswith("attention.qkv.weight"):
        attended = units["write attended"]
        assert isinstance(attended, maps.Copies)
        heads.fill_free_keys(wide, old, new, attended.origin, generator)
    if columns and columns.startswith("read"):
        wide = read(wide, units[columns], noise=noise, generator=generator)
    elif columns:
        wide = maps.apply(units[columns], wide, 1)
    return wide.clone() if wide is tensor else wide


def read(weight: Tensor, units: Map, *, noise: float, generator: torch.Generator) -> Tensor:
    if isinstance(units, Mixture):
        return isometry.read(weight, units.matrix, noise=noise, generator=generator)
    return copies.split(weight, units.origin, noise=noise, generator=generator)


def _passage(
    state: Mapping[str, Tensor],
    units: Mapping[str, Map],
    new: EncoderConfig,
    *,
    noise: float,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """From an embedding that keeps its width to the wider stream, and back where nothing else leads back.

    There was no projection and now there must be one: the map of the stream itself.
    """
    like = state["encoder.words.weight"]
    alike = torch.eye(new.embedding_size, dtype=like.dtype)
    made = {"encoder.project.weight": maps.apply(units["write hidden"], alike, 0)}
    if new.biased:
        made["encoder.project.bias"] = like.new_zeros(new.hidden_size, device="cpu")
    else:
        made["transform.weight"] = read(alike, units["read hidden"], noise=noise, generator=generator)
    return made


def _still(grown: dict[str, Tensor], old: EncoderConfig, new: EncoderConfig) -> None:
    """Norms of added blocks that change a stream of LayerNorm's as little as norms can.

    g x̂ + b with x̂ of mean 0 and variance 1 has, over features and on average, the mean of b as mean and mean(g²) +
    var(b) as variance. A norm that restores these is the identity wherever they are what they are on average.
    """
    if not old.biased:
        return
    for place, (_, added) in enumerate(plan.blocks(old, new)):
        if added:
            before = f"encoder.blocks.{place - 1}.feed_norm"
            gain, bias = grown[f"{before}.weight"].double(), grown[f"{before}.bias"].double()
            spread = (gain.square().mean() + bias.var(correction=0)).sqrt()
            for norm in ("attention_norm", "feed_norm"):
                grown[f"encoder.blocks.{place}.{norm}.weight"].fill_(spread.item())
                grown[f"encoder.blocks.{place}.{norm}.bias"].fill_(bias.mean().item())
