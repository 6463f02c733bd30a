"""How the units of one kind grow: a matrix M [new, old] that is never written out where one entry a row is enough.

A unit is one feature of the residual stream, one channel of a head, one feed-forward unit. What writes units grows by
its rows, W' = M W, what reads them by its columns, W' = W M'. The gradients then grow by the *dual* of M,

    D = M (M'M)^-1,   D'M = 1,

wherever they stay in the span of M's columns (docs/widening.md, lemma 8). All M here have orthogonal columns, but for
the inexact width of a LayerNorm, so that D is M with every column divided by its squared length.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Copies:
    """New unit i is scale[i] times old unit origin[i]; origin -1: no old unit, the new one starts at zero."""

    old: int
    origin: Tensor  # [new], int64
    scale: Tensor  # [new], float64; of origin -1: that of its neighbours, whose learning rate it shares


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """New units as sums of old ones."""

    matrix: Tensor  # [new, old], float64


Map = Copies | Mixture


def repeated(new: int, old: int) -> Copies:
    """New unit i is old unit i modulo their number."""
    return Copies(old=old, origin=torch.arange(new) % old, scale=torch.ones(new, dtype=torch.float64))


def shared(units: Copies) -> Copies:
    """What reads copies: their reciprocal number each, so that the copies of a unit are read as the unit was."""
    counts = torch.bincount(units.origin[units.origin >= 0], minlength=units.old).double()
    return Copies(old=units.old, origin=units.origin, scale=1 / counts[units.origin])


def same(map_: Map) -> bool:
    """Whether nothing changes."""
    if isinstance(map_, Mixture):
        return False
    return len(map_.origin) == map_.old and bool((map_.origin == torch.arange(map_.old)).all() and _plain(map_))


def apply(map_: Map, tensor: Tensor, dim: int) -> Tensor:
    """M along one dimension of ``tensor``, reckoned in float64 unless rows are only repeated."""
    if isinstance(map_, Mixture):
        mixed: Tensor = torch.tensordot(map_.matrix, tensor.double(), ([1], [dim])).movedim(0, dim)
        return mixed.to(tensor.dtype)
    wide = tensor.index_select(dim, map_.origin.clamp(min=0))
    if not _plain(map_):
        shape = [-1 if axis == dim % tensor.dim() else 1 for axis in range(tensor.dim())]
        wide = (wide.double() * map_.scale.view(shape)).to(tensor.dtype)
    return wide.index_fill_(dim, (map_.origin < 0).nonzero().flatten(), 0)


def dual(map_: Map) -> Map:
    """The map of gradients that belongs to a map of weights."""
    if isinstance(map_, Mixture):
        return Mixture(matrix=map_.matrix / map_.matrix.square().sum(0))
    there = map_.origin >= 0
    lengths = torch.zeros(map_.old, dtype=torch.float64)
    lengths.index_add_(0, map_.origin[there], map_.scale[there].square())
    return Copies(old=map_.old, origin=map_.origin, scale=map_.scale / lengths[map_.origin])


def squared(map_: Map) -> Map:
    """Entry by entry: what independent random numbers' variances grow by."""
    if isinstance(map_, Mixture):
        return Mixture(matrix=map_.matrix.square())
    return Copies(old=map_.old, origin=map_.origin, scale=map_.scale.square())


def multiplier(map_: Map) -> Tensor:
    """[new]: how much larger a new unit's entries are than those it is made of; isometries: on average over units."""
    if isinstance(map_, Mixture):
        return map_.matrix.square().sum(1).mean().sqrt().expand(len(map_.matrix))
    return map_.scale


def _plain(map_: Copies) -> bool:
    return bool((map_.scale == 1).all())
