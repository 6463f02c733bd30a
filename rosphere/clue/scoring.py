"""The tasks' own metrics, on predictions of a model or from a file."""

from __future__ import annotations

from collections.abc import Sequence

from rosphere.clue import answers
from rosphere.clue.gold.choices import chosen
from rosphere.clue.gold.entities import gold_spans
from rosphere.clue.tasks import Row, Task
from rosphere.errors import InputError

# a class; the number of a choice; the text of an answer; or entities (label, first character, last character)
Prediction = str | int | list[tuple[str, int, int]]


def score(task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]) -> float:
    """The task's one number: accuracy, exact match, or micro F1 of (label, first, last): 2 TP / (2 TP + FP + FN)."""
    return measures(task, rows, predictions)[task.metric]


def measures(task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]) -> dict[str, float]:
    """Everything that is measured: of answers exact match, F1 and their mean, otherwise the task's metric alone."""
    if len(rows) != len(predictions):
        raise InputError(f"{task.name}: {len(rows)} rows but {len(predictions)} predictions")
    if task.kind == "spans":
        return _answers(rows, predictions)
    if task.metric == "accuracy":
        hits = [right(task, row, guess) for row, guess in zip(rows, predictions, strict=True)]
        return {"accuracy": sum(hits) / len(hits)}
    return {"f1": _entity_f1(rows, predictions)}


def right(task: Task, row: Row, guess: Prediction) -> bool:
    """Whether a prediction is wholly right."""
    match task.kind:
        case "classification":
            return str(row[task.gold]) == guess
        case "choices":
            return chosen(task, row) == guess
        case "entities":
            assert isinstance(guess, list)
            return set(gold_spans(row)) == set(guess)
        case "spans":
            return bool(answers.exact(row[task.gold]["text"], str(guess)))


def _answers(rows: Sequence[Row], predictions: Sequence[Prediction]) -> dict[str, float]:
    pairs = [(row["answers"]["text"], str(guess)) for row, guess in zip(rows, predictions, strict=True)]
    exact = sum(answers.exact(*pair) for pair in pairs) / len(pairs)
    f1 = sum(answers.f1(*pair) for pair in pairs) / len(pairs)
    return {"em": exact, "f1": f1, "mean_of_em_and_f1": (exact + f1) / 2}


def _entity_f1(rows: Sequence[Row], predictions: Sequence[Prediction]) -> float:
    right = wrong = missed = 0
    for row, guess in zip(rows, predictions, strict=True):
        assert isinstance(guess, list)
        gold, found = set(gold_spans(row)), set(guess)
        right += len(gold & found)
        wrong += len(found - gold)
        missed += len(gold - found)
    return 2 * right / max(1, 2 * right + wrong + missed)
