"""Labelled spans of a text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from rosphere.clue import global_pointer
from rosphere.clue.gold.entities import gold_spans
from rosphere.clue.kinds.kind import NOTHING, Kind, Pairs, Prediction, accuracy
from rosphere.clue.sequences import Batch, Example, Tokens
from rosphere.clue.tasks import Row, Task
from rosphere.text.tokenizer import Tokenizer

SIZE = 32  # of the vectors whose products score spans
Entity = tuple[str, int, int]  # label, first character, last character


@final
class Entities(Kind):
    """[CLS] text [SEP], and a score for every span of tokens and every type; spans above 0 are entities."""

    baseline = "lexicon"

    def examples(self, task: Task, row: Row, tokenizer: Tokenizer, number: int) -> list[Example]:
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
        return [Example(row=number, sequences=(Tokens(ids=ids, offsets=offsets),), target=spans)]

    def targets(self, task: Task, chosen: Sequence[Example], max_length: int) -> Tensor:
        """[N, types, L, L], true at the spans (first, last) of each type."""
        gold = torch.zeros(len(chosen), len(task.labels), max_length, max_length, dtype=torch.bool)
        for place, example in enumerate(chosen):
            assert isinstance(example.target, list)
            for first, last, label in example.target:
                gold[place, label, first, last] = True
        return gold

    def segments(self, task: Task) -> int:
        return 0

    def head(self, task: Task, size: int, *, std: float) -> nn.Module:
        return global_pointer.GlobalPointer(size, len(task.labels), SIZE)

    def scores(self, head: nn.Module, vectors: Tensor, batch: Batch) -> Tensor:
        """[N, types, L, L]; spans begin and end in the text, not at [CLS] or [SEP]."""
        text = batch.keep_BL.clone()
        text[:, 0] = 0
        scores: Tensor = head(vectors, text.scatter_(1, batch.keep_BL.sum(1, keepdim=True) - 1, 0))
        return scores

    def loss(self, scores: Tensor, batch: Batch) -> Tensor:
        return global_pointer.loss(scores, batch.target)

    def divergence(self, one: Tensor, other: Tensor) -> Tensor:
        """The divergences of all decisions of a type added up, mean over examples and types.

        Every span of a type is a decision of its own, p = sigmoid(s) and q = sigmoid(t): KL + KL = (p - q)(s - t).
        """
        apart = (one.sigmoid() - other.sigmoid()) * (one - other)
        return apart.flatten(2).sum(-1).mean() / 2

    def kept(self, score: Tensor) -> Tensor:
        """[M, 3] (label, first token, last token) of every span above 0."""
        return (score > 0).nonzero()

    def predictions(
        self, task: Task, rows: Sequence[Row], made: Sequence[Example], kept: Sequence[Tensor], *, assign: bool
    ) -> list[Prediction]:
        return [_in_characters(task, example, places) for example, places in zip(made, kept, strict=True)]

    def right(self, task: Task, row: Row, guess: Prediction) -> bool:
        assert isinstance(guess, list)
        return set(gold_spans(row)) == set(guess)

    def measures(self, task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]) -> dict[str, float]:
        """Micro F1, or the share of rows without any mistake where the task's metric is accuracy."""
        if task.metric == "accuracy":
            return {"accuracy": accuracy(self, task, rows, predictions)}
        return {"f1": _f1(rows, predictions)}

    def pairs(self, task: Task, row: Row, guess: Prediction) -> Pairs:
        assert isinstance(guess, list)
        return _matched(gold_spans(row), guess)

    def said(self, task: Task, row: Row, guess: Prediction) -> dict[str, Any]:
        return {"gold": row[task.gold], "prediction": self.written(row, guess)}

    def majority(self, task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
        """No entity at all."""
        return [[] for _ in dev]

    def simple(self, task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
        return lexicon(train, dev)

    def is_object(self, task: Task) -> bool:
        return False

    def written(self, row: Row, guess: Prediction) -> object:
        assert isinstance(guess, list)
        return as_label(row.get("text", ""), guess)

    def line(self, row: Row) -> Mapping[str, Any]:
        return {"text": row["text"]}

    def parsed(self, task: Task, value: Any, row: Row | None) -> Prediction | None:
        if not isinstance(value, Mapping) or not set(value) <= set(task.labels):
            return None
        try:
            return gold_spans({"label": value})
        except (AttributeError, TypeError, ValueError):
            return None

    def expected(self, task: Task) -> str:
        return "spans such as {'name': {'江泽民': [[0, 2]]}}"


def _in_characters(task: Task, example: Example, places: Tensor) -> list[Entity]:
    offsets = example.sequences[0].offsets
    return [
        (task.labels[label], offsets[first - 1][0], offsets[last - 1][1] - 1) for label, first, last in places.tolist()
    ]


def as_label(text: str, entities: Sequence[Entity]) -> dict[str, dict[str, list[list[int]]]]:
    """Entities as CLUENER writes them: {"name": {"江泽民": [[0, 2]]}}."""
    label: dict[str, dict[str, list[list[int]]]] = {}
    for name, begin, end in sorted(entities):
        label.setdefault(name, {}).setdefault(text[begin : end + 1], []).append([begin, end])
    return label


def _f1(rows: Sequence[Row], predictions: Sequence[Prediction]) -> float:
    """2 TP / (2 TP + FP + FN) over the entities of all rows."""
    right = wrong = missed = 0
    for row, guess in zip(rows, predictions, strict=True):
        assert isinstance(guess, list)
        gold, found = set(gold_spans(row)), set(guess)
        right += len(gold & found)
        wrong += len(found - gold)
        missed += len(gold - found)
    return 2 * right / max(1, 2 * right + wrong + missed)


def _matched(gold: Sequence[Entity], guess: Sequence[Entity]) -> Pairs:
    """Entities with the same characters are a pair, if need be of different types; others are alone."""
    pairs = [(label, label) for label, *_ in set(gold) & set(guess)]
    missed = {(begin, end, label) for label, begin, end in set(gold) - set(guess)}
    for label, begin, end in sorted(set(guess) - set(gold)):
        meant = min((each for each in missed if each[:2] == (begin, end)), default=None)
        missed.discard(meant or (-1, -1, ""))
        pairs.append((meant[2] if meant else NOTHING, label))
    return pairs + [(label, NOTHING) for *_, label in sorted(missed)]


def lexicon(train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
    """Longest match, left to right, of mentions seen in training, each with its commonest label."""
    seen: dict[str, Counter[str]] = {}
    for row in train:
        for label, begin, end in gold_spans(row):
            seen.setdefault(row["text"][begin : end + 1], Counter())[label] += 1
    labels = {mention: counts.most_common(1)[0][0] for mention, counts in seen.items()}
    max_length = max(map(len, labels), default=0)
    return [_matches(row["text"], labels, max_length) for row in dev]


def _matches(text: str, labels: dict[str, str], max_length: int) -> list[Entity]:
    found, place = [], 0
    while place < len(text):
        for size in range(min(max_length, len(text) - place), 0, -1):
            mention = text[place : place + size]
            if mention in labels:
                found.append((labels[mention], place, place + size - 1))
                place += size - 1
                break
        place += 1
    return found
