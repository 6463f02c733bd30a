"""What a run leaves to look at."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from flows import artifacts


@pytest.mark.parametrize(
    ("shown", "uri", "expected"),
    [
        ("", "http://tracker:8080", "http://tracker:8080/#/"),
        ("http://127.0.0.1:5100", "http://tracker:8080", "http://127.0.0.1:5100/#/"),
        ("", "", "http://127.0.0.1:5000/#/"),
    ],
)
def test_the_way_to_mlflow_leads_where_the_runs_are_tracked(
    monkeypatch: pytest.MonkeyPatch, shown: str, uri: str, expected: str
) -> None:
    monkeypatch.setenv("ROSPHERE_MLFLOW_UI", shown)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setattr(artifacts, "runtime", SimpleNamespace(flow_run=SimpleNamespace(id="abc")))
    address = artifacts.runs_address()
    assert address.startswith(expected) and "abc" in address
