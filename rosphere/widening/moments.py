"""Adam's state grown along with the weights, so that training goes on as if nothing had happened.

Weights grow by maps of rows and columns, W' = R W C' (maps.py), and their gradients, in the span of those maps, by the
dual maps. The first moment is linear in the gradients and grows as they do; the second, a mean of squares, by the
squares of the dual maps' entries. For copies in equal shares each row of a map has one entry. A grown entry c W with n
copies then has moments m / (n c) and v / (n c)², and Adam, whose step is lr m / (sqrt(v) + eps), moves it as it should,
by c times the old step, if its learning rate is c lr, its epsilon eps / (n c) and its weight decay decay / c. They
are its ``Multipliers``. (lr times decay, by which AdamW shrinks a weight, is then what it was.)

Exact where ``widen`` was exact without noise and all entries of a parameter have one c (``spread`` is 1). Not exact:

- with noise, or dropout: copies no longer have one gradient;
- in an isometry (RMSNorm): Adam does not commute with rotations. The first moment is exact without noise, the second
  what it would be if gradients were independent;
- where nothing was before, that is in the free slots of larger heads and in added blocks: moments are 0, with the step
  count of all, so that Adam's first steps there are up to (1 - b1) / sqrt(1 - b2) = 3.2 times as long as later ones;
- a bound on the norm of the whole gradient: this norm is not what it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.widening import maps, plan
from rosphere.widening.maps import Map

Moments = dict[str, dict[str, Tensor]]  # by the name of a parameter: exp_avg and exp_avg_sq, of its shape


@dataclass(frozen=True, kw_only=True)
class Multipliers:
    """What to multiply a parameter's settings by, so that AdamW moves it as its original.

    ``spread``: the largest over the smallest multiplier that entries of this one parameter need for their learning
    rate. Where it is not 1 (copies in different numbers; q beside k and v in the fused projection of larger heads),
    one number cannot do, and all are geometric means over the entries; ``entrywise`` has what each of them needs.
    """

    learning_rate: float
    weight_decay: float
    epsilon: float
    spread: float


def grow_moments(
    state: Mapping[str, Mapping[str, Tensor]], old: EncoderConfig, new: EncoderConfig, *, seed: int = 0
) -> Moments:
    """The moments of a model grown from ``old`` to ``new``, by the names of its parameters, in the dtypes given.

    state: of the small model. Parameters without state, such as a pooler that nothing trains, stay without.
    seed: the one given to ``widen``.

    Raises:
        InputError: a name is no parameter of the small model, or moments do not have its shape.
    """
    small, wide = _shapes(old), _shapes(new)
    units = {name: maps.dual(map_) for name, map_ in plan.growth(old, new, seed).items()}
    squares = {name: maps.squared(map_) for name, map_ in units.items()}
    grown: Moments = {}
    for name, moments in state.items():
        first, second = (_checked(name, kind, moments, small) for kind in ("exp_avg", "exp_avg_sq"))
        pair = {"exp_avg": _grown(name, first, units), "exp_avg_sq": _grown(name, second, squares)}
        for place, added in plan.renamed(name, old, new):
            grown[place] = {kind: torch.zeros_like(tensor) if added else tensor for kind, tensor in pair.items()}
    like = next(iter(grown.values()), {"exp_avg": torch.zeros(0)})["exp_avg"]
    for name, shape in wide.items():
        if name not in small and name not in grown:  # a projection that was not there before
            grown[name] = {kind: like.new_zeros(shape) for kind in ("exp_avg", "exp_avg_sq")}
    return grown


def multipliers(old: EncoderConfig, new: EncoderConfig) -> dict[str, Multipliers]:
    """For every parameter of the model grown from ``old`` to ``new``, a pooler included."""
    units = plan.growth(old, new, 0)  # lengths only, which no isometry changes
    weights = {name: maps.multiplier(map_) for name, map_ in units.items()}
    gradients = {name: maps.multiplier(maps.dual(map_)) for name, map_ in units.items()}
    return {name: _multipliers(name, weights, gradients) for name in _shapes(new)}


def learning_rates(old: EncoderConfig, new: EncoderConfig) -> dict[str, float]:
    """By parameter: how many times the old learning rate. Writers keep it; readers of k copies need 1 / k of it.

    (This is the rule of muP, Yang et al. 2022, arXiv 2203.03466, for Adam.) Geometric means where the
    ``spread`` is not 1.
    """
    return {name: each.learning_rate for name, each in multipliers(old, new).items()}


def entrywise(old: EncoderConfig, new: EncoderConfig) -> dict[str, Tensor]:
    """The exact multipliers of the learning rate, for every entry of every parameter, float64, broadcast."""
    units = {name: maps.multiplier(map_) for name, map_ in plan.growth(old, new, 0).items()}
    return {name: _product(name, shape, units) for name, shape in _shapes(new).items()}


def _shapes(config: EncoderConfig) -> dict[str, torch.Size]:
    with torch.device("meta"):
        model = MaskedLanguageModel(config, pooler=True)
    return {name: parameter.shape for name, parameter in model.named_parameters()}


def _checked(name: str, kind: str, moments: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]) -> Tensor:
    if name not in shapes:
        raise InputError(f"moments of {name}: the small model has no such parameter")
    if kind not in moments:
        raise InputError(f"moments of {name}: expected exp_avg and exp_avg_sq, got {', '.join(moments) or 'none'}")
    if moments[kind].shape != shapes[name]:
        raise InputError(
            f"moments of {name}: {kind} has shape {tuple(moments[kind].shape)}, expected {tuple(shapes[name])}"
        )
    return moments[kind]


def _grown(name: str, tensor: Tensor, units: Mapping[str, Map]) -> Tensor:
    device = tensor.device
    for dim, units_of in enumerate(plan.axes(name)):
        if units_of:
            tensor = maps.apply(units[units_of], tensor.cpu(), dim)
    return tensor.to(device, copy=True)


def _multipliers(name: str, weights: Mapping[str, Tensor], gradients: Mapping[str, Tensor]) -> Multipliers:
    rate = epsilon = spread = 1.0
    for units in plan.axes(name):
        if units:
            rate *= weights[units].log().mean().exp().item()
            epsilon *= gradients[units].log().mean().exp().item()
            spread *= (weights[units].max() / weights[units].min()).item()
    return Multipliers(learning_rate=rate, weight_decay=1 / rate, epsilon=epsilon, spread=spread)


def _product(name: str, shape: torch.Size, units: Mapping[str, Tensor]) -> Tensor:
    whole = torch.ones((), dtype=torch.float64)
    for dim, units_of in enumerate(plan.axes(name)):
        if units_of:
            whole = whole * units[units_of].view([-1 if axis == dim else 1 for axis in range(len(shape))])
    return whole.expand(shape)
