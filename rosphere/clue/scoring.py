"""The tasks' own metrics, on predictions in the form of ``finetuning.predict``."""

from __future__ import annotations

from collections.abc import Sequence

from rosphere.clue.examples import gold_spans
from rosphere.clue.tasks import Row, Task
from rosphere.errors import InputError

Prediction = str | list[tuple[str, int, int]]


def score(task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]) -> float:
    """Accuracy, or micro F1 of exact (label, first, last) spans: 2 TP / (2 TP + FP + FN)."""
    if len(rows) != len(predictions):
        raise InputError(f"{task.name}: {len(rows)} rows but {len(predictions)} predictions")
    if task.metric == "accuracy":
        hits = [str(row["label"]) == guess for row, guess in zip(rows, predictions, strict=True)]
        return sum(hits) / len(hits)
    right = wrong = missed = 0
    for row, guess in zip(rows, predictions, strict=True):
        gold, found = set(gold_spans(row)), set(guess)
        right += len(gold & found)
        wrong += len(found - gold)
        missed += len(gold - found)
    return 2 * right / max(1, 2 * right + wrong + missed)
