"""What a fine-tuned model says to rows: classes, entities, answers, choices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from rosphere.clue.examples import Example, collate, examples
from rosphere.clue.model import TaskModel
from rosphere.clue.scoring import Prediction
from rosphere.clue.tasks import Row, Task
from rosphere.text.tokenizer import Tokenizer

TOKENS = 1 << 14  # in one batch: 64 sequences of 256


def predict(
    model: TaskModel, rows: Sequence[Row], tokenizer: Tokenizer, *, size: int = 64, assign: bool = True
) -> list[Prediction]:
    """One prediction per row, in order: see ``scoring.Prediction``.

    With ``assign``, rows of one group (ChID's blanks under one list of candidates) get different choices.
    """
    task = model.task
    made = examples(task, rows, tokenizer)
    scores = _scored(model, made, tokenizer, size)
    match task.kind:
        case "classification":
            return [task.labels[int(each.argmax())] for each in scores]
        case "entities":
            return [entities(task, example, each) for example, each in zip(made, scores, strict=True)]
        case "spans":
            return best_answers(rows, made, scores)
        case "choices":
            logits = [each[: len(example.sequences)].numpy() for example, each in zip(made, scores, strict=True)]
            return choices(task, rows, logits, assign=assign)


def _scored(model: TaskModel, made: Sequence[Example], tokenizer: Tokenizer, size: int) -> Iterator[Tensor]:
    """The scores of each example, in order; examples of like length are scored together."""
    model.eval()
    device = next(model.parameters()).device
    found: list[Tensor] = [torch.empty(0)] * len(made)
    with torch.no_grad():
        for chosen in _batches(made, size):
            scores = model(collate([made[n] for n in chosen], model.task, tokenizer.pad).to(device)).cpu()
            for number, score in zip(chosen, scores, strict=True):
                found[number] = _read(model.task, made[number], score)
    return iter(found)


def _read(task: Task, example: Example, score: Tensor) -> Tensor:
    """Of an answer's L x L scores only the best is kept, [score, first, last]: all windows' would fill the memory."""
    if task.kind != "spans":
        return score if task.kind != "entities" else (score > 0).nonzero()
    allowed = score[1:, 1:]  # [CLS] stands for no answer, and every question has one
    place = int(allowed.argmax())
    first, last = divmod(place, allowed.shape[1])
    return torch.tensor([float(allowed[first, last]), first + 1, last + 1], dtype=torch.float64)


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


def entities(task: Task, example: Example, places: Tensor) -> list[tuple[str, int, int]]:
    """(label, first character, last character) of every span (label, first token, last token) that scored above 0."""
    offsets = example.sequences[0].offsets
    return [
        (task.labels[label], offsets[first - 1][0], offsets[last - 1][1] - 1) for label, first, last in places.tolist()
    ]


def best_answers(rows: Sequence[Row], made: Sequence[Example], best: Iterator[Tensor]) -> list[Prediction]:
    """Of each row's windows the answer with the highest score, as it stands in the text."""
    found: list[Prediction] = [""] * len(rows)
    for number, windows in groupby(zip(made, best, strict=True), key=lambda pair: pair[0].row):
        example, (_, first, last) = max(windows, key=lambda pair: float(pair[1][0]))
        tokens = example.sequences[0]
        shift = tokens.parts[0] + 2  # [CLS] question [SEP]
        places = [int(place) - shift for place in (first, last)]
        if all(0 <= place < len(tokens.offsets) for place in places):
            begin, end = tokens.offsets[places[0]][0], tokens.offsets[places[1]][1]
            found[number] = rows[number]["context"][begin:end]
    return found


def choices(
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
