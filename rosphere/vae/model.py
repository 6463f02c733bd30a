"""The text VAE itself: encoder, posterior, prior, decoder. Its latent lies on a sphere, where the KL cannot vanish.

vMF: q(z|x) = vMF(mu(x), kappa), kappa fixed, p(z) uniform on S^{d-1}; then KL(q||p) is the same positive constant for
every x and training is an auto-encoder's (Su 2021, kexue.fm/archives/8404; Xu and Durrett 2018, arXiv 1808.10805).
With kappa "learned" for each sentence, or q = N(mu, diag sigma²) and p = N(0, I), nothing but the decoder's need keeps
the KL from going to 0; the usual remedies for the Gaussian are in objective.py and heads.py.

Shapes: B sentences, L tokens, H encoder width, D latent dimension, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal
from torch.nn import functional as F

from rosphere.encoder import masks
from rosphere.encoder.model import Cache, MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.sphere.distributions import HypersphericalUniform
from rosphere.vae.decoder import Decoder, FreshDecoder, LatentAt
from rosphere.vae.heads import GaussianHead, Kappa, SphericalHead
from rosphere.vae.sentences import Batch

Kind = Literal["vmf", "gaussian"]
MOST = 1 << 16  # dimensions of a latent space: more is a slip


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a VAE is made of, beside its encoder."""

    kind: Kind
    latent: int
    kappa: Kappa  # of the vMF: one number, or "learned" for each sentence
    fresh_decoder: FreshDecoder | None = None  # None: the decoder begins as the language model the encoder comes from
    word_dropout: float  # share of the decoder's input tokens hidden in training, so that it needs the latent
    latent_at: LatentAt = "input"
    gamma: float | None = None  # of the Gaussian: scale of its batch-normalised means; None: they are not normalised

    def __post_init__(self) -> None:
        for name, kinds in (("kind", Kind), ("latent_at", LatentAt)):
            if getattr(self, name) not in list(get_args(kinds)):
                raise InputError(
                    f"{name}: expected one of {', '.join(get_args(kinds))}, got {getattr(self, name)!r:.80}"
                )
        if type(self.latent) is not int or not 1 <= self.latent <= MOST:
            raise InputError(f"latent: expected a whole number from 1 to {MOST}, got {self.latent!r:.80}")
        if not (self.gamma is None or (isinstance(self.gamma, float | int) and self.gamma > 0)):
            raise InputError(f"gamma: expected a number above 0 or null, got {self.gamma!r:.80}")
        if self.kappa != "learned" and not (isinstance(self.kappa, float | int) and self.kappa > 0):
            raise InputError(f"kappa: expected a number above 0 or 'learned', got {self.kappa!r}")
        if self.gamma is not None and self.kind != "gaussian":
            raise InputError("gamma: expected a Gaussian posterior, whose means may be normalised; got a vMF")
        if not 0 <= self.word_dropout < 1:
            raise InputError(f"word_dropout: expected a share in [0, 1), got {self.word_dropout}")


class SentenceVAE(nn.Module):
    """Encoder -> mean over tokens -> q(z|x); a causal RoFormer that is told z writes the sentence."""

    def __init__(self, language: MaskedLanguageModel, shape: Shape, *, mask_token: int) -> None:
        super().__init__()
        self.shape, self.mask_token = shape, mask_token
        self.encoder = language.encoder
        width = language.config.hidden_size
        self.head: SphericalHead | GaussianHead = (
            SphericalHead(width, shape.latent, shape.kappa)
            if shape.kind == "vmf"
            else GaussianHead(width, shape.latent, shape.gamma)
        )
        self.decoder = Decoder(language, shape.latent, shape.latent_at, shape.fresh_decoder)

    @property
    def device(self) -> torch.device:
        return self.decoder.enter.weight.device

    def posterior(self, batch: Batch) -> Distribution:
        """q(z|x), batch shape [B], event shape [D]."""
        hidden = self.encoder(batch.ids_BL, masks.padded(batch.keep_BL))
        keep = batch.keep_BL[..., None]
        found: Distribution = self.head((hidden * keep).sum(1) / keep.sum(1))
        return found

    def prior(self) -> Distribution:
        """p(z): uniform on the sphere, or N(0, I)."""
        if self.shape.kind == "vmf":
            return HypersphericalUniform(self.shape.latent, device=self.device)
        zero = torch.zeros(self.shape.latent, device=self.device)
        return Independent(Normal(zero, zero + 1), 1)

    def states(self, latent_BD: Tensor, ids_BL: Tensor, keep_BL: Tensor | None, cache: Cache | None = None) -> Tensor:
        """The decoder's hidden states [B, L, H'], each of which predicts the token after its own.

        On the sphere z is scaled by sqrt(D), for the coordinates of a unit vector are small.
        """
        scale = self.shape.latent**0.5 if self.shape.kind == "vmf" else 1.0
        found: Tensor = self.decoder(scale * latent_BD, ids_BL, keep_BL, cache)
        return found

    def logits(self, latent_BD: Tensor, ids_BL: Tensor, keep_BL: Tensor | None, cache: Cache | None = None) -> Tensor:
        """Logits [B, L, V] of the token after each input token."""
        return self.decoder.logits(self.states(latent_BD, ids_BL, keep_BL, cache))

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
        logits = self.decoder.logits(states[real])
        nll = torch.zeros(real.shape, device=logits.device)
        hits = torch.zeros_like(real)
        nll[real] = F.cross_entropy(logits, targets[real], reduction="none")
        hits[real] = logits.argmax(-1) == targets[real]
        return nll.sum(1), hits
