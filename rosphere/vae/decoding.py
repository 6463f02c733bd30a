"""From points of the latent space to sentences."""

from __future__ import annotations

import torch
from torch import Tensor

from rosphere.encoder.model import Cache
from rosphere.errors import InputError
from rosphere.text.tokenizer import Tokenizer
from rosphere.vae import latents
from rosphere.vae.model import SentenceVAE

LONGEST = 40


@torch.no_grad()
def decode(model: SentenceVAE, latent_BD: Tensor, *, cls: int, sep: int, max_length: int = LONGEST) -> list[list[int]]:
    """The best guess token by token (greedy), without [CLS] and [SEP]."""
    model.eval()
    cache: Cache = []
    token = torch.full((len(latent_BD), 1), cls, device=latent_BD.device)
    ended = torch.zeros_like(token, dtype=torch.bool)
    written: list[Tensor] = []
    for _ in range(max_length):
        token = model.logits(latent_BD, token, None, cache)[:, -1:].argmax(-1)
        written.append(token)
        ended |= token == sep
        if bool(ended.all()):
            break
    rows = torch.cat(written, dim=1).tolist()
    return [row[: row.index(sep)] if sep in row else row for row in rows]


def texts(model: SentenceVAE, tokenizer: Tokenizer, latent_BD: Tensor, *, max_length: int = LONGEST) -> list[str]:
    """The texts of these points."""
    found = decode(model, latent_BD.to(model.device), cls=tokenizer.cls, sep=tokenizer.sep, max_length=max_length)
    return [tokenizer.decode(ids) for ids in found]


def interpolate(
    model: SentenceVAE, tokenizer: Tokenizer, first: str, last: str, *, steps: int = 7, max_length: int = LONGEST
) -> list[tuple[float, str]]:
    """(share of the way, sentence) from one sentence's point to another's, ends included: see ``latents.path``."""
    if steps < 2:
        raise InputError(f"steps: expected 2 or more, the ends being two, got {steps}")
    ends = latents.encode(model, tokenizer, [first, last])
    points = latents.path(model, ends[0], ends[1], steps)
    found = texts(model, tokenizer, points, max_length=max_length)
    return [(step / (steps - 1), text) for step, text in enumerate(found)]
