"""Where MLflow is, for programs and for people."""

from __future__ import annotations

from pathlib import Path

import pytest

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


def test_a_search_for_runs_is_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROSPHERE_MLFLOW_UI", "http://tracker/mlflow")
    address = links.runs("tags.`a/b` = 'c'")
    assert address == "http://tracker/mlflow/#/experiments/1/runs?searchFilter=tags.%60a%2Fb%60%20%3D%20%27c%27"
