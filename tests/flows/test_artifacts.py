"""What a run leaves to look at."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from flows import artifacts
from pipeline.workspace import links


@pytest.mark.parametrize(
    ("shown", "uri", "expected"),
    [
        ("", "http://tracker:8080", "http://tracker:8080/#/"),
        ("http://127.0.0.1:5100", "http://tracker:8080", "http://127.0.0.1:5100/#/"),
        ("", "", "http://127.0.0.1:5000/#/"),
    ],
)
def test_the_way_to_mlflow_leads_where_the_runs_are_tracked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shown: str, uri: str, expected: str
) -> None:
    monkeypatch.setenv("ROSPHERE_MLFLOW_UI", shown)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    monkeypatch.setattr(artifacts, "runtime", SimpleNamespace(flow_run=SimpleNamespace(id="abc")))
    assert (artifacts.runs_address(tmp_path) is None) == bool(uri), "nobody knows the number of its experiment yet"
    links.note_experiment(tmp_path, "7")
    address = artifacts.runs_address(tmp_path)
    assert address is not None and address.startswith(f"{expected}experiments/7/runs") and "abc" in address
