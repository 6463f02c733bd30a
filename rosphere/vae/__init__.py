"""Text VAEs: a latent on the sphere whose KL cannot vanish, and the Gaussian twins whose KL can.

vMF: q(z|x) = vMF(mu(x), kappa), kappa fixed, p(z) uniform on S^{d-1}; then KL(q||p) is the same positive constant for
every x and training is an auto-encoder's (Su 2021, kexue.fm/archives/8404; Xu and Durrett 2018, arXiv 1808.10805).
With kappa "learned" for each sentence, or q = N(mu, diag sigma²) and p = N(0, I), nothing but the decoder's need keeps
the KL from going to 0; the usual crutches of the Gaussian are in objective.py and heads.py.
"""

from rosphere.vae.bleu import corpus_bleu
from rosphere.vae.decoder import Decoder, LatentAt
from rosphere.vae.decoding import decode, interpolate, texts
from rosphere.vae.folder import load, save
from rosphere.vae.heads import Kappa
from rosphere.vae.latents import encode, geodesic, modes, neighbours, path, view
from rosphere.vae.likelihood import log_marginal, log_weights, measure_likelihood
from rosphere.vae.measures import active_directions, active_units, measure, mutual_information, reconstruction_bleu
from rosphere.vae.model import Kind, SentenceVAE, Shape
from rosphere.vae.objective import ELBO, Objective, elbo
from rosphere.vae.sentences import Batch, Sentences
from rosphere.vae.training import train
from rosphere.vae.variants import Crutches, Twin, variant

__all__ = [
    "ELBO",
    "Batch",
    "Crutches",
    "Decoder",
    "Kappa",
    "Kind",
    "LatentAt",
    "Objective",
    "SentenceVAE",
    "Sentences",
    "Shape",
    "Twin",
    "active_directions",
    "active_units",
    "corpus_bleu",
    "decode",
    "elbo",
    "encode",
    "geodesic",
    "interpolate",
    "load",
    "log_marginal",
    "log_weights",
    "measure",
    "measure_likelihood",
    "modes",
    "mutual_information",
    "neighbours",
    "path",
    "reconstruction_bleu",
    "save",
    "texts",
    "train",
    "variant",
    "view",
]
