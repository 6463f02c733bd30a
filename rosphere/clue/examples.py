"""Rows of a task as token sequences with targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from rosphere.clue import windows
from rosphere.clue.gold.choices import chosen as gold_choice
from rosphere.clue.gold.entities import gold_spans
from rosphere.clue.tasks import Row, Task
from rosphere.text.cleaning import clean
from rosphere.text.tokenizer import Tokenizer

Span = tuple[int, int, int]  # first token, last token, label
BLANK = "[unused1]"  # stands where a choice belongs


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
    """What is trained and judged as one: a row; of spans a window of a row's text; of choices all of a row's choices.

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


def examples(task: Task, rows: Sequence[Row], tokenizer: Tokenizer) -> list[Example]:
    if task.kind == "spans":
        return [made for number, row in enumerate(rows) for made in _answers(task, row, tokenizer, number)]
    make = {"classification": _classification, "entities": _entities, "choices": _choices}[task.kind]
    return [make(task, row, tokenizer, number) for number, row in enumerate(rows)]


def _classification(task: Task, row: Row, tokenizer: Tokenizer, number: int) -> Example:
    parts = _fitted(tokenizer.ids([clean(text) for text in task.texts(row)]), task.max_length)
    label = task.labels.index(str(row[task.gold])) if task.gold in row else 0
    return Example(row=number, sequences=(_joined(parts, tokenizer),), target=label)


def _fitted(parts: list[list[int]], longest: int) -> list[list[int]]:
    """The parts, shortened until they fit with [CLS] and a [SEP] each: the longest part gives way."""
    room = longest - 1 - len(parts)
    while sum(map(len, parts)) > room:
        max(parts, key=len).pop()
    return parts


def _joined(parts: Sequence[list[int]], tokenizer: Tokenizer) -> Tokens:
    ids = [tokenizer.cls]
    for part in parts:
        ids += [*part, tokenizer.sep]
    return Tokens(ids=ids, parts=tuple(map(len, parts)))


def _choices(task: Task, row: Row, tokenizer: Tokenizer, number: int) -> Example:
    """[CLS] texts [SEP] choice [SEP]; or [CLS] choice [SEP] left [unused1] right [SEP] where a blank is to be filled.

    A row with fewer choices than others has fewer sequences. (kexue.fm/archives/8739 adds invented ones.)
    """
    assert task.choices is not None
    texts = task.texts(row)
    encoded = tokenizer.ids([clean(text) for text in (*texts, *task.choices(row))])
    shared, choices = encoded[: len(texts)], encoded[len(texts) :]
    fill = _blank_filled if task.blank else _followed
    sequences = tuple(fill([list(part) for part in shared], choice, task.max_length, tokenizer) for choice in choices)
    return Example(row=number, sequences=sequences, target=gold_choice(task, row) if task.gold in row else 0)


def _followed(texts: list[list[int]], choice: list[int], longest: int, tokenizer: Tokenizer) -> Tokens:
    *before, choice = _fitted([*texts, list(choice)], longest)
    ids = _joined([*before, choice], tokenizer).ids
    return Tokens(ids=ids, parts=(sum(map(len, before)) + len(before) - 1, len(choice)))


def _blank_filled(texts: list[list[int]], choice: list[int], longest: int, tokenizer: Tokenizer) -> Tokens:
    """What is furthest from the blank gives way, on the longer side first."""
    left, right = texts
    choice = choice[: longest - 4]
    room = longest - 4 - len(choice)
    while len(left) + len(right) > room:
        left, right = (left[1:], right) if len(left) > len(right) else (left, right[:-1])
    return _joined([choice, [*left, tokenizer.identity(BLANK), *right]], tokenizer)


def _entities(task: Task, row: Row, tokenizer: Tokenizer, number: int) -> Example:
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
    return Example(row=number, sequences=(Tokens(ids=ids, offsets=offsets),), target=spans)


def _answers(task: Task, row: Row, tokenizer: Tokenizer, number: int) -> list[Example]:
    """One example a window: [CLS] question [SEP] window [SEP]; the target is [CLS] where the answer is not in it."""
    question, context = tokenizer.encodings(list(task.texts(row)))
    asked = list(question.ids[: task.max_length // 2])
    size = task.max_length - len(asked) - 3
    answer = windows.tokens_of(windows.first_answer(row.get(task.gold)), context.offsets)
    made = []
    for begin, end in windows.slide(len(context.ids), size, min(task.stride, size)):
        tokens = _joined([asked, list(context.ids[begin:end])], tokenizer)
        place = windows.inside(answer, begin, end, shift=len(asked) + 2)
        tokens = Tokens(ids=tokens.ids, parts=tokens.parts, offsets=context.offsets[begin:end])
        made.append(Example(row=number, sequences=(tokens,), target=[(*place, 0)]))
    return made


def collate(chosen: Sequence[Example], task: Task, pad: int) -> Batch:
    longest = max(example.length for example in chosen)
    sequences = [tokens for example in chosen for tokens in example.sequences]
    ids = torch.full((len(sequences), longest), pad)
    keep = torch.zeros(len(sequences), longest, dtype=torch.long)
    part = torch.zeros_like(keep)
    for place, tokens in enumerate(sequences):
        ids[place, : len(tokens.ids)] = torch.tensor(tokens.ids)
        keep[place, : len(tokens.ids)] = 1
        begin = 1
        for number, length in enumerate(tokens.parts, 1):
            part[place, begin : begin + length] = number
            begin += length + 1
    counts = torch.tensor([len(example.sequences) for example in chosen])
    return Batch(ids_BL=ids, keep_BL=keep, part_BL=part, sequences=counts, target=_targets(chosen, task, longest))


def _targets(chosen: Sequence[Example], task: Task, longest: int) -> Tensor:
    if task.kind in ("classification", "choices"):
        return torch.tensor([example.target for example in chosen])
    if task.kind == "spans":
        firsts = [example.target[0] for example in chosen if isinstance(example.target, list)]
        return torch.tensor([first * longest + last for first, last, _ in firsts])
    gold = torch.zeros(len(chosen), len(task.labels), longest, longest, dtype=torch.bool)
    for place, example in enumerate(chosen):
        assert isinstance(example.target, list)
        for first, last, label in example.target:
            gold[place, label, first, last] = True
    return gold
