"""Rows of a task as token sequences with targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from rosphere.clue.tasks import Row, Task
from rosphere.text.cleaning import clean
from rosphere.text.tokenizer import Tokenizer

Span = tuple[int, int, int]  # first token, last token, label


@dataclass(frozen=True, kw_only=True)
class Example:
    """One row. ``offsets`` are the characters of each token, for entities; special tokens have none.

    ``parts`` are the numbers of tokens of the segments, for classification: [CLS] part [SEP] part [SEP].
    """

    ids: list[int]
    target: int | list[Span]
    offsets: list[tuple[int, int]]
    parts: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Batch:
    ids_BL: Tensor
    keep_BL: Tensor
    part_BL: Tensor  # 1 in the first segment, 2 in the second, 0 at special tokens and padding
    target: Tensor  # [B] classes, or [B, types, L, L] spans

    def to(self, device: torch.device) -> Batch:
        return Batch(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


def examples(task: Task, rows: Sequence[Row], tokenizer: Tokenizer) -> list[Example]:
    make = _classification if task.kind == "classification" else _entities
    return [make(task, row, tokenizer) for row in rows]


def _classification(task: Task, row: Row, tokenizer: Tokenizer) -> Example:
    parts = tokenizer.ids([clean(text) for text in task.texts(row)])
    room = task.max_length - 1 - len(parts)
    while sum(map(len, parts)) > room:  # the longest part gives way
        max(parts, key=len).pop()
    ids = [tokenizer.cls]
    for part in parts:
        ids += [*part, tokenizer.sep]
    label = task.labels.index(str(row["label"])) if "label" in row else 0
    return Example(ids=ids, target=label, offsets=[], parts=tuple(map(len, parts)))


def _entities(task: Task, row: Row, tokenizer: Tokenizer) -> Example:
    """Spans in tokens. A span that no token boundary fits, or that was cut off, has no target."""
    encoding = tokenizer.encodings([row["text"]])[0]
    room = task.max_length - 2
    offsets = list(encoding.offsets[:room])
    first = {start: place for place, (start, _) in enumerate(offsets, 1)}
    last = {end - 1: place for place, (_, end) in enumerate(offsets, 1)}
    spans = [
        (first[begin], last[end], task.labels.index(label))
        for label, begin, end in gold_spans(row)
        if begin in first and end in last
    ]
    ids = [tokenizer.cls, *encoding.ids[:room], tokenizer.sep]
    return Example(ids=ids, target=spans, offsets=offsets)


def gold_spans(row: Row) -> list[tuple[str, int, int]]:
    """(label, first character, last character) of a CLUENER row."""
    return [
        (label, begin, end)
        for label, mentions in row.get("label", {}).items()
        for places in mentions.values()
        for begin, end in places
    ]


def collate(chosen: Sequence[Example], task: Task, pad: int) -> Batch:
    longest = max(len(example.ids) for example in chosen)
    ids = torch.full((len(chosen), longest), pad)
    keep = torch.zeros(len(chosen), longest, dtype=torch.long)
    part = torch.zeros_like(keep)
    for place, example in enumerate(chosen):
        ids[place, : len(example.ids)] = torch.tensor(example.ids)
        keep[place, : len(example.ids)] = 1
        begin = 1
        for number, length in enumerate(example.parts, 1):
            part[place, begin : begin + length] = number
            begin += length + 1
    return Batch(ids_BL=ids, keep_BL=keep, part_BL=part, target=_targets(chosen, task, longest))


def _targets(chosen: Sequence[Example], task: Task, longest: int) -> Tensor:
    if task.kind == "classification":
        return torch.tensor([example.target for example in chosen])
    gold = torch.zeros(len(chosen), len(task.labels), longest, longest, dtype=torch.bool)
    for place, example in enumerate(chosen):
        assert isinstance(example.target, list)
        for first, last, label in example.target:
            gold[place, label, first, last] = True
    return gold
