"""A kind of task is one class and its reader of gold, each with a line in a table: nothing else has to know of it.

The kind here points at one character of a text.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import pytest
import torch
from torch import Tensor, nn

from rosphere.cli.clue import measured
from rosphere.clue import analysis, baselines, finetuning, reading, scoring, submission
from rosphere.clue.finetuning import Recipe
from rosphere.clue.gold.table import GOLD
from rosphere.clue.kinds.kind import Kind, Pairs, Prediction, accuracy
from rosphere.clue.kinds.table import KINDS
from rosphere.clue.model import TaskModel
from rosphere.clue.predicting import predict
from rosphere.clue.sequences import Batch, Example, Tokens
from rosphere.clue.softmax import divergence, loss
from rosphere.clue.tasks import TASKS, Row, Task
from rosphere.errors import InputError
from rosphere.preparation import writing
from rosphere.text.tokenizer import Tokenizer
from rosphere.training.loop import Callbacks
from rosphere.training.schedule import Schedule
from tests import tiny


def read_place(task: Task, row: Row, where: str, counts: Counter[str]) -> Row:
    if not 0 <= row[task.gold] < len(row["text"]):
        raise InputError(f"{where}: no character {row[task.gold]} in {row['text']!r}")
    return row


@final
class Pointing(Kind):
    baseline = "the last character"
    beside = "distance"

    def examples(self, task: Task, row: Row, tokenizer: Tokenizer, number: int) -> list[Example]:
        encoding = tokenizer.encodings([row["text"]])[0]
        ids = [tokenizer.cls, *encoding.ids, tokenizer.sep]
        tokens = Tokens(ids=ids, parts=(len(encoding.ids),), offsets=encoding.offsets)
        starts = [start for start, _ in encoding.offsets]
        return [Example(row=number, sequences=(tokens,), target=1 + starts.index(row.get(task.gold, 0)))]

    def targets(self, task: Task, chosen: Sequence[Example], max_length: int) -> Tensor:
        return torch.tensor([example.target for example in chosen])

    def segments(self, task: Task) -> int:
        return 0

    def head(self, task: Task, size: int, *, std: float) -> nn.Module:
        return nn.Linear(size, 1)

    def scores(self, head: nn.Module, vectors: Tensor, batch: Batch) -> Tensor:
        return head(vectors)[..., 0].float().masked_fill(batch.part_BL != 1, -1e4)  # type: ignore[no-any-return]

    def loss(self, scores: Tensor, batch: Batch) -> Tensor:
        return loss(scores, batch.target)

    def divergence(self, one: Tensor, other: Tensor) -> Tensor:
        return divergence(one, other)

    def kept(self, score: Tensor) -> Tensor:
        return score.argmax()

    def predictions(
        self, task: Task, rows: Sequence[Row], made: Sequence[Example], kept: Sequence[Tensor], *, assign: bool
    ) -> list[Prediction]:
        return [made[n].sequences[0].offsets[int(token) - 1][0] for n, token in enumerate(kept)]

    def right(self, task: Task, row: Row, guess: Prediction) -> bool:
        return bool(row[task.gold] == guess)

    def measures(self, task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]) -> dict[str, float]:
        apart = [abs(row[task.gold] - guess) for row, guess in zip(rows, predictions, strict=True)]
        return {"accuracy": accuracy(self, task, rows, predictions), "distance": sum(apart) / len(apart)}

    def pairs(self, task: Task, row: Row, guess: Prediction) -> Pairs:
        return [(str(row[task.gold]), str(guess))]

    def said(self, task: Task, row: Row, guess: Prediction) -> dict[str, Any]:
        return {"gold": row["text"][row[task.gold]], "prediction": row["text"][guess]}

    def majority(self, task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
        return [Counter(row[task.gold] for row in train).most_common(1)[0][0] for _ in dev]

    def simple(self, task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
        return [len(row["text"]) - 1 for row in dev]

    def is_object(self, task: Task) -> bool:
        return False

    def written(self, task: Task, row: Row, guess: Prediction) -> object:
        return guess

    def line(self, task: Task, row: Row) -> Mapping[str, Any]:
        return {"length": len(row["text"])}

    def parsed(self, task: Task, value: Any, row: Row | None) -> Prediction | None:
        return value if type(value) is int and (row is None or 0 <= value < len(row["text"])) else None

    def expected(self, task: Task) -> str:
        return "the number of a character"


TASK = Task(
    name="odd_one",
    kind="pointing",
    texts=lambda row: (row["text"],),
    fields=("text",),
    gold="place",
    max_length=16,
    clue=False,
)
MARKS, REST = "甲乙丙丁", "子丑寅"
ROWS: list[dict[str, Any]] = [
    {"id": f"{mark}{place}{rest}", "text": rest * place + mark + rest * (3 - place), "place": place}
    for mark in MARKS
    for place in range(3)
    for rest in REST
]


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Task:
    monkeypatch.setitem(KINDS, "pointing", Pointing())
    monkeypatch.setitem(GOLD, "pointing", read_place)
    monkeypatch.setitem(TASKS, TASK.name, TASK)
    return TASK


def test_both_tables_name_the_same_kinds() -> None:
    assert set(KINDS) == set(GOLD) == {task.kind for task in TASKS.values()}


@pytest.mark.parametrize("r_drop", [0.0, 1.0])
def test_a_new_kind_goes_from_released_files_to_a_submission(task: Task, r_drop: float, tmp_path: Path) -> None:
    released = tmp_path / "released"
    released.mkdir()
    for split, chosen in (("train", ROWS[::2]), ("dev", ROWS[1::2]), ("test", ROWS[:3])):
        (released / f"{split}.json").write_text("\n".join(map(json.dumps, chosen)), encoding="utf-8")
    splits, _ = reading.read_folder(released, task.name)
    written = writing.write_task(task.name, splits, tmp_path / "data")
    assert written == {"train": 16, "dev": 18, "test": 3, "train_dropped_overlap": 2}

    pieces = tiny.tokenizer(tmp_path / "tokenizer", [MARKS, REST])
    model = TaskModel(tiny.encoder(len(pieces), seed=1), task, means=True)
    recipe = Recipe(
        epochs=40, batch_size=9, schedule=lambda steps: Schedule(steps=steps, learning_rate=1e-2), r_drop=r_drop
    )
    train, dev = list(splits["train"]), list(splits["dev"])
    finetuning.finetune(model, train, pieces, recipe, seed=0, folder=None, callbacks=Callbacks())
    assert scoring.measures(task, train, predict(model, train, pieces)) == {"accuracy": 1.0, "distance": 0.0}

    guesses = predict(model, dev, pieces)
    assert analysis.analyse(task, dev, guesses)["wrong_rows"] == 18 * (1 - scoring.score(task, dev, guesses))
    assert scoring.score(task, dev, baselines.simple(task, train, dev)) == 0.0
    assert 0 < scoring.score(task, dev, baselines.majority(task, train, dev)) < 1
    assert (baselines.name(task), scoring.beside(task)) == ("the last character", "distance")

    path = submission.write_submission(task, dev, guesses, tmp_path)
    first = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    assert first == {"id": dev[0]["id"], "label": guesses[0], "length": 4}
    assert submission.read_predictions(task, dev, path) == guesses
    assert measured(task.name, released / "dev.json", path) == scoring.measures(task, dev, guesses)


def test_what_a_new_kind_refuses_is_refused(task: Task, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"here:1: no character 9 in '甲'"):
        reading.checked(task.name, [(1, {"text": "甲", "place": 9})], origin="here", split="dev")
    path = tmp_path / "predictions.json"
    path.write_text('{"id": 0, "label": "甲"}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r":1: odd_one: expected the number of a character, got '甲'"):
        submission.read_predictions(task, [{"id": 0, "text": "甲"}], path)
