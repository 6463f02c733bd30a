"""From a sentence's vector to its posterior q(z|x): on the sphere or in flat space.

Shapes: B sentences, H encoder width, D latent dimension.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal
from torch.nn import functional as F

from rosphere.sphere.distributions import VonMisesFisher

Kappa = float | Literal["learned"]
LEAST, MOST = 1.0, 1e4  # bounds of a learned kappa


class SphericalHead(nn.Module):
    """q(z|x) = vMF(mu(x), kappa), mu(x) = Wh + b over its length.

    kappa is one number for all sentences, or learned for each (Davidson et al. 2018, arXiv 1804.00891, with softplus):

        s = D softplus(v h + c),    kappa = LEAST + (MOST - LEAST) s / (MOST - LEAST + s),

    which rises strictly from LEAST to MOST and is LEAST + s but for s/MOST, so that no kappa is without a gradient,
    as it would be at the bounds of a clamp. D is the scale on which kappa matters: the mean resultant length is near 1
    for kappa >> D and near kappa/D for kappa << D. c begins where s = D. The gradient in kappa comes through the draw
    (rosphere.sphere.marginal) and through the KL.

    A learned kappa gives up the guarantee of a fixed one: at kappa = LEAST the KL is about LEAST²/2D, next to nothing.
    """

    def __init__(self, width: int, latent: int, kappa: Kappa) -> None:
        super().__init__()
        self.latent, self.kappa = latent, kappa
        self.location = nn.Linear(width, latent)
        if kappa == "learned":
            self.spread = nn.Linear(width, 1)
            nn.init.constant_(self.spread.bias, math.log(math.e - 1))  # softplus of it is 1

    def forward(self, pooled_BH: Tensor) -> VonMisesFisher:
        location = F.normalize(self.location(pooled_BH).float(), dim=-1)
        return VonMisesFisher(location, self.concentration(pooled_BH), validate_args=False)

    def concentration(self, pooled_BH: Tensor) -> Tensor:
        """kappa [B]; of no dimension where it is fixed, which the sampler is faster for."""
        if self.kappa != "learned":
            return torch.tensor(float(self.kappa), device=pooled_BH.device)
        s = self.latent * F.softplus(self.spread(pooled_BH).float().squeeze(-1))
        return LEAST + (MOST - LEAST) * s / (MOST - LEAST + s)


class GaussianHead(nn.Module):
    """q(z|x) = N(mu(x), diag sigma(x)²), both linear in h, sigma² through exp.

    With ``gamma`` the means are normalised over the batch, coordinate by coordinate (BN-VAE: Zhu et al. 2020,
    arXiv 2004.12585), with a fixed scale and a free shift: mu <- gamma (mu - E mu) / sd mu + beta. Since then
    E mu_j² = gamma² + beta_j², and sigma² - 1 - log sigma² >= 0, the mean KL is at least D gamma² / 2 in training.
    """

    def __init__(self, width: int, latent: int, gamma: float | None = None) -> None:
        super().__init__()
        self.gamma = gamma
        self.location = nn.Linear(width, latent)
        self.log_variance = nn.Linear(width, latent)
        if gamma is not None:
            # A larger epsilon would let the means shrink below it, and the bound with them.
            self.normalise = nn.BatchNorm1d(latent, eps=1e-12, affine=False)
            self.shift = nn.Parameter(torch.zeros(latent))

    def forward(self, pooled_BH: Tensor) -> Distribution:
        location = self.location(pooled_BH).float()
        if self.gamma is not None:
            location = self.gamma * self.normalise(location) + self.shift
        return Independent(Normal(location, (0.5 * self.log_variance(pooled_BH).float()).exp()), 1)
