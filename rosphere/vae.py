"""Text VAEs: a latent on the sphere whose KL cannot vanish, and the Gaussian twin whose KL can.

vMF: q(z|x) = vMF(mu(x), kappa), kappa fixed, p(z) uniform on S^{d-1}; then KL(q||p) is the same positive constant for
every x and training is an auto-encoder's (Su 2021, kexue.fm/archives/8404; Xu and Durrett 2018, arXiv 1808.10805).
Gaussian: q = N(mu, diag sigma^2), p = N(0, I); nothing but the decoder's need keeps its KL from going to 0.

Shapes: B sentences, L tokens, H encoder width, D latent dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal, kl_divergence
from torch.nn import functional as F

from rosphere.encoder import masks
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import Cache, MaskedLanguageModel
from rosphere.sphere.distributions import HypersphericalUniform, VonMisesFisher

Kind = Literal["vmf", "gaussian"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a VAE is made of, beside its encoder."""

    kind: Kind
    latent: int
    kappa: float
    decoder_layers: int
    decoder_width: int
    word_dropout: float  # share of the decoder's input tokens hidden in training, so that it needs the latent


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Sentences as [CLS] w_1 ... w_n [SEP], padded."""

    ids_BL: Tensor
    keep_BL: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


class SentenceVAE(nn.Module):
    """Encoder -> mean over tokens -> q(z|x); a causal RoFormer decodes with z added to every input vector."""

    def __init__(self, language: MaskedLanguageModel, shape: Shape, *, mask_token: int) -> None:
        super().__init__()
        self.shape, self.mask_token = shape, mask_token
        self.encoder = language.encoder
        self.location = nn.Linear(language.config.hidden_size, shape.latent)
        if shape.kind == "gaussian":
            self.log_variance = nn.Linear(language.config.hidden_size, shape.latent)
        self.decoder = MaskedLanguageModel(decoder_config(language.config, shape))
        self.decoder.encoder.words.load_state_dict(language.encoder.words.state_dict())
        self.enter = nn.Linear(shape.latent, shape.decoder_width)

    def posterior(self, batch: Batch) -> Distribution:
        """q(z|x), batch shape [B], event shape [D]."""
        hidden = self.encoder(batch.ids_BL, masks.padded(batch.keep_BL))
        keep = batch.keep_BL[..., None]
        pooled = (hidden * keep).sum(1) / keep.sum(1)
        location = self.location(pooled).float()
        if self.shape.kind == "gaussian":
            return Independent(Normal(location, (0.5 * self.log_variance(pooled).float()).exp()), 1)
        kappa = torch.tensor(self.shape.kappa, device=location.device)  # one for all: the sampler's fast path
        return VonMisesFisher(F.normalize(location, dim=-1), kappa, validate_args=False)

    def prior(self) -> Distribution:
        if self.shape.kind == "vmf":
            return HypersphericalUniform(self.shape.latent)
        zero = torch.zeros(self.shape.latent, device=self.enter.weight.device)
        return Independent(Normal(zero, zero + 1), 1)

    def states(self, latent_BD: Tensor, ids_BL: Tensor, keep_BL: Tensor | None, cache: Cache | None = None) -> Tensor:
        """The decoder's hidden states [B, L, H'], each of which predicts the token after its own.

        Causal over ``keep_BL``; without it ids are one token after those that ``cache`` holds. On the sphere z is
        scaled by sqrt(D), for the coordinates of a unit vector are small.
        """
        scale = self.shape.latent**0.5 if self.shape.kind == "vmf" else 1.0
        x_BLH = self.decoder.encoder.embed(ids_BL) + self.enter(scale * latent_BD)[:, None]
        mask = None
        if keep_BL is not None:
            past = torch.ones(2 * ids_BL.shape[1:], dtype=torch.bool, device=ids_BL.device).tril()
            mask = masks.padded(keep_BL) & past
        return self.decoder.encoder.transform(x_BLH, mask, cache)

    def logits(self, latent_BD: Tensor, ids_BL: Tensor, keep_BL: Tensor | None, cache: Cache | None = None) -> Tensor:
        """Logits [B, L, V] of the token after each input token."""
        return self.decoder.logits(self.states(latent_BD, ids_BL, keep_BL, cache)).float()

    def reconstruction(self, latent_BD: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """-log p(x|z) per sentence [B] in nats, the end included, and the hits of the best guesses [B, L - 1].

        The vocabulary head, most of the work at this size, runs on real tokens only.
        """
        inputs, targets, real = batch.ids_BL[:, :-1], batch.ids_BL[:, 1:], batch.keep_BL[:, 1:].bool()
        if self.training and self.shape.word_dropout:
            hide = torch.rand(inputs.shape, device=inputs.device) < self.shape.word_dropout
            hide[:, 0] = False
            inputs = inputs.masked_fill(hide, self.mask_token)
        states = self.states(latent_BD, inputs, batch.keep_BL[:, :-1])
        logits = self.decoder.logits(states[real]).float()
        nll = torch.zeros(real.shape, device=logits.device)
        hits = torch.zeros_like(real)
        nll[real] = F.cross_entropy(logits, targets[real], reduction="none")
        hits[real] = logits.argmax(-1) == targets[real]
        return nll.sum(1), hits


def decoder_config(encoder: EncoderConfig, shape: Shape) -> EncoderConfig:
    """A decoder of the given width and depth over the same vocabulary."""
    return replace(
        encoder,
        hidden_size=shape.decoder_width,
        num_hidden_layers=shape.decoder_layers,
        num_attention_heads=max(1, shape.decoder_width // 64),
        intermediate_size=4 * shape.decoder_width,
    )


def elbo(model: SentenceVAE, batch: Batch) -> dict[str, Tensor]:
    """Per-sentence means in nats of -ELBO = reconstruction + KL, and the two terms; KL in closed form."""
    posterior = model.posterior(batch)
    nll, _ = model.reconstruction(posterior.rsample(), batch)
    kl = kl_divergence(posterior, model.prior()).mean()
    return {"loss": nll.mean() + kl, "reconstruction": nll.mean(), "kl": kl}


@torch.no_grad()
def measure(model: SentenceVAE, batches: Sequence[Batch], *, draws: int = 8) -> dict[str, float]:
    """What a held-out set says of the model; all in nats per sentence unless named otherwise.

    kl: E_q[log q(z|x) - log p(z)] from ``draws`` samples a sentence (Monte Carlo, not the closed form).
    bound_ppl: exp((reconstruction + kl) / tokens), an upper bound on the perplexity per token.
    mutual_information: E_x E_q(z|x)[log q(z|x) - log q(z)] with q(z) = mean_x q(z|x) over this very set, so at most
    log N; the normaliser of a fixed-kappa vMF cancels, none is approximated.
    active_units: coordinates whose posterior mean varies over sentences by more than 0.01 of the prior's variance
    (1 for the Gaussian, 1/D on the sphere); Burda et al. 2016, arXiv 1509.00519, scaled to the sphere.
    """
    model.eval()
    prior = model.prior()
    totals = dict.fromkeys(("reconstruction", "kl", "hits", "tokens"), 0.0)
    posteriors, samples, own = [], [], []
    for batch in batches:
        posterior = model.posterior(batch)
        z = posterior.sample((draws,))
        nll, hits = model.reconstruction(z[0], batch)
        density = posterior.log_prob(z)
        totals["reconstruction"] += float(nll.sum())
        totals["kl"] += float((density - prior.log_prob(z)).mean(0).sum())
        totals["hits"] += float(hits.sum())
        totals["tokens"] += float(batch.keep_BL[:, 1:].sum())
        posteriors.append(posterior)
        samples.append(z[0])
        own.append(density[0])
    count = sum(len(z) for z in samples)
    means = torch.cat([posterior.mean for posterior in posteriors])
    unit = 1.0 / model.shape.latent if model.shape.kind == "vmf" else 1.0
    return {
        "reconstruction": totals["reconstruction"] / count,
        "kl": totals["kl"] / count,
        "bound_ppl": float(torch.tensor((totals["reconstruction"] + totals["kl"]) / totals["tokens"]).exp()),
        "token_accuracy": totals["hits"] / totals["tokens"],
        "mutual_information": mutual_information(posteriors, torch.cat(samples), torch.cat(own)),
        "active_units": int((means.var(0) > 0.01 * unit).sum()),
        "sentences": count,
    }


def mutual_information(posteriors: Sequence[Distribution], z_ND: Tensor, own_N: Tensor) -> float:
    """mean_i [log q(z_i|x_i) - log 1/N sum_j q(z_i|x_j)]."""
    rows = torch.cat([posterior.log_prob(z_ND[:, None]) for posterior in posteriors], dim=1)
    aggregate = rows.logsumexp(1) - torch.log(torch.tensor(float(rows.shape[1])))
    return float((own_N - aggregate).mean())


@torch.no_grad()
def decode(model: SentenceVAE, latent_BD: Tensor, *, cls: int, sep: int, longest: int = 40) -> list[list[int]]:
    """The best guess token by token (greedy), without [CLS] and [SEP]."""
    model.eval()
    cache: Cache = []
    token = torch.full((len(latent_BD), 1), cls, device=latent_BD.device)
    written: list[Tensor] = []
    for _ in range(longest):
        token = model.logits(latent_BD, token, None, cache)[:, -1:].argmax(-1)
        written.append(token[:, 0])
        if bool((torch.stack(written) == sep).any(0).all()):
            break
    rows = torch.stack(written, dim=1).tolist()
    return [row[: row.index(sep)] if sep in row else row for row in rows]


def geodesic(a_D: Tensor, b_D: Tensor, steps: int) -> Tensor:
    """``steps`` points [steps, D] on the shortest arc from a to b, ends included (unit vectors, a != -b)."""
    angle = torch.acos((a_D @ b_D).clamp(-1, 1))
    t = torch.linspace(0, 1, steps, dtype=a_D.dtype, device=a_D.device)[:, None]
    if float(angle) < 1e-6:
        return a_D.expand(steps, -1)
    return (torch.sin((1 - t) * angle) * a_D + torch.sin(t * angle) * b_D) / torch.sin(angle)
