"""The journal of a sweep: what is asked, what a stop leaves, what is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from flows.space import read
from flows.study import Study, found, opened
from pipeline.workspace import lock
from pipeline.workspace.graph import PlanError

METRIC = "reports/a.json:loss"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    commit = ["git", "-c", "user.name=n", "-c", "user.email=n@localhost", "commit", "-q", "--allow-empty", "-m", "one"]
    for command in (["git", "init", "-q"], commit):
        subprocess.run(command, cwd=tmp_path, check=True)
    return tmp_path


def begun(root: Path, sampler: str = "grid", trials: int | None = None, **space: str) -> Study:
    return opened(root, "mine", read(space or {"x": "3,1,2"}), METRIC, "minimize", sampler, trials)


def finish(study: Study) -> list[float]:
    """Try all that is left; the value is what is tried."""
    tried = []
    while trial := study.ask():
        tried.append(float(trial.params["x"]))
        study.tell(trial, tried[-1])
    return tried


def test_a_grid_is_tried_whole_and_once(root: Path) -> None:
    assert finish(begun(root)) == [3, 1, 2]
    assert finish(begun(root)) == []
    assert [row["value"] for row in found(root, "mine").table()] == [1, 2, 3]
    assert found(root, "mine").best["x"] == "1"


def test_what_was_stopped_or_failed_is_tried_again(root: Path) -> None:
    study = begun(root)
    study.tell(study.ask(), 3.0)
    study.tell(study.ask(), None)  # 1 fails
    study.ask()  # 2 is running when everything is killed
    with lock.alone(root, "sweep-mine"):
        assert [row["state"] for row in found(root, "mine").table()] == ["complete", "fail", "running"]
    assert [row["state"] for row in found(root, "mine").table()] == ["complete", "fail", "stopped"]
    assert finish(begun(root)) == [1, 2]
    states = [(row["x"], row["state"]) for row in found(root, "mine").table()]
    assert states == [("1", "complete"), ("2", "complete"), ("3", "complete"), ("1", "fail")]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_sampler_stays_in_its_range_and_goes_on(root: Path, sampler: str) -> None:
    study = begun(root, sampler, 5, x="0.5..2.5")
    for _ in range(2):
        trial = study.ask()
        study.tell(trial, trial.params["x"])
    left = study.ask().params["x"]
    again = finish(begun(root, sampler, 5, x="0.5..2.5"))
    assert again[0] == left and len(again) == 3
    values = [row["value"] for row in found(root, "mine").table()]
    assert len(set(values)) == 5 and values == sorted(values) and 0.5 <= values[0] <= values[-1] <= 2.5


def test_maximize_puts_the_largest_first(root: Path) -> None:
    finish(opened(root, "up", read({"x": "3,1,2"}), METRIC, "maximize", "grid", None))
    assert [row["value"] for row in found(root, "up").table()] == [3, 2, 1]
    assert found(root, "up").text().splitlines()[4] == "| 0 |  | 3 | 3 | complete |"


def test_refusals(root: Path, tmp_path: Path) -> None:
    begun(root)
    with pytest.raises(
        PlanError, match="was begun with the metric reports/a.json:loss, now it is reports/a.json:other"
    ):
        opened(root, "mine", read({"x": "3,1,2"}), "reports/a.json:other", "minimize", "grid", None)
    with pytest.raises(PlanError, match="was begun with the space .*: give it another name"):
        begun(root, x="3,4")
    with pytest.raises(PlanError, match="--sampler tpe needs a number of --trials"):
        begun(root, "tpe")
    with pytest.raises(PlanError, match="metric: expected FILE:KEY"):
        opened(root, "new", read({"x": "1"}), "loss", "minimize", "grid", None)
    with pytest.raises(PlanError, match="no sweep 'other' in .*; there are: mine"):
        found(root, "other")
