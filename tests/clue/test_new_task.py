"""A task of a known kind is one declaration: everything else follows from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rosphere.clue import analysis, baselines, finetuning, reading, scoring, submission
from rosphere.clue.finetuning import Recipe
from rosphere.clue.model import TaskModel
from rosphere.clue.predicting import predict
from rosphere.clue.tasks import TASKS, Task
from rosphere.preparation import writing
from rosphere.training.loop import Callbacks
from rosphere.training.schedule import Schedule
from tests import tiny

QUIZ = "甲乙丙丁"


NEW = (
    Task(
        name="weather",
        kind="classification",
        labels=("sun", "rain"),
        texts=lambda row: (row["report"],),
        fields=("report",),
        gold="sky",
        max_length=16,
        clue=False,
    ),
    Task(
        name="quiz",
        kind="choices",
        texts=lambda row: (row["ask"],),
        choices=lambda row: tuple(row["options"]),
        fields=("ask", "options"),
        gold="best",
        max_length=16,
        clue=False,
    ),
)
ROWS: dict[str, list[dict[str, Any]]] = {
    "weather": [{"report": a + b, "sky": "sun" if a in "甲乙" else "rain"} for a in QUIZ for b in QUIZ],
    "quiz": [{"ask": a + b, "options": [a, "戊"][:: 1 if b in "甲丙" else -1], "best": a} for a in QUIZ for b in QUIZ],
}


@pytest.mark.parametrize("task", NEW, ids=lambda task: task.name)
def test_one_declaration_is_enough(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, task.name, task)
    released = tmp_path / "released"
    released.mkdir()
    rows = ROWS[task.name]
    for split, chosen in (("train", rows[::2]), ("dev", rows[1::2]), ("test", rows[:3])):
        (released / f"{split}.json").write_text("\n".join(map(json.dumps, chosen)), encoding="utf-8")
    splits, counts = reading.read_folder(released, task.name)
    assert counts == {}
    written = writing.write_task(task.name, splits, tmp_path / "data")
    assert written == {"train": 6, "dev": 8, "test": 3, "train_dropped_overlap": 2}, "its test set has answers"

    pieces = tiny.tokenizer(tmp_path / "tokenizer", [QUIZ, "戊"])
    model = TaskModel(tiny.encoder(len(pieces), seed=1), task, means=True)
    recipe = Recipe(epochs=60, batch_size=8, schedule=lambda steps: Schedule(steps=steps, learning_rate=1e-2))
    train, dev = list(splits["train"]), list(splits["dev"])
    finetuning.finetune(model, train, pieces, recipe, seed=0, folder=None, callbacks=Callbacks())
    assert scoring.score(task, train, predict(model, train, pieces)) == 1.0

    guesses = predict(model, dev, pieces)
    found = analysis.analyse(task, dev, guesses)
    assert sum(each["rows"] for each in found["lengths"]) == len(dev)
    for baseline in (baselines.majority, baselines.simple):
        assert 0 <= scoring.score(task, dev, baseline(task, train, dev)) <= 1
    path = submission.write_submission(task, dev, guesses, tmp_path)
    assert path.name == f"{task.name}_predict.json"
    assert submission.read_predictions(task, dev, path) == guesses
