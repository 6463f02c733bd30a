"""From w = <mu, x> to x: the tangent-normal decomposition x = w mu + sqrt(1 - w²) nu on the sphere.

nu is uniform among the unit vectors orthogonal to mu: the part of a normal vector orthogonal to mu, over its
length. The work is done in blocks of rows that stay in the processor's cache: no temporary is of full size.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from rosphere.sphere.compiling import untraced

_BLOCK = 1 << 17  # numbers
_PROJECT_TWICE_BELOW = 16


@untraced("draws in blocks of rows are not traced")
def rsample(loc: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """x [..., d] for unit vectors loc [..., d], w = cosine [...] and sine [...], with a new nu for each row.

    The derivative in loc is that under the smallest rotation, dx = w dmu - <x, dmu> mu. A rotation takes the
    law of one mu to that of another: it is unbiased, and of smaller variance than the derivative of the
    projection by which nu is made. The gradient in loc is tangent to the sphere.
    """
    draw: Tensor = _Draw.apply(loc, cosine.unsqueeze(-1), sine.unsqueeze(-1))  # type: ignore[no-untyped-call]
    return draw


class _Draw(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, loc: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        draw = torch.empty(loc.shape, dtype=loc.dtype, device=loc.device)
        for block in _blocks(draw, loc, cosine, sine):
            _fill(*block)
        ctx.save_for_backward(draw, loc, cosine, sine)
        return draw

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        draw, loc, cosine, sine = ctx.saved_tensors
        grad_cosine, grad_sine = torch.empty_like(cosine), torch.empty_like(sine)
        for block in _blocks(grad, draw, loc, cosine, sine, grad_cosine, grad_sine):
            _pull_back(*block)
        if not ctx.needs_input_grad[0]:
            return None, grad_cosine, grad_sine
        grad_loc = torch.empty_like(draw)
        for block in _blocks(grad_loc, grad, draw, cosine, grad_cosine):
            _pull_back_loc(*block)
        return grad_loc, grad_cosine, grad_sine


def _fill(draw: Tensor, loc: Tensor, cosine: Tensor, sine: Tensor) -> None:
    """Write w mu + sqrt(1 - w²) nu into draw.

    In few dimensions a normal vector may be so nearly parallel to mu that its part across has few digits:
    there that part is taken beforehand, and for d = 2 it is mu turned to the left or to the right.
    """
    if draw.shape[-1] == 2:
        side = torch.randint(0, 2, sine.shape, device=sine.device) * 2 - 1
        draw.copy_(side * torch.stack((-loc[..., 1], loc[..., 0]), dim=-1))
    else:
        draw.normal_()
    if draw.shape[-1] < _PROJECT_TWICE_BELOW:
        draw.addcmul_(_dot(draw, loc), loc, value=-1)
    along = _dot(draw, loc)
    length = torch.linalg.vector_norm(draw, dim=-1, keepdim=True)
    scale = sine / (length.square() - along.square()).sqrt()
    draw.mul_(scale).addcmul_(cosine - scale * along, loc)


def _pull_back(
    grad: Tensor,
    draw: Tensor,
    loc: Tensor,
    cosine: Tensor,
    sine: Tensor,
    grad_cosine: Tensor,
    grad_sine: Tensor,
) -> None:
    """Write the gradients <g, mu> and <g, nu>."""
    along = _dot(grad, loc)
    grad_cosine.copy_(along)
    grad_sine.copy_(torch.where(sine > 0, (_dot(grad, draw) - cosine * along) / sine, 0))


def _pull_back_loc(grad_loc: Tensor, grad: Tensor, draw: Tensor, cosine: Tensor, along: Tensor) -> None:
    """Write w g - <g, mu> x."""
    torch.mul(cosine, grad, out=grad_loc).addcmul_(along, draw, value=-1)


def _blocks(*tensors: Tensor) -> Iterable[tuple[Tensor, ...]]:
    """The same rows of all tensors; on other devices than the CPU, all of them."""
    shape = tensors[0].shape
    if tensors[0].device.type != "cpu" or len(shape) == 1:
        return [tensors]
    rows = max(1, _BLOCK // max(1, shape[1:].numel()))
    return zip(*(torch.split(tensor, rows) for tensor in tensors), strict=True)


def _dot(p: Tensor, q: Tensor) -> Tensor:
    """Not by matmul, which autocast would round."""
    return (p * q).sum(-1, keepdim=True)
