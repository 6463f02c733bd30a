"""Predictions as files: our own JSON lines for every task, and CLUE's submission format for CLUE's tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rosphere.clue.scoring import Prediction
from rosphere.clue.tasks import Row, Task
from rosphere.text import reading


def as_label(text: str, prediction: Prediction) -> object:
    """A class as it is; spans as CLUENER writes them: {"name": {"江泽民": [[0, 2]]}}."""
    if isinstance(prediction, str):
        return prediction
    label: dict[str, dict[str, list[list[int]]]] = {}
    for kind, begin, end in sorted(prediction):
        label.setdefault(kind, {}).setdefault(text[begin : end + 1], []).append([begin, end])
    return label


def write_predictions(task: Task, rows: Sequence[Row], predictions: Sequence[Prediction], path: Path) -> None:
    """Every row beside what was predicted for it."""
    guesses = (as_label(row.get("text", ""), guess) for row, guess in zip(rows, predictions, strict=True))
    reading.write_rows(path, ({**row, "prediction": guess} for row, guess in zip(rows, guesses, strict=True)))


def write_submission(task: Task, rows: Sequence[Row], predictions: Sequence[Prediction], folder: Path) -> Path:
    """<task>_predict.json in CLUE's format: {"id", "label"} a line, ids as released."""
    path = folder / f"{task.name}_predict.json"
    values = []
    for number, (row, guess) in enumerate(zip(rows, predictions, strict=True)):
        value = {"id": row.get("id", number), "label": as_label(row.get("text", ""), guess)}
        values.append({**value, "text": row["text"]} if task.kind == "entities" else value)
    reading.write_rows(path, values)
    return path
