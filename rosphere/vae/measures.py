"""What held-out sentences say of a VAE, with definitions that hold on the sphere as in flat space.

Shapes: N sentences in all, B of a batch, D latent dimension.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution, kl_divergence

from rosphere.vae.bleu import corpus_bleu
from rosphere.vae.model import SentenceVAE
from rosphere.vae.repetition import repetition
from rosphere.vae.sentences import Batch

ACTIVE = 0.01  # Burda et al. 2016, arXiv 1509.00519, of the prior's variance
ROWS = 256  # draws that are compared with a batch at once


@torch.no_grad()
def measure(model: SentenceVAE, batches: Sequence[Batch], *, draws: int = 8) -> dict[str, float]:
    """All in nats per sentence unless named otherwise.

    reconstruction: E_q[-log p(x|z)] from one draw; token_accuracy: share of tokens guessed best, from the same draw.
    kl: E_q[log q(z|x) - log p(z)] from ``draws`` draws a sentence (Monte Carlo, not the closed form).
    kl_closed_form, kl_std: mean and standard deviation over sentences of the closed form. On the sphere it is
    kappa A(kappa) - log[Z(kappa) / Z(0)], a function of kappa alone: the same for all sentences if kappa is fixed.
    bound_ppl: exp((reconstruction + kl) / tokens), an upper bound on the perplexity per token.
    mutual_information, active_units, active_directions: see the functions of these names.
    """
    model.eval()
    prior = model.prior()
    totals = dict.fromkeys(("reconstruction", "kl", "hits", "tokens"), 0.0)
    posteriors, samples, own, closed = [], [], [], []
    for batch in (batch.to(model.device) for batch in batches):
        posterior = model.posterior(batch)
        z = posterior.sample((draws,))
        nll, hits = model.reconstruction(z[0], batch)
        density = posterior.log_prob(z)
        totals["reconstruction"] += float(nll.sum())
        totals["kl"] += float((density - prior.log_prob(z)).mean(0).sum())
        totals["hits"] += float(hits.sum())
        totals["tokens"] += batch.tokens
        posteriors.append(posterior)
        samples.append(z[0])
        own.append(density[0])
        closed.append(kl_divergence(posterior, prior))
    count = sum(map(len, samples))
    means = torch.cat([posterior.mean for posterior in posteriors])
    kl = torch.cat(closed).double()
    unit = 1.0 / model.shape.latent if model.shape.kind == "vmf" else 1.0
    return {
        "reconstruction": totals["reconstruction"] / count,
        "kl": totals["kl"] / count,
        "kl_closed_form": float(kl.mean()),
        "kl_std": float(kl.std(correction=0)),
        "bound_ppl": math.exp((totals["reconstruction"] + totals["kl"]) / totals["tokens"]),
        "token_accuracy": totals["hits"] / totals["tokens"],
        "mutual_information": mutual_information(posteriors, torch.cat(samples), torch.cat(own)),
        "active_units": active_units(means, unit),
        "active_directions": active_directions(means, unit),
        "sentences": count,
    }


def mutual_information(posteriors: Sequence[Distribution], z_ND: Tensor, own_N: Tensor) -> float:
    """I(x; z) under q: mean_i [log q(z_i|x_i) - log 1/N sum_j q(z_i|x_j)] for one draw z_i of each of the N posteriors.

    The aggregate posterior q(z) = mean_x q(z|x) is that of this very set, so the figure is at most log N, and what
    N = infinity would give is more. On the sphere q(z|x_j) is a density with respect to the sphere's area, its
    normaliser Z(kappa_j) exact and each sentence's own, so a learned kappa needs nothing more; the measure drops out
    of the difference. KL(q(z|x) || p) averages to this and KL(q(z) || p): what is left of the KL is the misfit of the
    aggregate and the prior.
    """
    rows = [
        torch.cat([posterior.log_prob(part[:, None]).double() for posterior in posteriors], dim=1).logsumexp(1)
        for part in torch.split(z_ND, ROWS)
    ]
    aggregate = torch.cat(rows) - math.log(sum(posterior.batch_shape[0] for posterior in posteriors))
    return float((own_N.double() - aggregate).mean())


def active_units(means_ND: Tensor, unit: float) -> int:
    """Coordinates u with Var_x E_q(z|x)[z_u] > 0.01 ``unit``, unit being the prior's variance of a coordinate.

    It is 1 under N(0, I), Burda's case. A uniform point of the sphere has variance 1/D in every coordinate, since they
    are alike and their squares add up to 1. Without it a sphere's units would count as active only up to D = 100.
    """
    return int((means_ND.double().var(0) > ACTIVE * unit).sum())


def active_directions(means_ND: Tensor, unit: float) -> int:
    """The same of the eigenvalues of the means' covariance in place of its diagonal.

    The uniform law has no axes, and a rotation of the latent that the decoder follows changes nothing but the count of
    active units; it does not change this one, the dimension of what the means span.
    """
    return int((torch.linalg.eigvalsh(means_ND.double().T.cov()) > ACTIVE * unit).sum())


def writing(
    reconstructions: Sequence[Sequence[int]], given: Sequence[Sequence[int]], samples: Sequence[Sequence[int]]
) -> dict[str, float]:
    """bleu: corpus BLEU-4 of the reconstructions over the tokens of the given sentences.

    *_repetition: share of sentences with a token three times in a row; of the reconstructions, of the samples, and of
    the given sentences themselves, for who learns from text that repeats will repeat.
    sample_distinct: share of the samples that are different from one another.
    """
    return {
        "bleu": corpus_bleu(reconstructions, given),
        "reconstruction_repetition": repetition(reconstructions),
        "sample_repetition": repetition(samples),
        "held_out_repetition": repetition(given),
        "sample_distinct": len(set(map(tuple, samples))) / len(samples),
        "samples": len(samples),
    }
