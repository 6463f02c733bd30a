"""VAEs that are compared: the vMF with fixed kappa and its baselines, by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch.distributions import kl_divergence

from rosphere.errors import InputError
from rosphere.sphere.distributions import HypersphericalUniform, VonMisesFisher
from rosphere.vae.decoder import FreshDecoder
from rosphere.vae.model import Shape
from rosphere.vae.objective import ELBO, Objective

Variant = Literal[
    "vmf", "vmf_fresh", "gaussian", "gaussian_annealed", "gaussian_free_bits", "gaussian_bn", "vmf_learned"
]


@dataclass(frozen=True, kw_only=True)
class Regularizers:
    """The settings of the baselines that have any: KL annealing, free bits, batch normalisation of the means."""

    annealing: float = 0.5  # share of the run over which the KL's weight rises to 1
    free_bits: float | Literal["as_vmf"] = 0.1  # nats a coordinate that cost nothing; as_vmf: see ``nats_of_vmf``
    gamma: float = 0.6  # scale of the batch-normalised means

    def __post_init__(self) -> None:
        given = 0.0 if self.free_bits == "as_vmf" else self.free_bits
        Objective(annealing=self.annealing, free_bits=given)  # refuses what is none

    def nats(self, shape: Shape) -> float:
        """The free bits of a coordinate beside the vMF of ``shape``."""
        return nats_of_vmf(shape) / shape.latent if self.free_bits == "as_vmf" else self.free_bits


def nats_of_vmf(shape: Shape) -> float:
    """The KL that the vMF of ``shape`` has for every sentence: as many nats free make a Gaussian its equal in this."""
    if shape.kappa == "learned":
        raise InputError("free_bits: as_vmf is the KL of a fixed kappa, got kappa: learned; give nats a coordinate")
    location = torch.eye(1, shape.latent, dtype=torch.float64)[0]
    posterior = VonMisesFisher(location, torch.tensor(shape.kappa, dtype=torch.float64))
    return float(kl_divergence(posterior, HypersphericalUniform(shape.latent)))


def variant(name: Variant, shape: Shape, regularizers: Regularizers, fresh: FreshDecoder) -> tuple[Shape, Objective]:
    """The shape and the objective of this variant of the vMF of ``shape``: all else is the same."""
    flat = replace(shape, kind="gaussian")
    match name:
        case "vmf":
            return shape, ELBO
        case "vmf_fresh":
            return replace(shape, fresh_decoder=fresh), ELBO
        case "vmf_learned":
            return replace(shape, kappa="learned"), ELBO
        case "gaussian":
            return flat, ELBO
        case "gaussian_annealed":
            return flat, Objective(annealing=regularizers.annealing)
        case "gaussian_free_bits":
            return flat, Objective(free_bits=regularizers.nats(shape))
        case "gaussian_bn":
            return replace(flat, gamma=regularizers.gamma), ELBO
