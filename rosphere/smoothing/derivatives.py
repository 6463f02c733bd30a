"""The few functions of a kernel that all closed forms are made of, and their derivatives in x and in the width.

With the kernel's density k_w(x) = k(x / w) / w and its distribution function K, for t = |x| / w:

    step    K(x / w)                      relu  max(x, 0) + excess     sign  2 step - 1, right near 0
    tail    K(-t)                         abs   |x| + 2 excess         density
    excess  w (E(-t)), E' = K             what smoothing adds to a hinge; even, like tail

tail and excess keep their relative precision as far as the dtype has numbers. Where x crosses 0 they have a kink, which
belongs to the unsmoothed function they are added to: there the derivatives are those of the right-hand side, as if 0
were positive. All are differentiable any number of times in x and in the width, and forward and backward are made of
plain tensor operations that torch.compile fuses. float16 and bfloat16 are computed in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Literal

import torch
from torch import Tensor

from rosphere.smoothing import cauchy, gaussian, logistic
from rosphere.smoothing.width import Width, checked

Kernel = Literal["gaussian", "logistic", "cauchy"]
Of = Callable[[str], Tensor]

KERNELS: dict[str, ModuleType] = {"gaussian": gaussian, "logistic": logistic, "cauchy": cauchy}
_INTEGRABLE = ("gaussian", "logistic")
_BLOCK = 1 << 15


def evaluated(name: str, x: Tensor, kernel: Kernel, width: Width) -> Tensor:
    """One of the functions above at x, in x's dtype; the width may be a tensor that broadcasts with x.

    ValueError for an x that is not floating, an unknown kernel or width, and for a hinge under Cauchy's kernel.
    """
    if not x.is_floating_point():
        raise ValueError(f"x: expected a floating dtype, got {x.dtype}")
    require(kernel, hinge=name in ("relu", "abs", "excess"))
    working = torch.promote_types(x.dtype, torch.float32)
    z = x.to(working)
    if isinstance(width, Tensor):
        z, width = torch.broadcast_tensors(z, width.to(working))  # type: ignore[no-untyped-call]
    value: Tensor = _Function.apply(z, checked(width), kernel, name)  # type: ignore[no-untyped-call]
    return value.to(x.dtype)


def require(kernel: str, *, hinge: bool) -> None:
    if kernel not in KERNELS:
        raise ValueError(f"kernel: expected one of {', '.join(KERNELS)}, got {kernel!r}")
    if hinge and kernel not in _INTEGRABLE:
        raise ValueError(f"kernel: expected one of {', '.join(_INTEGRABLE)}, got {kernel!r}: its integral diverges")


class _Function(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, width: Width, kernel: str, name: str) -> Tensor:
        return _values(name, x, width, KERNELS[kernel])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Width, str, str], output: Tensor) -> None:
        x, width, ctx.kernel, ctx.name = inputs
        learned = isinstance(width, Tensor)
        ctx.width = None if learned else width
        ctx.save_for_backward(x, *((width,) if learned else ()))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, *others = ctx.saved_tensors
        width = others[0] if others else ctx.width
        module = KERNELS[ctx.kernel]

        def of(name: str) -> Tensor:
            if not torch.is_grad_enabled():
                return _values(name, x, width, module)
            value: Tensor = _Function.apply(x, width, ctx.kernel, name)  # type: ignore[no-untyped-call]
            return value

        by_x = grad * _slope(ctx.name, x, width, of, module) if ctx.needs_input_grad[0] else None
        by_width = grad * _width_slope(ctx.name, x, width, of, module) if ctx.needs_input_grad[1] else None
        return by_x, by_width, None, None


def _values(name: str, x: Tensor, width: Width, module: ModuleType) -> Tensor:
    """The values; where nothing fuses the operations on a CPU, in blocks that stay in its cache."""
    if torch.compiler.is_compiling() or not x.is_cpu or isinstance(width, Tensor) or x.numel() <= _BLOCK:
        return _value(name, x, width, module)
    blocks = x.reshape(-1).split(_BLOCK)  # type: ignore[no-untyped-call]
    return torch.cat([_value(name, block, width, module) for block in blocks]).view(x.shape)


def _value(name: str, x: Tensor, width: Width, module: ModuleType) -> Tensor:
    match name:
        case "relu":
            return torch.add(x.clamp(min=0), module.excess(x, width))
        case "abs":
            return torch.add(x.abs(), module.excess(x, width), alpha=2)
        case "step":
            tail = module.tail(x, width)
            return torch.where(x >= 0, 1 - tail, tail)
    value: Tensor = getattr(module, name)(x, width)
    return value


def _slope(name: str, x: Tensor, width: Width, of: Of, module: ModuleType) -> Tensor:
    """The derivative in x."""
    match name:
        case "relu":
            return of("step")
        case "abs":
            return of("sign")
        case "excess" | "tail":
            slope = of("tail" if name == "excess" else "density")
            return torch.where(x >= 0, -slope, slope)
        case "step":
            return of("density")
        case "sign":
            return 2 * of("density")
    return _times(module.score(x / width), of("density")) / width


def _width_slope(name: str, x: Tensor, width: Width, of: Of, module: ModuleType) -> Tensor:
    """The derivative in the width."""
    match name:
        case "relu" | "excess":
            return _spread(x, width, of, module)
        case "abs":
            return 2 * _spread(x, width, of, module)
        case "tail":
            return _times(_size(x) / width, of("density"))
        case "step":
            return _times(-x / width, of("density"))
        case "sign":
            return _times(-2 * x / width, of("density"))
    z = x / width
    density = of("density")
    return -(density + _times(z * module.score(z), density)) / width


def _spread(x: Tensor, width: Width, of: Of, module: ModuleType) -> Tensor:
    """E(-t) + t K(-t), which for the Gaussian is w times the density."""
    if module is gaussian:
        return width * of("density")
    return of("excess") / width + _times(_size(x) / width, of("tail"))


def _times(factor: Tensor, vanishing: Tensor) -> Tensor:
    """The product, 0 where the second factor is 0 though the first may be infinite."""
    return torch.where(vanishing == 0, vanishing, factor * vanishing)


def _size(x: Tensor) -> Tensor:
    """|x| with the right-hand derivative at 0."""
    return torch.where(x >= 0, x, -x)
