"""Token sequences with targets: what a kind of task makes of a row, and what a model is given of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from rosphere.text.tokenizer import Tokenizer

Span = tuple[int, int, int]  # first token, last token, label


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """One sequence: [CLS] part [SEP] part [SEP].

    ``parts`` are the numbers of tokens of the segments, of classification, spans and choices. ``offsets`` are the
    characters of each token of the text in which spans are looked for; special tokens have none.
    """

    ids: list[int]
    parts: tuple[int, ...] = ()
    offsets: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True, kw_only=True)
class Example:
    """What is trained and scored as one: a row; of spans a window of a row's text; of choices all of a row's choices.

    The target is a class, a choice's number, the spans of entities, or the one span (first, last, 0) of an answer.
    """

    row: int
    sequences: tuple[Tokens, ...]
    target: int | list[Span]

    @property
    def length(self) -> int:
        return max(len(tokens.ids) for tokens in self.sequences)


@dataclass(frozen=True, kw_only=True)
class Batch:
    ids_BL: Tensor
    keep_BL: Tensor
    part_BL: Tensor  # 1 in the first segment, 2 in the second, 0 at special tokens and padding
    sequences: Tensor  # [N] how many of the B sequences belong to each example
    target: Tensor  # [N] classes, choices or flat spans first * L + last; or [N, types, L, L] entities

    def to(self, device: torch.device) -> Batch:
        return Batch(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


def fitted(parts: list[list[int]], max_length: int) -> list[list[int]]:
    """The parts, shortened until they fit with [CLS] and a [SEP] each: the longest part gives way."""
    budget = max_length - 1 - len(parts)
    while sum(map(len, parts)) > budget:
        max(parts, key=len).pop()
    return parts


def joined(parts: Sequence[list[int]], tokenizer: Tokenizer) -> Tokens:
    """[CLS] part [SEP] part [SEP]."""
    ids = [tokenizer.cls]
    for part in parts:
        ids += [*part, tokenizer.sep]
    return Tokens(ids=ids, parts=tuple(map(len, parts)))
