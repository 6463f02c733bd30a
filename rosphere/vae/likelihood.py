"""The likelihood of sentences under a VAE, by importance sampling (Burda et al. 2016, arXiv 1509.00519).

    log p(x) >= E log 1/k sum_i w_i,    w_i = p(x|z_i) p(z_i) / q(z_i|x),    z_i ~ q(z|x),

an estimate of log p(x) from below whose bias vanishes as k grows; at k = 1 its mean is the ELBO. On the sphere p(z)
and q(z|x) are densities with respect to its area, which drops out of their ratio.

Shapes: B sentences, D latent dimension, M = draws x sentences at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution

from rosphere.vae.model import SentenceVAE
from rosphere.vae.sentences import Batch

BATCH_SIZE = 256  # sentences decoded at once
Likelihood = Callable[[Tensor, Tensor], Tensor]  # of (z_MD, which_M): log p(x_which | z) [M]


def log_weights(
    likelihood: Likelihood, posterior: Distribution, prior: Distribution, *, draws: int, batch_size: int = BATCH_SIZE
) -> Tensor:
    """log w [draws, B] in float64, at most ``batch_size`` of them (but B at least) worked out at once."""
    (count,) = posterior.batch_shape
    at_once = max(1, batch_size // count)
    return torch.cat([_some(likelihood, posterior, prior, min(at_once, draws - n)) for n in range(0, draws, at_once)])


def _some(likelihood: Likelihood, posterior: Distribution, prior: Distribution, draws: int) -> Tensor:
    z = posterior.sample((draws,))
    which = torch.arange(z.shape[1], device=z.device).repeat(draws)
    seen = likelihood(z.flatten(0, 1), which).reshape(z.shape[:2])
    return seen.double() + prior.log_prob(z).double() - posterior.log_prob(z).double()


def log_marginal(weights_KB: Tensor) -> Tensor:
    """log 1/k sum_i w_i [B] from log w."""
    return weights_KB.logsumexp(0) - math.log(len(weights_KB))


def effective_draws(weights_KB: Tensor) -> Tensor:
    """(sum w)² / sum w² [B], from 1 (a single draw decides) to k (the proposal is the true posterior)."""
    return (2 * weights_KB.logsumexp(0) - (2 * weights_KB).logsumexp(0)).exp()


@torch.no_grad()
def measure_likelihood(
    model: SentenceVAE, batches: Sequence[Batch], *, draws: int, batch_size: int = BATCH_SIZE
) -> dict[str, float]:
    """nll: -log p(x) in nats a sentence from ``draws`` draws; ppl: exp(nll / tokens), the perplexity per token.

    nll_bound: what the same draws say of -ELBO, so that the difference is what importance weighting gains.
    effective_draws: their mean over the sentences. Where it is near 1, nll is still falling in the draws.
    """
    model.eval()
    totals = dict.fromkeys(("nll", "nll_bound", "effective_draws"), 0.0)
    tokens = count = 0
    for batch in (batch.to(model.device) for batch in batches):

        def seen(z_MD: Tensor, which_M: Tensor, batch: Batch = batch) -> Tensor:
            return -model.reconstruction(z_MD, batch.rows(which_M))[0]

        weights = log_weights(seen, model.posterior(batch), model.prior(), draws=draws, batch_size=batch_size)
        totals["nll"] -= float(log_marginal(weights).sum())
        totals["nll_bound"] -= float(weights.mean(0).sum())
        totals["effective_draws"] += float(effective_draws(weights).sum())
        tokens, count = tokens + batch.tokens, count + weights.shape[1]
    means = {name: total / count for name, total in totals.items()}
    return {**means, "ppl": math.exp(totals["nll"] / tokens), "importance_sentences": count, "importance_draws": draws}
