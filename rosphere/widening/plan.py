"""Which units the rows and columns of every tensor are, and how the units of each kind grow."""

from __future__ import annotations

import math

import torch

from rosphere.encoder.config import EncoderConfig
from rosphere.widening import heads, isometry, maps
from rosphere.widening.maps import Map, Mixture

# (rows, columns) of each group of tensors, blocks being all alike; None: they stay as they are. ``write``: copies are
# written alike; ``read``: they are read in shares; ``gain``: written, by a norm. Biases have rows only.
AXES: dict[str, tuple[str | None, str | None]] = {
    "encoder.words": (None, "write embedded"),
    "encoder.positions": (None, "write embedded"),
    "encoder.segments": (None, "write embedded"),
    "encoder.embedding_norm": ("gain embedded", None),
    "encoder.project": ("write hidden", None),
    "attention.qkv": ("write attended", "read hidden"),
    "attention.out": ("write hidden", "read mixed"),
    "attention_norm": ("gain hidden", None),
    "feed_in": ("write fed", "read hidden"),
    "feed_out": ("write hidden", "read fed"),
    "feed_norm": ("gain hidden", None),
    "transform": ("write predicting", "read hidden"),
    "transform_norm": ("read predicting", None),  # the tied embedding, whose columns are repeated, adds copies up
    "bias": (None, None),
    "pooler": ("write pooled", "read hidden"),
    "activation": (None, None),  # a learned width, the same for all units
}


def group(name: str) -> tuple[str, str]:
    """``encoder.blocks.3.feed_in.weight`` to (``feed_in``, ``weight``), the vocabulary's ``bias`` to twice itself."""
    if name.startswith("encoder.blocks."):
        name = name.split(".", 3)[3]
    stem, _, kind = name.rpartition(".")
    return (stem, kind) if stem else (kind, kind)


def axes(name: str) -> tuple[str | None, str | None]:
    """What the rows and the columns of a parameter are."""
    stem, kind = group(name)
    rows, columns = AXES[stem]
    if kind == "bias":
        return (rows.replace("gain", "write") if rows else None), None
    return rows, columns


def growth(old: EncoderConfig, new: EncoderConfig, seed: int) -> dict[str, Map]:
    """How every kind of unit grows. The seed chooses the isometry, where the stream grows by one."""
    if not isometric(old, new):
        return copied(old, new)
    generator = torch.Generator().manual_seed(seed)
    matrix = isometry.isometry(new.hidden_size, old.hidden_size, generator)
    scale = math.sqrt(new.hidden_size / old.hidden_size)
    stream = {"write hidden": Mixture(matrix=scale * matrix), "read hidden": Mixture(matrix=matrix / scale)}
    return copied(old, new) | stream


def isometric(old: EncoderConfig, new: EncoderConfig) -> bool:
    """Whether the stream grows by an isometry; otherwise by copies."""
    return not old.biased and new.hidden_size != old.hidden_size


def copied(old: EncoderConfig, new: EncoderConfig) -> dict[str, Map]:
    """How those kinds of units grow that grow by copies."""
    embedded = _layer_norm(new.embedding_size, old.embedding_size)
    fed = maps.repeated(new.intermediate_size, old.intermediate_size)
    ones = torch.ones(new.hidden_size, dtype=torch.float64)
    mixed = maps.Copies(old=old.hidden_size, origin=heads.channels(old, new), scale=ones)
    units: dict[str, Map] = {
        **{f"{role} embedded": map_ for role, map_ in embedded.items()},
        "write predicting": maps.repeated(new.embedding_size, old.embedding_size),
        "read predicting": embedded["read"],
        "write attended": heads.attended(old, new),
        "read mixed": maps.shared(mixed),
        "write fed": fed,
        "read fed": maps.shared(fed),
        "write pooled": maps.repeated(new.hidden_size, old.hidden_size),
    }
    if not isometric(old, new):
        units |= {f"{role} hidden": map_ for role, map_ in _layer_norm(new.hidden_size, old.hidden_size).items()}
    return units


def _layer_norm(new: int, old: int) -> dict[str, Map]:
    """Features under LayerNorm: as many whole copies as there is room for; what is left holds their mean.

    The mean of all is then what it was, and the variance smaller by the share that holds the mean, which the gains
    make good. Nothing reads the mean. It is inexact because a LayerNorm's gains do not give the mean of its outputs.
    """
    copies = maps.repeated(new, old)
    left = new % old
    if not left:
        return {"write": copies, "gain": copies, "read": maps.shared(copies)}
    origin = copies.origin.clone()
    origin[new - left :] = -1
    matrix = torch.eye(old, dtype=torch.float64)[copies.origin]
    matrix[new - left :] = 1 / old
    read = maps.shared(maps.Copies(old=old, origin=origin, scale=copies.scale))
    return {"write": Mixture(matrix=matrix), "gain": Mixture(matrix=matrix * math.sqrt(1 - left / new)), "read": read}


def blocks(old: EncoderConfig, new: EncoderConfig) -> list[tuple[int, bool]]:
    """For each new block the old one that it stands for or follows, and whether it follows: a new block is added."""
    before, after = old.num_hidden_layers, new.num_hidden_layers
    origins = [place * before // after for place in range(after)]
    return [(origin, place > 0 and origins[place - 1] == origin) for place, origin in enumerate(origins)]


def renamed(name: str, old: EncoderConfig, new: EncoderConfig) -> list[tuple[str, bool]]:
    """The new names of an old parameter, and which of them belong to added blocks."""
    if not name.startswith("encoder.blocks."):
        return [(name, False)]
    _, _, number, rest = name.split(".", 3)
    found = [(place, added) for place, (origin, added) in enumerate(blocks(old, new)) if origin == int(number)]
    return [(f"encoder.blocks.{place}.{rest}", added) for place, added in found]
