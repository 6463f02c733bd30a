"""What torch.compile leaves alone."""

from collections.abc import Callable
from typing import TypeVar, cast

import torch

_Function = TypeVar("_Function", bound=Callable[..., object])


def untraced(reason: str) -> Callable[[_Function], _Function]:
    """Decorates a function that is always run as it stands: a break of the graph, with the same values and gradients.

    `reason` is what torch.compile(fullgraph=True) says, which refuses it.
    """

    def untraced_(function: _Function) -> _Function:
        return cast(_Function, torch.compiler.disable(function, reason=reason))  # type: ignore[no-untyped-call]

    return untraced_
