"""Where MLflow is, for programs and for people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.report import runs
from pipeline.workspace import links


def test_the_store_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert links.database(Path(".")) == f"sqlite:///{tmp_path}/mlflow.db"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "sqlite:////home/mlflow.db"),
        ("sqlite:///other.db", "sqlite:////home/other.db"),
        ("sqlite:////else/other.db", "sqlite:////else/other.db"),
        ("http://tracker:5000", "http://tracker:5000"),
    ],
)
def test_stages_track_into_their_workspace_unless_told(
    monkeypatch: pytest.MonkeyPatch, given: str, expected: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    assert links.tracking_uri(Path("/home")) == expected


def test_what_stages_write_is_what_the_ui_shows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert links.tracking_uri(tmp_path) == links.database(tmp_path)


def test_a_search_for_runs_is_an_address() -> None:
    address = links.runs("http://tracker/mlflow", "7", "tags.`a/b` = 'c'")
    page = "http://tracker/mlflow/#/experiments/7/runs?workflowType=machine_learning"
    assert address == f"{page}&searchFilter=tags.%60a%2Fb%60%20%3D%20%27c%27"
    assert links.runs("http://tracker/mlflow", "7") == page


@pytest.mark.parametrize(
    "asked", [links.experiment, lambda home: runs.experiment()]
)  # the page's own way, which is apart
def test_the_experiment_of_another_store_is_not_taken_for_ours(
    asked: Callable[[Path], str | None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    assert asked(tmp_path) == "1"  # the first of a store of our own
    links.note_experiment(tmp_path, "3")
    assert asked(tmp_path) == "3"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracker:5000")
    assert asked(tmp_path) is None
    links.note_experiment(tmp_path, "12")
    assert asked(tmp_path) == "12"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    assert asked(tmp_path) is None
