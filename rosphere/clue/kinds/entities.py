"""Labelled spans of a text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any, final

import torch
from torch import Tensor, nn

from rosphere.clue import global_pointer, windows
from rosphere.clue.gold.entities import FORM, Entity, gold_spans, require_lengths, require_places
from rosphere.clue.kinds.kind import NOTHING, Kind, Pairs, Prediction, accuracy
from rosphere.clue.sequences import Batch, Example, Tokens
from rosphere.clue.tasks import Row, Task
from rosphere.text.tokenizer import Tokenizer

SIZE = 32  # of the vectors whose products score spans


@final
class Entities(Kind):
    """[CLS] window [SEP] for every window of the text, and a score for every span of its tokens and every type.

    Spans above 0 are entities. Where windows overlap, the one in which a span begins further from the edge has the say.
    """

    baseline = "lexicon"
    beside = "mention_f1"  # as CLUENER's own script counts

    def examples(self, task: Task, row: Row, tokenizer: Tokenizer, number: int) -> list[Example]:
        """Spans in tokens. A span that no token boundary fits, or that is in no window whole, has no target."""
        encoding = tokenizer.encodings([task.texts(row)[0]])[0]
        room = task.max_length - 2
        gold = gold_spans(row, task.gold)
        made = []
        for begin, end in windows.slide(len(encoding.ids), room, min(task.stride, (room + 1) // 2)):
            offsets = list(encoding.offsets[begin:end])
            ids = [tokenizer.cls, *encoding.ids[begin:end], tokenizer.sep]
            spans = _in_tokens(task, gold, offsets)
            made.append(Example(row=number, sequences=(Tokens(ids=ids, offsets=offsets),), target=spans))
        return made

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
        pairs = zip(made, kept, strict=True)
        return [_of_windows(task, list(windows_)) for _, windows_ in groupby(pairs, key=lambda pair: pair[0].row)]

    def right(self, task: Task, row: Row, guess: Prediction) -> bool:
        assert isinstance(guess, list)
        return set(gold_spans(row, task.gold)) == set(guess)

    def measures(self, task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]) -> dict[str, float]:
        """Micro F1 of spans, CLUENER's own F1 of mentions, and, where it is the task's metric, the share of rows
        without any mistake."""
        found = {"f1": _f1(task, rows, predictions), "mention_f1": mention_f1(task, rows, predictions)}
        wanted = task.metric == "accuracy"
        return found | ({"accuracy": accuracy(self, task, rows, predictions)} if wanted else {})

    def pairs(self, task: Task, row: Row, guess: Prediction) -> Pairs:
        assert isinstance(guess, list)
        return _matched(gold_spans(row, task.gold), guess)

    def said(self, task: Task, row: Row, guess: Prediction) -> dict[str, Any]:
        return {"gold": row[task.gold], "prediction": self.written(task, row, guess)}

    def majority(self, task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
        """No entity at all."""
        return [[] for _ in dev]

    def simple(self, task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
        return lexicon(task, train, dev)

    def is_object(self, task: Task) -> bool:
        return False

    def written(self, task: Task, row: Row, guess: Prediction) -> object:
        assert isinstance(guess, list)
        return as_label(task.texts(row)[0], guess)

    def line(self, task: Task, row: Row) -> Mapping[str, Any]:
        return {"text": task.texts(row)[0]}

    def parsed(self, task: Task, value: Any, row: Row | None) -> Prediction | None:
        if not isinstance(value, Mapping) or not set(value) <= set(task.labels):
            return None
        found = gold_spans({"label": value})
        if row is not None:
            require_places(value, task.texts(row)[0])
        else:
            require_lengths(value)
        return found

    def expected(self, task: Task) -> str:
        return f"spans such as {FORM}"


def _in_tokens(task: Task, gold: Sequence[Entity], offsets: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    first = {start: place for place, (start, _) in enumerate(offsets, 1)}
    last = {end - 1: place for place, (_, end) in enumerate(offsets, 1)}
    return [
        (first[begin], last[end], task.labels.index(label))
        for label, begin, end in gold
        if begin in first and end in last
    ]


def _of_windows(task: Task, scored: Sequence[tuple[Example, Tensor]]) -> list[Entity]:
    """The entities of one text: of two windows that overlap each has the say up to, or from, the middle they share."""
    offsets = [example.sequences[0].offsets for example, _ in scored]
    # a window's first character and the last one before it ends; the middle between what two of them share
    borders = [(after[0][0] + before[-1][1]) // 2 for before, after in pairwise(offsets)]
    found = []
    for number, (example, places) in enumerate(scored):
        begin = borders[number - 1] if number else 0
        end = borders[number] if number < len(borders) else None
        inside = _in_characters(task, example, places)
        found += [each for each in inside if begin <= each[1] and (end is None or each[1] < end)]
    return found


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


def _f1(task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]) -> float:
    """2 TP / (2 TP + FP + FN) over the entities of all rows."""
    right = wrong = missed = 0
    for row, guess in zip(rows, predictions, strict=True):
        assert isinstance(guess, list)
        gold, found = set(gold_spans(row, task.gold)), set(guess)
        right += len(gold & found)
        wrong += len(found - gold)
        missed += len(gold - found)
    return 2 * right / max(1, 2 * right + wrong + missed)


def mention_f1(task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]) -> float:
    """Mean over the types of 2 TP / (2 TP + FP + FN), counted in distinct mentions of a text, wherever they stand.

    So CLUENER's own script counts (https://github.com/CLUEbenchmark/CLUENER2020), which stops at a type that is neither
    in gold nor predicted; here that one is left out.
    """
    counts = {label: [0, 0, 0] for label in task.labels}
    for row, guess in zip(rows, predictions, strict=True):
        assert isinstance(guess, list)
        text = task.texts(row)[0]
        gold, found = ({(t, text[b : e + 1]) for t, b, e in spans} for spans in (gold_spans(row, task.gold), guess))
        for place, those in enumerate((gold & found, found - gold, gold - found)):
            for label, _ in those:
                counts[label][place] += 1
    each = [
        2 * right / (2 * right + wrong + missed) for right, wrong, missed in counts.values() if right + wrong + missed
    ]
    return sum(each) / max(1, len(each))


def _matched(gold: Sequence[Entity], guess: Sequence[Entity]) -> Pairs:
    """Entities with the same characters are a pair, if need be of different types; others are alone."""
    pairs = [(label, label) for label, *_ in set(gold) & set(guess)]
    missed = {(begin, end, label) for label, begin, end in set(gold) - set(guess)}
    for label, begin, end in sorted(set(guess) - set(gold)):
        meant = min((each for each in missed if each[:2] == (begin, end)), default=None)
        missed.discard(meant or (-1, -1, ""))
        pairs.append((meant[2] if meant else NOTHING, label))
    return pairs + [(label, NOTHING) for *_, label in sorted(missed)]


def lexicon(task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
    """Longest match, left to right, of mentions seen in training, each with its commonest label."""
    seen: dict[str, Counter[str]] = {}
    for row in train:
        for label, begin, end in gold_spans(row, task.gold):
            seen.setdefault(task.texts(row)[0][begin : end + 1], Counter())[label] += 1
    labels = {mention: counts.most_common(1)[0][0] for mention, counts in seen.items()}
    max_length = max(map(len, labels), default=0)
    return [_matches(task.texts(row)[0], labels, max_length) for row in dev]


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
