"""Small VAEs and sentences for the tests."""

from __future__ import annotations

from typing import Any

import torch

from rosphere.text import batching
from rosphere.vae.decoder import FreshDecoder
from rosphere.vae.model import SentenceVAE, Shape
from rosphere.vae.sentences import Batch
from tests import tiny

PAD, CLS, SEP, MASK = 0, 2, 3, 4
VOCABULARY = 26
KINDS = ("vmf", "gaussian")
PLACES = ("input", "every_layer")


def model(
    kind: Any = "vmf", *, latent: int = 6, kappa: Any = 20.0, model_type: Any = "roformer", **changes: Any
) -> SentenceVAE:
    sizes = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    language = tiny.language(VOCABULARY, model_type=model_type, **sizes, **tiny.NO_DROPOUT)
    shape = {"fresh_decoder": FreshDecoder(layers=2, width=32), "word_dropout": 0.0, **changes}
    return SentenceVAE(language, Shape(kind=kind, latent=latent, kappa=kappa, **shape), mask_token=MASK)


def sentences(count: int = 20, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for length in torch.randint(2, 8, (count,), generator=generator).tolist():
        rows.append([CLS, *torch.randint(5, VOCABULARY, (length,), generator=generator).tolist(), SEP])
    ids, keep = batching.pad(rows, PAD)
    return Batch(ids_BL=ids, keep_BL=keep)


def parts(batch: Batch, size: int) -> list[Batch]:
    return [batch.rows(which) for which in torch.arange(len(batch.ids_BL)).split(size)]
