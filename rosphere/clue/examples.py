"""Rows of a task as token sequences with targets, and several of them as one batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from rosphere.clue.kinds.table import KINDS
from rosphere.clue.sequences import Batch, Example
from rosphere.clue.tasks import Row, Task
from rosphere.text.tokenizer import Tokenizer


def examples(task: Task, rows: Sequence[Row], tokenizer: Tokenizer) -> list[Example]:
    """One example a row, in order; of spans one a window."""
    kind = KINDS[task.kind]
    return [made for number, row in enumerate(rows) for made in kind.examples(task, row, tokenizer, number)]


def collate(chosen: Sequence[Example], task: Task, pad: int) -> Batch:
    """The sequences of all examples below one another, padded to the longest, with their targets."""
    max_length = max(example.length for example in chosen)
    sequences = [tokens for example in chosen for tokens in example.sequences]
    ids = torch.full((len(sequences), max_length), pad)
    keep = torch.zeros(len(sequences), max_length, dtype=torch.long)
    part = torch.zeros_like(keep)
    for place, tokens in enumerate(sequences):
        ids[place, : len(tokens.ids)] = torch.tensor(tokens.ids)
        keep[place, : len(tokens.ids)] = 1
        begin = 1
        for number, length in enumerate(tokens.parts, 1):
            part[place, begin : begin + length] = number
            begin += length + 1
    counts = torch.tensor([len(example.sequences) for example in chosen])
    target = KINDS[task.kind].targets(task, chosen, max_length)
    return Batch(ids_BL=ids, keep_BL=keep, part_BL=part, sequences=counts, target=target)
