"""Where MLflow is, for programs and for people."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.workspace import links
from pipeline.workspace.environment import EXPERIMENT_NAME, MLFLOW_UI, TRACKING_URI


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


@pytest.mark.parametrize(
    ("uri", "shown", "expected"),
    [
        ("http://mlflow.local:8080/", "", "http://mlflow.local:8080"),
        ("https://me:secret@mlflow.local/team", "", "https://mlflow.local/team"),
        ("http://mlflow.local:8080", "http://127.0.0.1:5100", "http://127.0.0.1:5100"),
        ("sqlite:///mlflow.db", "", links.DASHBOARD),
        ("", "", links.DASHBOARD),
    ],
)
def test_where_the_dashboard_is(monkeypatch: pytest.MonkeyPatch, uri: str, shown: str, expected: str) -> None:
    """A user and a password are left out: the address goes onto pages."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("ROSPHERE_MLFLOW_UI", shown)
    assert links.dashboard() == expected


@pytest.fixture
def own_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A workspace with a store of its own."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_search_for_runs_is_an_address(monkeypatch: pytest.MonkeyPatch, own_store: Path) -> None:
    monkeypatch.setenv("ROSPHERE_MLFLOW_UI", "http://tracker/mlflow")
    links.note_experiment(own_store, "7")
    page = "/#/experiments/7/runs?workflowType=machine_learning"
    searched = f"http://tracker/mlflow{page}&searchFilter=tags.%60a%2Fb%60%20%3D%20%27c%27"
    assert links.runs(own_store, "tags.`a/b` = 'c'") == searched
    assert links.page("7") == page


def test_the_experiment_of_another_store_is_not_taken_for_ours(
    monkeypatch: pytest.MonkeyPatch, own_store: Path
) -> None:
    assert links.experiment(own_store) == "1"  # the first of a store of our own
    links.note_experiment(own_store, "3")
    assert links.experiment(own_store) == "3"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracker:5000")
    assert links.experiment(own_store) is None and links.runs(own_store, "a") is None
    links.note_experiment(own_store, "12")
    assert links.experiment(own_store) == "12"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    assert links.experiment(own_store) is None


def test_runs_in_a_store_that_the_dashboard_does_not_show_are_not_linked_into_it(
    monkeypatch: pytest.MonkeyPatch, own_store: Path
) -> None:
    monkeypatch.delenv("ROSPHERE_MLFLOW_UI", raising=False)
    links.note_experiment(own_store, "3")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///elsewhere.db")
    links.note_experiment(own_store, "12")
    assert links.experiment(own_store) == "12"
    assert links.runs(own_store, "a") is None
    assert links.own_experiment(own_store) == "1", "what `make ui` shows"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    links.note_experiment(own_store, "3")
    assert "/experiments/3/" in str(links.runs(own_store, "a"))


def test_the_latest_two_pipelines_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (TRACKING_URI, MLFLOW_UI, EXPERIMENT_NAME):
        monkeypatch.delenv(name, raising=False)
    assert links.comparison(tmp_path) is None
    for run in ("one", "two", "two", "three", "two"):
        links.note_pipeline(tmp_path, run)
    page = "/#/compare-runs?runs=%5B%22three%22%2C%20%22two%22%5D&experiments=%5B%221%22%5D"
    assert links.comparison(tmp_path) == f"{links.DASHBOARD}{page}"
    assert links.comparison(tmp_path, "http://127.0.0.1:5100") == f"http://127.0.0.1:5100{page}"
    links.note_pipeline(tmp_path, "two", "a flow run")
    assert links.comparison(tmp_path, flow_run="a flow run") == f"{links.DASHBOARD}{page}"
    assert links.comparison(tmp_path, flow_run="the next one") is None, "whose pipeline MLflow has not heard of"
    monkeypatch.setenv(TRACKING_URI, "http://elsewhere:5000")
    assert links.comparison(tmp_path) is None, "there nothing is known of them"
