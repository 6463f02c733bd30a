"""From points of the latent space to sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from rosphere.encoder.model import Cache
from rosphere.errors import InputError
from rosphere.text.nucleus import key, nucleus, uniforms
from rosphere.text.tokenizer import Tokenizer
from rosphere.vae import latents
from rosphere.vae.model import SentenceVAE
from rosphere.vae.sentences import Batch, Sentences

LONGEST = 40
Choose = Callable[[Tensor, int], Tensor]  # of logits [B, V] and the step: the next token of each row [B]


def best(logits_BV: Tensor, step: int) -> Tensor:
    """The best guess (greedy), whatever the step."""
    return logits_BV.argmax(-1)


def drawn(count: int, *, top_p: float, seed: int) -> Choose:
    """Tokens from the nucleus of ``top_p``, 0 being greedy, for ``count`` rows.

    By random numbers of (seed, number of the row, step): a sentence does not depend on how many are drawn.
    """
    if not 0 <= top_p <= 1:
        raise InputError(f"top_p: expected a probability, 0 to 1, got {top_p}")
    keys = np.array([key(seed, (), number) for number in range(count)], np.uint64)
    return lambda logits_BV, step: nucleus(logits_BV, top_p, partial(uniforms, keys, step))


@torch.no_grad()
def decode(
    model: SentenceVAE, latent_BD: Tensor, *, cls: int, sep: int, max_length: int = LONGEST, choose: Choose = best
) -> list[list[int]]:
    """Sentences of these points, token by token, without [CLS] and [SEP]."""
    if max_length < 1:
        raise InputError(f"max_length: expected 1 or more, got {max_length}")
    model.eval()
    cache: Cache = []
    token = torch.full((len(latent_BD), 1), cls, device=latent_BD.device)
    ended = torch.zeros_like(token, dtype=torch.bool)
    written: list[Tensor] = []
    for step in range(max_length):
        token = choose(model.logits(latent_BD, token, None, cache)[:, -1], step)[:, None]
        written.append(token)
        ended |= token == sep
        if bool(ended.all()):
            break
    rows = torch.cat(written, dim=1).tolist()
    return [row[: row.index(sep)] if sep in row else row for row in rows]


def reconstruct(model: SentenceVAE, batches: Sequence[Batch], *, cls: int, sep: int) -> list[list[int]]:
    """The sentences of all batches, decoded greedily from the means of their posteriors (see ``latents.means``)."""
    written = []
    for batch in batches:
        with torch.no_grad():
            means = model.eval().posterior(batch.to(model.device)).mean
        written += decode(model, means, cls=cls, sep=sep, max_length=2 * batch.ids_BL.shape[1])
    return written


@torch.no_grad()
def sample(model: SentenceVAE, count: int, *, cls: int, sep: int, top_p: float, seed: int) -> list[list[int]]:
    """Sentences from ``count`` points of the prior, their tokens drawn as ``drawn`` says."""
    return decode(model, model.prior().sample((count,)), cls=cls, sep=sep, choose=drawn(count, top_p=top_p, seed=seed))


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
    ends = latents.means(model, Sentences.of([first, last], tokenizer))
    points = latents.path(model, ends[0], ends[1], steps)
    found = texts(model, tokenizer, points, max_length=max_length)
    return [(step / (steps - 1), text) for step, text in enumerate(found)]
