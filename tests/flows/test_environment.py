"""The environment of a flow's process, and finding a running UI's server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flows import environment
from pipeline.workspace.environment import settings, without_proxy


def test_a_proxy_is_kept_out_of_the_way_to_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, prefect_server
) -> None:
    """What httpx, which Prefect asks with, makes of the variables: of proxies that nobody serves, SOCKS included."""
    import httpx

    for key in (*settings(tmp_path), *without_proxy()):
        monkeypatch.setenv(key, os.environ.get(key, ""))
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    monkeypatch.setenv("PREFECT_API_URL", prefect_server.api)
    for key, proxy in (("http_proxy", "http://127.0.0.1:9"), ("all_proxy", "socks5://127.0.0.1:9")):
        monkeypatch.setenv(key, proxy)
        monkeypatch.setenv(key.upper(), proxy)
    monkeypatch.setenv("no_proxy", "intranet")
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{prefect_server.api}/health")
    environment.prepare(tmp_path)
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == "intranet,127.0.0.1,localhost"
    assert httpx.get(f"{prefect_server.api}/health").status_code == 200


@pytest.mark.parametrize("given", ["0", "two", "-1", "1.5", ""])
def test_a_senseless_number_of_workers_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("ROSPHERE_WORKERS", given)
    with pytest.raises(ValueError, match=rf"ROSPHERE_WORKERS must be a positive integer, got '{given}'"):
        environment.workers()


def test_workers_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROSPHERE_WORKERS", "5")
    assert environment.workers() == 5


def test_what_is_set_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for key in settings(tmp_path):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "mine"))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    environment.prepare(tmp_path)
    assert os.environ["PREFECT_HOME"] == str(tmp_path / "mine")
    assert os.environ["PREFECT_API_URL"] == "http://127.0.0.1:1/api"
    assert os.environ["DO_NOT_TRACK"] == "1"


def test_a_server_that_is_gone_is_not_found(tmp_path: Path) -> None:
    assert environment.announced_api(tmp_path) is None
    with environment.announce(tmp_path, "http://127.0.0.1:1/api"):  # port 1: nobody listens
        assert environment.announced_api(tmp_path) is None
    assert not list((tmp_path / ".run" / "prefect").iterdir())


def test_a_server_that_answers_is_found(tmp_path: Path, prefect_server) -> None:
    with environment.announce(tmp_path, prefect_server.api):
        assert environment.announced_api(tmp_path) == prefect_server.api
    assert environment.announced_api(tmp_path) is None
