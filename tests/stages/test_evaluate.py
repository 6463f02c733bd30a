"""The evaluate stage: its options, and what it leaves behind for a task of each reading kind."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.run import settings as config
from rosphere.clue.declared import Declared, Prepared
from rosphere.clue.tasks import TASKS
from rosphere.encoder import folder
from rosphere.errors import InputError
from rosphere.text import reading
from stages.evaluate import EpochSchedule, Evaluate, set_apart
from tests import tiny
from tests.project import environment

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
SCHEDULE = EpochSchedule(learning_rate=1e-2)
TEXTS = [f"{one}{other}" for one in "甲乙丙丁" for other in "子丑寅卯"]
ROWS: dict[str, list[dict[str, Any]]] = {
    "cmrc2018": [
        {"id": t, "question": t[0], "context": f"{t}。", "answers": {"text": [t], "answer_start": [0]}} for t in TEXTS
    ],
    "chid": [
        {"id": t, "group": n // 2, "content": f"{t[0]}#idiom#", "candidates": list("子丑寅卯"), "answer": n % 4}
        for n, t in enumerate(TEXTS)
    ],
}


def test_the_options_are_off_by_default() -> None:
    kept = config.load(ROOT / "params.yaml", "evaluate", Evaluate)
    bare = Evaluate(
        epochs=kept.epochs,
        minimum_steps=kept.minimum_steps,
        batch_size=kept.batch_size,
        dropout=kept.dropout,
        pooling=kept.pooling,
        schedule=kept.schedule,
    )
    assert kept == bare
    recipe = kept.recipe()
    assert (recipe.select, recipe.patience, recipe.layer_decay, recipe.r_drop) == ("last", 0, 1.0, 0.0)
    assert (recipe.accumulate, recipe.gradient_checkpointing) == (1, False)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"seeds": 0}, "seeds: expected 1 or more, got 0"),
        ({"accumulate": 0}, "accumulate: expected 1 or more, got 0"),
        ({"r_drop": -1.0}, r"r_drop: expected 0 or more, got -1\.0"),
        ({"layer_decay": 0.0}, r"layer_decay: expected a factor in \(0, 1\], got 0\.0"),
        ({"layer_decay": 1.5}, r"layer_decay: expected a factor in \(0, 1\], got 1\.5"),
        ({"patience": 2}, "patience: expected select: best"),
    ],
)
def test_options_that_make_no_sense_are_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        Evaluate(epochs=1, batch_size=1, dropout=0.0, pooling="cls", schedule=SCHEDULE, **changes)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the stage reads: a tiny encoder, its tokenizer, rows of three tasks."""
    place = tmp_path_factory.mktemp("workspace")
    pieces = tiny.tokenizer(place / "data/tokenizer", [*TEXTS, "。"])
    model = tiny.language(len(pieces), seed=1, **tiny.ONE_BLOCK)
    folder.save(model, place / "models/pretrain_wide", tokenizer=pieces.folder)
    for name, rows in ROWS.items():
        for split in ("train", "dev", "test" if name == "cmrc2018" else "test1.1"):
            path = place / "data/tasks" / name / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    changes = {
        "minimum_steps: 500 ": "minimum_steps: 0 ",
        "seeds: 1 ": "seeds: 2 ",
        "select: last ": "select: best ",
        "patience: 0 ": "patience: 1 ",
    }
    for old, new in changes.items():
        assert text.count(f"  {old}") == 1
        text = text.replace(f"  {old}", f"  {new}")
    (place / "params.yaml").write_text(text, encoding="utf-8")
    (place / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return place


@pytest.mark.parametrize(("name", "submitted"), [("cmrc2018", "cmrc2018"), ("chid", "chid11")])
def test_what_the_stage_leaves_behind(workspace: Path, name: str, submitted: str) -> None:
    command = [sys.executable, "-m", "stages.evaluate", name]
    done = subprocess.run(
        command, cwd=workspace, env={**environment(), "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    reports = workspace / "reports"
    found = json.loads((reports / "tasks" / f"{name}.json").read_text(encoding="utf-8"))
    assert found["score"] == pytest.approx(sum(found["scores"]) / 2, abs=1e-5) and len(found["scores"]) == 2
    assert found["selected_on_train_rows"] in (2, 4) and found["select_share"] == 0.1
    assert found["clue"] is True and found["own"] is False
    assert all(1 <= epochs <= 2 for epochs in found["epochs_seen"])
    assert ({"em", "f1", "baseline_f1"} <= set(found)) is (name == "cmrc2018")
    assert ("accuracy_without_assignment" in found) is (name == "chid")
    written = {path.name for path in (reports / "predictions" / name).iterdir()}
    test = "test" if name == "cmrc2018" else "test1.1"
    assert written == {"analysis.json", "dev.jsonl", f"{test}.jsonl", f"{submitted}_predict.json"}
    analysed = json.loads((reports / "predictions" / name / "analysis.json").read_text(encoding="utf-8"))
    assert sum(each["rows"] for each in analysed["lengths"]) == len(TEXTS)
    assert (reports / "curves" / f"evaluate-{name}.csv").read_text(encoding="utf-8").startswith("seed,step,")


def test_the_epoch_is_never_chosen_by_rows_that_are_reported() -> None:
    """With select: best so many of the training rows are set apart, and nothing is learnt from them."""
    rows = [{"sentence": text, "label": str(n % 2)} for n, text in enumerate(TEXTS)]
    task, settings = (
        TASKS["sentiment"],
        Evaluate(
            epochs=1, batch_size=1, dropout=0.0, pooling="cls", schedule=SCHEDULE, select="best", select_share=0.25
        ),
    )
    learnt, chosen = set_apart(task, rows, settings, seed=8)
    assert len(chosen) == 4 and sorted(map(str, [*learnt, *chosen])) == sorted(map(str, rows))
    assert set_apart(task, rows, settings, seed=8) == (learnt, chosen)
    assert set_apart(task, rows, replace(settings, select="last"), seed=8) == (rows, ())
    with pytest.raises(InputError, match=r"evaluate\.select: best needs training rows that differ, sentiment has 3"):
        set_apart(task, rows[:1] * 3, settings, seed=8)


def test_a_task_of_ones_own_is_known_by_what_was_prepared(workspace: Path) -> None:
    """No code names it: its declaration lies beside its rows, and its settings are its own."""
    rows = [{"sentence": text, "label": "ab"[text[0] in "甲乙"]} for text in TEXTS]
    folder_ = workspace / "data/tasks/mine"
    for split in ("train", "dev", "test"):
        reading.write_rows(folder_ / f"{split}.jsonl", rows)
    made = Declared(kind="classification", labels=("a", "b"))
    Prepared(own=True, declared=made).write(folder_)
    params = (workspace / "params.yaml").read_text(encoding="utf-8")
    overrides = "{mine: {minimum_steps: 30, learning_rate: 1e-2, seeds: 1, select: last, patience: 0}}"
    place = "\n  tasks: {}\n  schedule: {learning_rate"
    assert params.count(place) == 1
    (workspace / "params.yaml").write_text(params.replace(place, place.replace("{}", overrides)), encoding="utf-8")
    command = [sys.executable, "-m", "stages.evaluate", "mine"]
    done = subprocess.run(
        command, cwd=workspace, env={**environment(), "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    (workspace / "params.yaml").write_text(params, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    found = json.loads((workspace / "reports/tasks/mine.json").read_text(encoding="utf-8"))
    assert found["own"] is True and found["clue"] is False and found["steps"] == 30
    assert found["score"] == found["test_score"] == 1.0 and "selected_on_train_rows" not in found
