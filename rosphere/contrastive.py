"""Contrastive losses over large batches, with the exact gradient in the memory of a chunk.

Every loss here is a function of the similarity matrix of all N vectors, so gradients of chunks cannot be added up.
But dL/dh_i of every vector is cheap once all vectors are known, and the rest is the chain rule: encode all chunks
without a graph, take dL/dh, encode chunk by chunk again with a graph and backpropagate <h, dL/dh>
(Gao et al. 2021, arXiv 2101.06983; Su 2021, kexue.fm/archives/8471). Dropout spoils this, for the second pass draws
other masks, unless each chunk sees again the random state of its first pass: then it is exact.

Beyond both: a chunk's own per-token losses ride along in the second pass and cost nothing in the first; the last
chunk keeps its graph, so that k chunks take k - 1 extra forward passes; several processes see one another's vectors.
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

from rosphere.processes import Processes

Chunk = TypeVar("Chunk")
Own = Tensor | Callable[[], Tensor]
Encode = Callable[[Chunk], Tensor | tuple[Tensor, Own]]
Loss = Callable[[Tensor], Tensor]


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
    loss: Loss,
    *,
    backward: Callable[[Tensor], None] = Tensor.backward,
    processes: Processes | None = None,
) -> tuple[Tensor, Tensor]:
    """Backpropagates loss(all vectors) + sum of the chunks' own losses; returns the two values, detached.

    encode(chunk) gives vectors [n, d], or (vectors, own): own is what the chunk contributes to any per-token loss, a
    scalar already divided by the whole batch's count, or a function without arguments that works it out. A function
    is called once per chunk, with a graph; what it draws at random must come after what the vectors draw.
    loss takes the vectors of all chunks [N, d], in order.

    With several ``processes``, chunks are this one's share of the batch and loss takes the vectors of all of them, by
    rank. Gradients, and the two values, are then parts that add up to the whole.
    """
    group = processes or Processes()
    states, parts = [], []
    with torch.no_grad():
        for chunk in chunks[:-1]:
            states.append(RandomState())
            parts.append(_vectors(encode(chunk)))
    # Autocast keeps the low-precision copies of weights made above, which carry no graph.
    torch.clear_autocast_cache()
    last = encode(chunks[-1])
    value, gradients = _loss_and_gradients(loss, [*parts, _vectors(last).detach()], group)
    total = _descend(last, gradients[-1], backward)
    del last  # or its graph would outlive the second passes
    for chunk, state, gradient in zip(chunks, states, gradients, strict=False):
        with state.replayed():
            total = total + _descend(encode(chunk), gradient, backward)
    return value / group.count, total


def gradient_error(encode: Encode[Chunk], chunks: Sequence[Chunk], loss: Loss, parameters: Sequence[Tensor]) -> float:
    """|accumulated gradient - gradient of one graph| / |gradient of one graph|, under the same random draws.

    A self-check that takes the memory of the whole batch. Leaves gradients and random states as it found them.
    """
    kept, state = [parameter.grad for parameter in parameters], RandomState()
    found = []
    for backpropagate in (_in_one_graph, accumulate):
        for parameter in parameters:
            parameter.grad = None
        with state.replayed():
            backpropagate(encode, chunks, loss)
        found.append(torch.cat([(p.grad if p.grad is not None else p * 0).flatten() for p in parameters]).detach())
    for parameter, gradient in zip(parameters, kept, strict=True):
        parameter.grad = gradient
    one, other = (gradient.double() for gradient in found)
    return float((other - one).norm() / one.norm())


def _in_one_graph(encode: Encode[Chunk], chunks: Sequence[Chunk], loss: Loss) -> None:
    both = [_both(encode(chunk)) for chunk in chunks]
    torch.clear_autocast_cache()
    whole = loss(torch.cat([vectors for vectors, _ in both]))
    torch.autograd.backward(whole + torch.stack([_called(own, vectors) for vectors, own in both]).sum())


def _loss_and_gradients(loss: Loss, parts: Sequence[Tensor], group: Processes) -> tuple[Tensor, Sequence[Tensor]]:
    """The loss over the vectors of all processes, and dL/dh of each of this one's chunks."""
    mine = torch.cat(list(parts))
    whole, first = group.gather(mine)
    whole = whole.detach().requires_grad_()
    with torch.enable_grad():
        value = loss(whole)
    gradient = torch.autograd.grad(value, whole)[0][first : first + len(mine)]
    return value.detach(), torch.split(gradient, [len(part) for part in parts])


def _descend(encoded: Tensor | tuple[Tensor, Own], gradient: Tensor, backward: Callable[[Tensor], None]) -> Tensor:
    """Backpropagates <vectors, gradient> + own; returns own, detached."""
    vectors, own = _both(encoded)
    rest = _called(own, vectors)
    backward((vectors * gradient).sum() + rest)
    return rest.detach()


def _both(encoded: Tensor | tuple[Tensor, Own]) -> tuple[Tensor, Own | None]:
    return (encoded, None) if isinstance(encoded, Tensor) else encoded


def _vectors(encoded: Tensor | tuple[Tensor, Own]) -> Tensor:
    return _both(encoded)[0]


def _called(own: Own | None, like: Tensor) -> Tensor:
    if own is None:
        return torch.zeros((), device=like.device)
    return own if isinstance(own, Tensor) else own()


def info_nce(vectors_ND: Tensor, *, scale: float) -> Tensor:
    """Cross entropy of finding each vector's partner among all others by cosine.

    Rows 2i and 2i + 1 are partners; a vector is no candidate for itself. L = -mean_i log softmax_j(scale cos_ij).
    """
    unit = _unit(vectors_ND)
    similarity = _products(scale * unit, unit)
    similarity = similarity.masked_fill(torch.eye(len(unit), dtype=torch.bool, device=unit.device), -torch.inf)
    return F.cross_entropy(similarity, torch.arange(len(unit), device=unit.device) ^ 1)


def cosent(vectors_ND: Tensor, scores_P: Tensor, *, scale: float) -> Tensor:
    """log(1 + sum over pairs p, q with score_p > score_q of exp(scale (cos_q - cos_p))).

    Rows 2p and 2p + 1 are pair p with its score [P]: only the order of the scores counts, as in Spearman's
    correlation (Su 2022, kexue.fm/archives/8847).
    """
    unit = _unit(vectors_ND)
    cosines = scale * (unit[0::2] * unit[1::2]).sum(-1)
    differences = cosines[None, :] - cosines[:, None]
    wrong = differences[scores_P[:, None] > scores_P[None, :]]
    return torch.cat((wrong.new_zeros(1), wrong)).logsumexp(0)


def similarity_distillation(vectors_ND: Tensor, teacher_ND: Tensor, *, weight: float) -> Tensor:
    """weight / N^2 sum_ij (cos(u_i, u_j) - cos(v_i, v_j))^2 (kexue.fm/archives/8454)."""
    unit, goal = _unit(vectors_ND), _unit(teacher_ND)
    return weight * F.mse_loss(_products(unit, unit), _products(goal, goal))


def neighbour_distillation(vectors_ND: Tensor, teacher_ND: Tensor, *, weight: float, scale: float) -> Tensor:
    """weight / N sum_i KL(p_i | q_i), p_i and q_i the teacher's and the student's softmax_{j != i}(scale cos_ij).

    Most pairs of a batch have nothing in common, and what a teacher's cosines say of them is mostly its own habit.
    The squared error spends itself on that; here near sentences count the more, the nearer they are
    (SEED: Fang et al. 2021, arXiv 2101.04731, with the batch in place of a queue).
    """
    student, teacher = (_log_softmax_of_others(each, scale) for each in (vectors_ND, teacher_ND))
    return weight * F.kl_div(student, teacher, reduction="batchmean", log_target=True)


def _log_softmax_of_others(vectors_ND: Tensor, scale: float) -> Tensor:
    """[N, N - 1] log probabilities by the scaled cosines with all other vectors."""
    unit = _unit(vectors_ND)
    others = ~torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    return _products(scale * unit, unit)[others].view(len(unit), -1).log_softmax(-1)


def _products(one_ND: Tensor, other_MD: Tensor) -> Tensor:
    """Inner products [N, M] in the precision of the vectors, in autocast too.

    bf16 has 8 bits: of the difference between a student and a teacher who nearly agree it leaves nothing.
    """
    with torch.autocast(one_ND.device.type, enabled=False):
        return one_ND @ other_MD.T


def _unit(vectors_ND: Tensor) -> Tensor:
    """Unit rows, in float32 where they come in less."""
    return F.normalize(vectors_ND.to(torch.promote_types(vectors_ND.dtype, torch.float32)), dim=-1)
