"""What is minimised: minus the ELBO, or one of the usual ways to keep a Gaussian's KL from vanishing.

-ELBO(x) = E_q(z|x)[-log p(x|z)] + KL(q(z|x) || p(z))
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, kl_divergence

from rosphere.errors import InputError
from rosphere.vae.model import SentenceVAE
from rosphere.vae.sentences import Batch


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The KL's part in the loss. As it stands, minus the ELBO.

    annealing: the KL's weight is min(1, t / annealing) at share t of the run (Bowman et al. 2016, arXiv 1511.06349,
    the linear form); 0: it is 1 throughout.
    free_bits: in place of the KL, sum_j max(lambda, mean over the batch of KL_j), j the coordinates, lambda in nats
    (Kingma et al. 2016, arXiv 1606.04934, equation 15, groups of one): a coordinate costs nothing up to lambda. Only a
    Gaussian's KL is such a sum.
    """

    annealing: float = 0.0
    free_bits: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.annealing <= 1:
            raise InputError(f"annealing: expected a share of the run in [0, 1], got {self.annealing}")
        if self.free_bits < 0:
            raise InputError(f"free_bits: expected nats a coordinate, 0 or more, got {self.free_bits}")

    def weight(self, done: float) -> float:
        """Of the KL, when this share of the run is done."""
        return min(1.0, done / self.annealing) if self.annealing else 1.0


ELBO = Objective()


def elbo(model: SentenceVAE, batch: Batch, objective: Objective = ELBO) -> dict[str, Tensor]:
    """Per-sentence means in nats: the loss, the reconstruction from one draw, and the KL in closed form.

    The KL that is returned is the true one, whatever part of it the objective puts into the loss.
    """
    posterior = model.posterior(batch)
    nll, _ = model.reconstruction(posterior.rsample(), batch)
    kl = kl_divergence(posterior, model.prior()).mean()
    charged = free(posterior, objective.free_bits) if objective.free_bits else kl
    return {
        "loss": nll.mean() + objective.weight(batch.done) * charged,
        "reconstruction": nll.mean(),
        "kl": kl,
    }


def free(posterior: Distribution, least: float) -> Tensor:
    """sum_j max(least, E_x KL(q(z_j|x) || N(0, 1))), KL_j = (mu_j² + sigma_j² - 1 - log sigma_j²) / 2."""
    if not (isinstance(posterior, Independent) and isinstance(posterior.base_dist, Normal)):
        raise InputError("free_bits: expected a Gaussian posterior; a vMF's KL is no sum over coordinates")
    mean, deviation = posterior.base_dist.loc, posterior.base_dist.scale
    each = 0.5 * (mean.square() + deviation.square() - 1) - deviation.log()
    return each.mean(0).clamp_min(least).sum()
