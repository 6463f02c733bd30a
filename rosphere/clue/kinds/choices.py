"""One of several choices, each of them read together with the texts of the row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from rosphere.clue import softmax, tfidf
from rosphere.clue.fields import is_whole
from rosphere.clue.global_pointer import FAR
from rosphere.clue.gold.choices import chosen as gold_choice
from rosphere.clue.gold.choices import is_right
from rosphere.clue.kinds.kind import NOTHING, Pairs, Prediction
from rosphere.clue.kinds.one_of import OneOf
from rosphere.clue.sequences import Batch, Example, Tokens, fitted, joined
from rosphere.clue.tasks import Row, Task
from rosphere.errors import InputError
from rosphere.text.cleaning import clean
from rosphere.text.tokenizer import Tokenizer

BLANK = "[unused1]"  # stands where a choice belongs
DIGITS = re.compile(r"[0-9]{1,9}")


@final
class Choices(OneOf):
    """[CLS] texts [SEP] choice [SEP]; or [CLS] choice [SEP] left [unused1] right [SEP] where a blank is to be filled.

    A row with fewer choices than others has fewer sequences. (kexue.fm/archives/8739 adds invented ones.)
    """

    baseline = "nearest choice by TF-IDF"

    def examples(self, task: Task, row: Row, tokenizer: Tokenizer, number: int) -> list[Example]:
        assert task.choices is not None
        texts = task.texts(row)
        # The other blanks of a text are [MASK] (rosphere/clue/tasks.py), which here is the token.
        encoded = tokenizer.ids([clean(text) for text in (*texts, *task.choices(row))], marks=task.blank)
        shared, choices = encoded[: len(texts)], encoded[len(texts) :]
        fill = _blank_filled if task.blank else _followed
        sequences = [fill([list(part) for part in shared], choice, task.max_length, tokenizer) for choice in choices]
        target = gold_choice(task, row) if task.gold in row else 0
        return [Example(row=number, sequences=tuple(sequences), target=target)]

    def segments(self, task: Task) -> int:
        return 2

    def head(self, task: Task, size: int, *, std: float) -> nn.Module:
        return softmax.linear(size, 1, std=std)

    def scores(self, head: nn.Module, vectors: Tensor, batch: Batch) -> Tensor:
        """[N, K]; an example with fewer choices than others has FAR for the rest."""
        rows = torch.split(head(vectors).float()[:, 0], batch.sequences.tolist())
        return nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=FAR)

    def predictions(
        self, task: Task, rows: Sequence[Row], made: Sequence[Example], kept: Sequence[Tensor], *, assign: bool
    ) -> list[Prediction]:
        logits = [each[: len(example.sequences)].numpy() for example, each in zip(made, kept, strict=True)]
        return assigned(task, rows, logits, assign=assign)

    def right(self, task: Task, row: Row, guess: Prediction) -> bool:
        return isinstance(guess, int) and is_right(task, row, guess)

    def pairs(self, task: Task, row: Row, guess: Prediction) -> Pairs:
        right = str(gold_choice(task, row))
        return [(right, right if self.right(task, row, guess) else str(guess))]

    def said(self, task: Task, row: Row, guess: Prediction) -> dict[str, Any]:
        assert task.choices is not None and isinstance(guess, int)
        choices = task.choices(row)
        gold = choices[gold_choice(task, row)]
        return {"gold": gold, "prediction": choices[guess] if guess < len(choices) else NOTHING}

    def majority(self, task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
        """The commonest place of the right choice."""
        place = Counter(gold_choice(task, row) for row in train).most_common(1)[0][0]
        return [place for _ in dev]

    def simple(self, task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
        """The choice with the highest cosine to the texts; the first of equals."""
        assert task.choices is not None
        known = [text for row in train for text in (*task.texts(row), *task.choices(row))]
        vectorizer = tfidf.characters(known, least=1)
        texts = vectorizer.transform(["\n".join(task.texts(row)) for row in dev])
        found: list[Prediction] = []
        for number, row in enumerate(dev):
            found.append(int((vectorizer.transform(task.choices(row)) @ texts[number].T).toarray().argmax()))
        return found

    def is_object(self, task: Task) -> bool:
        return task.blank

    def parsed(self, task: Task, value: Any, row: Row | None) -> Prediction | None:
        """A number, or its digits."""
        if not (is_whole(value) or (isinstance(value, str) and DIGITS.fullmatch(value))):
            return None
        most = len(task.choices(row)) if row is not None and task.choices else task.most_choices
        if int(value) < 0 or (most is not None and int(value) >= most):
            last = "" if most is None else f" to {most - 1}"
            raise InputError(f"expected {self.expected(task)}{last}, got {value}")
        return int(value)

    def expected(self, task: Task) -> str:
        return "the number of a choice, from 0"


def _followed(texts: list[list[int]], choice: list[int], max_length: int, tokenizer: Tokenizer) -> Tokens:
    *before, choice = fitted([*texts, list(choice)], max_length)
    ids = joined([*before, choice], tokenizer).ids
    return Tokens(ids=ids, parts=(sum(map(len, before)) + len(before) - 1, len(choice)))


def _blank_filled(texts: list[list[int]], choice: list[int], max_length: int, tokenizer: Tokenizer) -> Tokens:
    """What is furthest from the blank gives way, on the longer side first."""
    left, right = texts
    choice = choice[: max_length - 4]
    room = max_length - 4 - len(choice)
    while len(left) + len(right) > room:
        left, right = (left[1:], right) if len(left) > len(right) else (left, right[:-1])
    return joined([choice, [*left, tokenizer.identity(BLANK), *right]], tokenizer)


def assigned(
    task: Task, rows: Sequence[Row], logits: Sequence[NDArray[np.float32]], *, assign: bool
) -> list[Prediction]:
    """The choice with the highest score; where rows share their choices, the assignment with the highest sum.

    A group shares its choices if its rows have equal lists of them. Sums of logits and of log-probabilities rank the
    assignments alike, for they differ by one number for each row.
    """
    found: list[Prediction] = [int(each.argmax()) for each in logits]
    groups: dict[object, list[int]] = {}
    for number, row in enumerate(rows):
        if assign and task.group and task.choices and task.group in row:
            groups.setdefault((row[task.group], task.choices(row)), []).append(number)
    for numbers in groups.values():
        together = np.stack([logits[number] for number in numbers])
        for place, choice in zip(*linear_sum_assignment(together, maximize=True), strict=True):
            found[numbers[place]] = int(choice)  # more rows than choices: those left over keep their own best
    return found
