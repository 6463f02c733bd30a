"""What the distributions on the sphere accept, and what they say when they refuse."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints


class UnitVector(constraints.Constraint):
    """Vectors of length 1, up to what rounding in their dtype explains."""

    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        return (length(value) - 1).abs() <= tolerance(value.dtype)


unit_vector = UnitVector()


def length(vectors: Tensor) -> Tensor:
    """Euclidean length over the last dimension, at least in float32."""
    norm: Tensor = torch.linalg.vector_norm(vectors, dim=-1, dtype=working(vectors.dtype))
    return norm


def working(dtype: torch.dtype) -> torch.dtype:
    """The dtype to compute in: float32 for the half ones."""
    return torch.promote_types(dtype, torch.float32)


def tolerance(dtype: torch.dtype) -> float:
    """By how much a length may miss 1; rows normalised in float32 and then cast to float64 must pass too."""
    return max(1e-5, torch.finfo(dtype).eps)


def check_floating(name: str, value: Tensor) -> None:
    if not value.is_floating_point():
        raise ValueError(f"{name}: expected a floating dtype, got {value.dtype}")


def batch_shape(loc: Tensor, concentration: Tensor) -> torch.Size:
    """The shape of the batch, from loc [..., d] and concentration [...]."""
    if loc.dim() < 1 or loc.shape[-1] < 2:
        raise ValueError(f"loc: expected shape [..., d] with d >= 2, got {list(loc.shape)}")
    if loc.dim() > 1 and concentration.shape == (*loc.shape[:-1], 1):  # it would broadcast, to a batch of [B, B]
        raise ValueError(
            f"concentration: expected {list(loc.shape[:-1])}, one for each row of loc, "
            f"got {list(concentration.shape)}; concentration.squeeze(-1) is that"
        )
    try:
        return broadcast(loc.shape[:-1], concentration.shape)
    except RuntimeError as error:
        expected = f"a shape that broadcasts with {list(loc.shape[:-1])} (loc is {list(loc.shape)})"
        raise ValueError(f"concentration: expected {expected}, got {list(concentration.shape)}") from error


def broadcast(*shapes: Sequence[int]) -> torch.Size:
    shape: torch.Size = torch.broadcast_shapes(*shapes)  # type: ignore[no-untyped-call]
    return shape


def refuse_vmap(*given: Tensor) -> None:
    """Raises ValueError for tensors inside torch.vmap, which transforms neither our Bessel functions' derivatives nor
    draws by rejection: both take batches as they are.
    """
    if any(torch._C._functorch.is_batchedtensor(each) for each in given):
        raise ValueError("torch.vmap is not supported; give the whole batch at once: all methods take batches")


def check_unit(name: str, vectors: Tensor) -> None:
    """Refuse rows that are not of length 1, naming the worst."""
    rows = vectors.detach().reshape(-1, vectors.shape[-1])
    error = (length(rows) - 1).abs().nan_to_num(nan=math.inf)
    if len(rows) and error.max() > tolerance(vectors.dtype):
        row = int(error.argmax())
        got = f"{float(length(rows[row].double())):.7g} in row {row}"
        raise ValueError(f"{name}: expected rows of length 1, got {got}")


def check_concentration(concentration: Tensor) -> None:
    rows = concentration.detach().reshape(-1)
    bad = (~((rows >= 0) & rows.isfinite())).nonzero()
    if len(bad):
        got = f"{float(rows[bad[0]])} in row {int(bad[0])}"
        raise ValueError(f"concentration: expected finite values >= 0, got {got}")


def check_one_sphere(p: Distribution, q: Distribution) -> None:
    if p.event_shape != q.event_shape:
        dims = f"{p.event_shape[0]} and {q.event_shape[0]}"
        raise ValueError(f"KL: expected two laws on one sphere, got dimensions {dims}")
