"""The activations that a config may name.

transformers' own, and smooth approximations of ReLU (rosphere.smoothing) with their numbers after colons:

    smooth_relu_gaussian:0.5                     ReLU under a Gaussian kernel of width 0.5
    smooth_relu_logistic:1                       SoftPlus; the width is 1/t of log(1 + exp(t x))/t
    smooth_leaky_relu_gaussian:0.5:0.25          SAU: LeakyReLU of slope 0.25
    smooth_relu_gaussian:0.5:learned             each layer learns its width, which starts at 0.5

transformers has none of the smooth ones: it cannot read the folder of a model that has one, we can.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rosphere import smoothing
from rosphere.errors import InputError

Activation = Callable[[Tensor], Tensor]

PLAIN: dict[str, Activation] = {
    "gelu": F.gelu,
    "gelu_new": partial(F.gelu, approximate="tanh"),
    "gelu_pytorch_tanh": partial(F.gelu, approximate="tanh"),
    "relu": F.relu,
    "silu": F.silu,
    "swish": F.silu,
}
SMOOTH = ("smooth_relu_gaussian", "smooth_relu_logistic", "smooth_leaky_relu_gaussian", "smooth_leaky_relu_logistic")
LEARNED = "learned"


class LearnedWidth(nn.Module):
    """A smooth activation whose width is a parameter, positive as the exponential of what is learned."""

    def __init__(self, function: Callable[..., Tensor], width: float) -> None:
        super().__init__()
        self.function = function
        self.log_width = nn.Parameter(torch.tensor([math.log(width)]))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, width=self.log_width.exp())


def activation(name: str) -> Activation:
    """The function, or the module if it learns, that ``hidden_act`` names; InputError if it names none."""
    if name in PLAIN:
        return PLAIN[name]
    word, *numbers = name.split(":")
    if word not in SMOOTH:
        smooth = ", ".join(f"{each}:WIDTH" for each in SMOOTH)
        raise InputError(f"hidden_act: expected one of {', '.join(PLAIN)}, {smooth}, got {name!r}")
    learned = numbers[-1:] == [LEARNED]
    wanted = ("width", "slope") if "leaky" in word else ("width",)
    values = dict(zip(wanted, _numbers(numbers[:-1] if learned else numbers, len(wanted), name), strict=True))
    given: dict[str, Any] = {"slope": values["slope"]} if "slope" in values else {}
    shape: Callable[..., Tensor] = smoothing.leaky_relu if given else smoothing.relu
    function = partial(shape, kernel=word.rsplit("_", 1)[1], **given)
    return LearnedWidth(function, values["width"]) if learned else partial(function, width=values["width"])


def _numbers(words: list[str], count: int, name: str) -> list[float]:
    form = "WIDTH" if count == 1 else "WIDTH:SLOPE"
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != count or not (0 < values[0] < math.inf and all(-1 < slope < 1 for slope in values[1:])):
        word = name.split(":")[0]
        expected = f"{word}:{form}, a width > 0{'' if count == 1 else ' and a slope between -1 and 1'}"
        raise InputError(f"hidden_act: expected {expected}, perhaps with :{LEARNED}, got {name!r}")
    return values
