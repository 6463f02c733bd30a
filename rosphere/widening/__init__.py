"""Widening without loss (Su 2021, kexue.fm/archives/8444; Chen et al. 2016, arXiv 1511.05641).

For RoFormer and BERT, post-norm with LayerNorm, plain repetition keeps the function exactly. Every unit is copied; what
writes a unit is repeated (rows), what reads it is shared out among its copies (columns that add up to the old one). The
residual stream x becomes (x, ..., x): LayerNorm finds the same mean and the same variance, so neither a factor
1/sqrt(k) nor another epsilon is needed. RoFormer's head reads through columns shared out like all others and stays tied
to embeddings that stay as they are; BERT's embedding grows along, and the gain and bias of its head are shared out.

For RoFormerV2, with RMSNorm, the stream becomes sqrt(D / d) U x with a random isometry U, at any width.

Equal shares give copies the same gradient for ever. ``noise`` shares unevenly: the function stays the same and the
copies part. In training, dropout draws a mask for every copy, so there the function is not the same.

docs/widening.md derives every construction and names the test that checks it.
"""

from __future__ import annotations

import torch

from rosphere.encoder.model import MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.widening import growth, sizes
from rosphere.widening.certificate import certificate

__all__ = ["certificate", "widen"]


def widen(
    model: MaskedLanguageModel,
    *,
    width: int | None = None,
    heads: int | None = None,
    head_size: int | None = None,
    feed_forward: int | None = None,
    layers: int | None = None,
    noise: float = 0.0,
    seed: int = 0,
    allow_inexact: bool = False,
) -> MaskedLanguageModel:
    """A new model with the same function, hidden size ``width``; ``model`` is not touched.

    Exact are, with D the old width, N the old heads and s their size:

    - width: k D for a whole k with LayerNorm; any multiple of s from D on with RMSNorm (roformer_v2)
    - heads x head_size = width, with N heads or more, of a size m s for a whole m; in BERT of any size from s on
      (default: the old size)
    - feed_forward: any number from the old one on (default: as much larger as the width)
    - layers: with RMSNorm, any number from the old one on, up to its epsilon, which must be 1e-12 or less

    For all others InputError names the reason and the nearest exact sizes. With ``allow_inexact`` other widths and
    head sizes, and more layers, are built as near as they can be, and the certificate measures how near. What is
    smaller is refused all the same.

    noise, 0 to 1: how unevenly copies share what reads them (``copies.split``), and how much the readers of an isometry
    hold of what is always zero (``isometry.read``); 0: equally, and nothing. Dtype, device and training mode are those
    of ``model``; torch's global random state is left alone.
    """
    if not 0 <= noise <= 1:
        raise InputError(f"noise {noise}: expected a number from 0 (equal shares) to 1 (as uneven as can be)")
    old = model.config
    new = sizes.widened(
        old,
        width=width,
        heads=heads,
        head_size=head_size,
        feed_forward=feed_forward,
        layers=layers,
        allow_inexact=allow_inexact,
    )
    grown = growth.weights(model.state_dict(), old, new, noise=noise, seed=seed)
    with torch.device("meta"):  # no weights are drawn only to be overwritten
        wide = MaskedLanguageModel(new, pooler=model.pooler is not None)
    wide.load_state_dict(grown, assign=True)
    wide.bare = model.bare
    return wide.to(model.encoder.words.weight.device).train(model.training)
