"""Orthogonal maps T of R^d with T a = b for unit vectors a and b, applied in O(d) and stable at every angle.

With s = a + b, n = a - b and H_v = I - 2 v vᵀ / (v·v):

    T1 = H_b H_s     the rotation in the plane of a and b                      det +1
    T2 = H_n         the reflection (Householder), T b = a too                 det -1
    T3 = -H_s        the half turn about the bisector of a and b, T b = a too  det (-1)^{d-1}

These are I + 2baᵀ - ssᵀ/(1 + a·b), I - nnᵀ/(1 - a·b) and ssᵀ/(1 + a·b) - I (kexue.fm/archives/8453) without
their divisions. As a and b approach, n is a small difference of which rounding spares only the part
orthogonal to s; that part alone is used, and likewise for s when b approaches -a.

Where a and b do not determine T, a rule does: T2 at a = b reflects along, and T1 and T3 at a = -b turn about,
the part orthogonal to a of the first coordinate axis along which a is shortest. T a = b and det T hold there
too. Gradients are finite everywhere, and zero through the chosen axis; near these points they grow as
1/|n| or 1/|s|, as the derivatives of the maps do.

x, a and b are [..., d] with d >= 2, broadcast; only the directions of a and b count. ValueError for a or b of
length zero or not finite, for d < 2 and for integer dtypes. float16 and bfloat16 are computed in float32; the
result has x's dtype.
"""

from typing import Literal

import torch
from torch import Tensor

Kind = Literal["T1", "T2", "T3"]


def rotate(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """T1 x: the rotation in the plane of a and b that takes a to b."""
    point, a, b = _prepared(x, a, b)
    return _householder(_householder(point, _bisector(a, b)), b).to(x.dtype)


def reflect(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """T2 x: the reflection that exchanges a and b."""
    point, a, b = _prepared(x, a, b)
    return _householder(point, _bisector(a, -b)).to(x.dtype)


def half_turn(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """T3 x: keeps the bisector of a and b, turns everything orthogonal to it round; exchanges a and b."""
    point, a, b = _prepared(x, a, b)
    return -_householder(point, _bisector(a, b)).to(x.dtype)


def matrix(a: Tensor, b: Tensor, kind: Kind = "T1") -> Tensor:
    """The matrix [..., d, d] of the map, T a = b."""
    maps = {"T1": rotate, "T2": reflect, "T3": half_turn}
    if kind not in maps:
        raise ValueError(f"kind: expected one of {', '.join(maps)}, got {kind!r}")
    axes = torch.eye(a.shape[-1], dtype=torch.promote_types(a.dtype, b.dtype), device=a.device)
    return maps[kind](axes, a.unsqueeze(-2), b.unsqueeze(-2)).mT


def _prepared(x: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """All three in one dtype of at least float32, a and b of length 1."""
    for name, tensor in (("x", x), ("a", a), ("b", b)):
        if not tensor.is_floating_point():
            raise ValueError(f"{name}: expected a floating dtype, got {tensor.dtype}")
        if tensor.dim() < 1 or tensor.shape[-1] != x.shape[-1] or tensor.shape[-1] < 2:
            expected = "shape [..., d] with one d >= 2 for x, a and b"
            raise ValueError(f"{name}: expected {expected}, got {list(tensor.shape)}")
    dtype = torch.float32
    for tensor in (x, a, b):
        dtype = torch.promote_types(dtype, tensor.dtype)
    return x.to(dtype), _direction("a", a.to(dtype)), _direction("b", b.to(dtype))


def _direction(name: str, vectors: Tensor) -> Tensor:
    """Over the length; over the largest component first, so that no square is too large or too small."""
    largest = vectors.detach().abs().amax(-1, keepdim=True)
    bad = (~((largest > 0) & largest.isfinite())).reshape(-1).nonzero()
    if len(bad):
        row = vectors.detach().reshape(-1, vectors.shape[-1])[bad[0, 0]]
        raise ValueError(f"{name}: expected finite vectors other than 0, got {_shown(row)} in row {int(bad[0])}")
    scaled = vectors / largest
    unit: Tensor = scaled / torch.linalg.vector_norm(scaled, dim=-1, keepdim=True)
    return unit


def _shown(vector: Tensor) -> str:
    start = ", ".join(f"{number:g}" for number in vector[:4].tolist())
    return f"[{start}{', ...' if len(vector) > 4 else ''}]"


def _householder(x: Tensor, normal: Tensor) -> Tensor:
    return x - 2 * _dot(x, normal) / _dot(normal, normal) * normal


def _bisector(a: Tensor, b: Tensor) -> Tensor:
    """A vector along a + b, to full precision also where that is small; across a where it is lost."""
    total, difference = a + b, a - b
    small = _dot(a, b) < 0
    length = torch.where(small, _dot(difference, difference), 1)
    total = total - torch.where(small, _dot(total, difference) / length, 0) * difference
    lost = _dot(total, total).detach().sqrt() <= 4 * torch.finfo(a.dtype).eps
    return torch.where(lost, _orthogonal_axis(a.detach()).expand_as(total), total)


def _orthogonal_axis(a: Tensor) -> Tensor:
    axis = torch.zeros_like(a).scatter(-1, a.abs().argmin(-1, keepdim=True), 1)
    return axis - _dot(axis, a) * a


def _dot(p: Tensor, q: Tensor) -> Tensor:
    return (p * q).sum(-1, keepdim=True)
