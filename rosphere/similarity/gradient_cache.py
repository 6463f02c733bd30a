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

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from rosphere.randomness.state import RandomState
from rosphere.training.processes import Processes

Chunk = TypeVar("Chunk")
Own = Tensor | Callable[[], Tensor]
Encode = Callable[[Chunk], Tensor | tuple[Tensor, Own]]
Loss = Callable[[Tensor], Tensor]


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
