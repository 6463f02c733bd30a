"""Contrastive losses over large batches, with the exact gradient in the memory of a chunk.

Every loss here is a function of the similarity matrix of all N vectors, so gradients of chunks cannot be added up.
But dL/dh_i of every vector is cheap once all vectors are known, and the rest is the chain rule: encode all chunks
without a graph, take dL/dh, encode chunk by chunk again with a graph and backpropagate <h, dL/dh>
(Gao et al. 2021, arXiv 2101.06983; Su 2021, kexue.fm/archives/8471). Dropout spoils this, for the second pass draws
other masks, unless each chunk sees again the random state of its first pass: then it is exact.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Chunk = TypeVar("Chunk")
Encode = Callable[[Chunk], tuple[Tensor, Tensor]]


class RandomState:
    """The random states of Python, NumPy and torch (CPU and the current CUDA device) at one moment."""

    def __init__(self) -> None:
        self.python: Any = random.getstate()
        self.numpy: Any = np.random.get_state()
        self.torch = torch.get_rng_state()
        self.cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None

    def restore(self) -> None:
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.torch)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda)

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Runs the block from this state, then goes on from where the surroundings were."""
        now = RandomState()
        self.restore()
        try:
            yield
        finally:
            now.restore()


def accumulate(
    encode: Encode[Chunk],
    chunks: Sequence[Chunk],
    loss: Callable[[Tensor], Tensor],
    *,
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> tuple[Tensor, Tensor]:
    """Backpropagates loss(all vectors) + sum of the chunks' own losses; returns the two values, detached.

    encode(chunk) gives vectors [n, d] and a scalar: what the chunk contributes to any per-token loss, already divided
    by the whole batch's count (0 where there is none). loss takes the vectors of all chunks [N, d], in order.
    """
    if len(chunks) == 1:
        vectors, own = encode(chunks[0])
        value = loss(vectors)
        backward(value + own)
        return value.detach(), own.detach()
    states, parts = [], []
    with torch.no_grad():
        for chunk in chunks:
            states.append(RandomState())
            parts.append(encode(chunk)[0])
    # Autocast keeps the low-precision copies of weights made above, which carry no graph.
    torch.clear_autocast_cache()
    vectors = torch.cat(parts).requires_grad_()
    value = loss(vectors)
    gradients = torch.split(torch.autograd.grad(value, vectors)[0], [len(part) for part in parts])
    total = torch.zeros((), device=vectors.device)
    for chunk, state, gradient in zip(chunks, states, gradients, strict=True):
        with state.replayed():
            again, own = encode(chunk)
        backward((again * gradient).sum() + own)
        total = total + own.detach()
    return value.detach(), total


def info_nce(vectors_ND: Tensor, *, scale: float) -> Tensor:
    """Cross entropy of finding each vector's partner among all others by cosine.

    Rows 2i and 2i + 1 are partners; a vector is no candidate for itself. L = -mean_i log softmax_j(scale cos_ij).
    """
    unit = _unit(vectors_ND)
    similarity = scale * unit @ unit.T
    similarity = similarity.masked_fill(torch.eye(len(unit), dtype=torch.bool, device=unit.device), -torch.inf)
    return F.cross_entropy(similarity, torch.arange(len(unit), device=unit.device) ^ 1)


def similarity_distillation(vectors_ND: Tensor, teacher_ND: Tensor, *, weight: float) -> Tensor:
    """weight / N^2 sum_ij (cos(u_i, u_j) - cos(v_i, v_j))^2 (kexue.fm/archives/8454)."""
    unit, goal = _unit(vectors_ND), _unit(teacher_ND)
    return weight * F.mse_loss(unit @ unit.T, goal @ goal.T)


def _unit(vectors_ND: Tensor) -> Tensor:
    """Unit rows, in float32 where they come in less."""
    return F.normalize(vectors_ND.to(torch.promote_types(vectors_ND.dtype, torch.float32)), dim=-1)
