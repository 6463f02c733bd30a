"""VAEs that are compared: the vMF with fixed kappa and its baselines, by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from rosphere.vae.model import Shape
from rosphere.vae.objective import ELBO, Objective

Variant = Literal["vmf", "gaussian", "gaussian_annealed", "gaussian_free_bits", "gaussian_bn", "vmf_learned"]


@dataclass(frozen=True, kw_only=True)
class Regularizers:
    """The settings of the baselines that have any: KL annealing, free bits, batch normalisation of the means."""

    annealing: float = 0.5  # share of the run over which the KL's weight rises to 1
    free_bits: float = 0.1  # nats a coordinate that cost nothing
    gamma: float = 0.6  # scale of the batch-normalised means

    def __post_init__(self) -> None:
        Objective(annealing=self.annealing, free_bits=self.free_bits)  # refuses what is none


def variant(name: Variant, shape: Shape, regularizers: Regularizers) -> tuple[Shape, Objective]:
    """The shape and the objective of this variant of the vMF of ``shape``: all else is the same."""
    flat = replace(shape, kind="gaussian")
    match name:
        case "vmf":
            return shape, ELBO
        case "vmf_learned":
            return replace(shape, kappa="learned"), ELBO
        case "gaussian":
            return flat, ELBO
        case "gaussian_annealed":
            return flat, Objective(annealing=regularizers.annealing)
        case "gaussian_free_bits":
            return flat, Objective(free_bits=regularizers.free_bits)
        case "gaussian_bn":
            return replace(flat, gamma=regularizers.gamma), ELBO
