"""What a fine-tuned model says to rows: classes, entities, answers, choices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rosphere.clue.examples import collate, examples
from rosphere.clue.kinds.kind import Prediction
from rosphere.clue.kinds.one_of import OneOf
from rosphere.clue.kinds.table import KINDS
from rosphere.clue.model import TaskModel
from rosphere.clue.sequences import Example
from rosphere.clue.tasks import Row, Task
from rosphere.errors import InputError
from rosphere.text.tokenizer import Tokenizer

PLAIN = (("sentence",), ("text",))  # the fields of tasks that are asked about one text
PAIR = ("sentence1", "sentence2")
TOKENS = 1 << 14  # in one batch: 64 sequences of 256


def predict(
    model: TaskModel, rows: Sequence[Row], tokenizer: Tokenizer, *, size: int = 64, assign: bool = True
) -> list[Prediction]:
    """One prediction per row, in order: see ``kinds.kind.Prediction``.

    With ``assign``, rows of one group (ChID's blanks under one list of candidates) get different choices.
    """
    made = examples(model.task, rows, tokenizer)
    kept = _kept(model, made, tokenizer, size)
    return model.kind.predictions(model.task, rows, made, kept, assign=assign)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What is said to a row. ``probabilities``: of the task's labels or of the row's choices, in their order; of other
    kinds none."""

    prediction: Prediction
    probabilities: list[float]


def judge(model: TaskModel, rows: Sequence[Row], tokenizer: Tokenizer, *, size: int = 64) -> list[Judged]:
    """``predict``, with the probabilities behind it where one of several is chosen."""
    made = examples(model.task, rows, tokenizer)
    kept = _kept(model, made, tokenizer, size)
    found = model.kind.predictions(model.task, rows, made, kept, assign=True)
    if not isinstance(model.kind, OneOf):
        return [Judged(prediction=each, probabilities=[]) for each in found]
    counts = [len(model.task.choices(row)) if model.task.choices else len(model.task.labels) for row in rows]
    each = zip(found, kept, counts, strict=True)
    return [Judged(prediction=one, probabilities=score[:n].softmax(-1).tolist()) for one, score, n in each]


def row_of(task: Task, texts: Sequence[str]) -> Row:
    """The row of a task that is asked about one text, or about two.

    Raises:
        InputError: the task is asked about something else, or about another number of texts.
    """
    if task.fields in PLAIN or task.fields == PAIR:
        if len(texts) == len(task.fields):
            return dict(zip(task.fields, texts, strict=True))
        raise InputError(f"{task.name}: expected {len(task.fields)} texts, got {len(texts)}")
    raise InputError(
        f"{task.name}: expected rows in a .jsonl file, with the fields {', '.join(task.fields)}; got texts"
    )


def asked(task: Task, row: Row) -> Row:
    """A row of a task without its answer, at which nobody is to look. Raises InputError where a field is missing."""
    if missing := [field for field in task.fields if field not in row]:
        raise InputError(f"the field {missing[0]!r} is missing; a row of this task has {', '.join(task.fields)}")
    return {key: value for key, value in row.items() if key != task.gold}


def value(task: Task, row: Row, judged: Judged) -> object:
    """The answer as it stands in files, a JSON value."""
    return KINDS[task.kind].written(task, row, judged.prediction)


def _kept(model: TaskModel, made: Sequence[Example], tokenizer: Tokenizer, size: int) -> list[Tensor]:
    """What a prediction needs of each example's scores, in order; examples of like length are scored together."""
    model.eval()
    device = next(model.parameters()).device
    found: list[Tensor] = [torch.empty(0)] * len(made)
    with torch.no_grad():
        for chosen in _batches(made, size):
            scores = model(collate([made[n] for n in chosen], model.task, tokenizer.pad).to(device)).cpu()
            for number, score in zip(chosen, scores, strict=True):
                found[number] = model.kind.kept(score)
    return found


def _batches(made: Sequence[Example], size: int) -> Iterator[list[int]]:
    """Numbers of examples, by length: at most ``size`` together, and fewer where they are many tokens."""
    by_length = sorted(range(len(made)), key=lambda number: made[number].length)
    batch: list[int] = []
    sequences = 0
    for number in by_length:
        sequences += len(made[number].sequences)
        if batch and (len(batch) == size or sequences * made[number].length > TOKENS):
            yield batch
            batch, sequences = [], len(made[number].sequences)
        batch.append(number)
    if batch:
        yield batch
