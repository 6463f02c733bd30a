"""Continuations of many sources at once, token by token, with keys and values kept.

What is drawn for a source depends on (seed, its tokens, number of the sample, step) alone: it gets the same sentences
alone and among a thousand others. Always in float32: rounding, which does depend on the company, changes a draw that
falls on the boundary between two tokens, but that is rare (not once in 350,000 draws of a model of the default size).

Shapes: N rows, one per sample; L tokens; H hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from rosphere.encoder import masks
from rosphere.encoder.model import Cache, MaskedLanguageModel
from rosphere.errors import InputError
from rosphere.similarity.guidance import Guide
from rosphere.text import batching
from rosphere.text.mixture import Mixture
from rosphere.text.nucleus import key, nucleus, uniforms
from rosphere.text.tokenizer import UNUSED, Tokenizer

TOKENS_A_BATCH = 8192  # of all rows at their longest: what bounds the memory of keys and values
ENDED_ROWS = 1 / 8  # of a batch may be carried along: leaving rows out copies all keys and values


class _Rows:
    """Rows under way: keys and values of their tokens, and the hidden states that the next tokens are drawn from.

    Padding is on the left, so that all rows end at the same place: rotary attention knows distances only.
    """

    def __init__(self, model: MaskedLanguageModel, sources: Sequence[Sequence[int]], tokenizer: Tokenizer) -> None:
        device = model.encoder.words.weight.device
        sequences = [[tokenizer.cls, *source, tokenizer.sep] for source in sources]
        length = max(map(len, sequences))
        ids = torch.tensor([[tokenizer.pad] * (length - len(each)) + each for each in sequences], device=device)
        self.model = model
        self.cache: Cache = []
        self.length_N = torch.tensor([len(each) for each in sequences], device=device)
        self.keep_NL = torch.arange(length, device=device) >= length - self.length_N[:, None]
        positions = (self.keep_NL.cumsum(1) - 1).clamp(min=0)
        self.hidden_NH = model.encoder(ids, masks.padded(self.keep_NL), None, self.cache, positions)[:, -1]

    def select(self, places: Tensor) -> None:
        """Leaves rows out or repeats them."""
        self.cache[:] = [(k[places], v[places]) for k, v in self.cache]
        self.length_N, self.keep_NL = self.length_N[places], self.keep_NL[places]
        self.hidden_NH = self.hidden_NH[places]

    def append(self, token_N: Tensor) -> None:
        self.keep_NL = F.pad(self.keep_NL, (0, 1), value=True)
        ids, positions = token_N[:, None], self.length_N[:, None]
        mask, segments = masks.last(self.keep_NL), torch.ones_like(ids)
        self.hidden_NH = self.model.encoder(ids, mask, segments, self.cache, positions)[:, -1]
        self.length_N = self.length_N + 1


def _batch(
    model: MaskedLanguageModel,
    tokenizer: Tokenizer,
    sources: Sequence[Sequence[int]],
    owners: Sequence[int],
    keys_N: NDArray[np.uint64],
    *,
    max_length: int,
    top_p: float,
    counts: Mixture | None,
) -> list[list[int]]:
    """For each row up to ``max_length`` tokens after source ``owners[row]``; those after a first [SEP] mean nothing."""
    rows, numbers = _Rows(model, sources, tokenizer), np.arange(len(owners))
    device = rows.hidden_NH.device
    rows.select(torch.tensor(owners, device=device))
    known = map(tokenizer.backend.token_to_id, (*tokenizer.names.values(), *UNUSED))
    banned = torch.tensor([n for n in known if n is not None and n != tokenizer.sep], device=device)
    guide = Guide(counts, [sources[owner] for owner in owners]) if counts else None
    written: list[list[int]] = [[] for _ in owners]
    ended = np.zeros(len(owners), bool)
    for step in range(max_length):
        logits = model.logits(rows.hidden_NH)[:, : len(tokenizer)].index_fill_(-1, banned, -torch.inf)
        if guide:
            logits = guide(logits, numbers.tolist(), written)
        token = nucleus(logits, top_p, partial(uniforms, keys_N[numbers], step))
        drawn = token.tolist()
        for number, each in zip(numbers, drawn, strict=True):
            written[number].append(each)
        ended |= np.array(drawn) == tokenizer.sep
        if ended.all() or step + 1 == max_length:
            break
        if ended.mean() > ENDED_ROWS:
            left = torch.from_numpy(np.flatnonzero(~ended)).to(device)
            rows.select(left)
            token, numbers, ended = token[left], numbers[~ended], ended[~ended]
        rows.append(token)
    return written


def sample(
    model: MaskedLanguageModel,
    tokenizer: Tokenizer,
    sources: Sequence[Sequence[int]],
    *,
    count: int,
    max_length: int,
    top_p: float,
    seed: int,
    counts: Mixture | None = None,
) -> list[list[list[int]]]:
    """For each source ``count`` continuations of [CLS] source [SEP], guided where there are ``counts``.

    Those that do not end within ``max_length`` tokens are left out. Raises InputError for a ``top_p`` outside [0, 1], a
    count below 1, or more tokens than BERT has positions.
    """
    lengths = [len(source) + 2 + max_length for source in sources]
    _check(model, max(lengths, default=0), count, max_length, top_p)
    weight = model.encoder.words.weight
    rows = [(number, each) for number in range(len(sources)) for each in range(count)]
    found: list[list[list[int]]] = [[] for _ in sources]
    for chosen in batching.length_buckets(
        [lengths[number] for number, _ in rows], batching.token_budget(TOKENS_A_BATCH, weight.device)
    ):
        batch = [rows[place] for place in chosen]
        place = {number: n for n, number in enumerate(dict.fromkeys(number for number, _ in batch))}
        keys = np.array([key(seed, sources[number], each) for number, each in batch], np.uint64)
        with torch.inference_mode():
            written = _batch(
                model,
                tokenizer,
                [sources[number] for number in place],
                [place[number] for number, _ in batch],
                keys,
                max_length=max_length,
                top_p=top_p,
                counts=counts,
            )
        for (number, _), ids in zip(batch, written, strict=True):
            if tokenizer.sep in ids:
                found[number].append(ids[: ids.index(tokenizer.sep)])
    return found


def _check(model: MaskedLanguageModel, length: int, count: int, max_length: int, top_p: float) -> None:
    if not 0 <= top_p <= 1:
        raise InputError(f"top_p: expected a probability, 0 to 1, got {top_p}")
    if count < 1:
        raise InputError(f"samples: expected 1 or more, got {count}")
    if max_length < 1:
        raise InputError(f"max_length: expected 1 token or more, got {max_length}")
    if model.config.type_vocab_size < 2:
        raise InputError("the model has type_vocab_size 1: to write, it must tell the text from its paraphrase")
    most = model.config.max_position_embeddings
    if not model.config.rotary and length - 1 > most:  # the last token is drawn, never read
        raise InputError(
            f"max_length {max_length}: text and paraphrase need {length - 1} positions; this model has {most}"
        )
