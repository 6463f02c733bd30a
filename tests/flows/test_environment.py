"""The environment of a flow's process, and finding a running UI's server."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
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


@pytest.mark.parametrize("before", ["/elsewhere", ""])
def test_a_run_has_the_temporary_files_of_whoever_started_the_stack(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, before: str
) -> None:
    for name in (*settings(tmp_path), *without_proxy()):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "of the worker"))
    monkeypatch.setenv("ROSPHERE_TMPDIR", before)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "of the worker"))
    environment.prepare(tmp_path)
    assert os.environ.get("TMPDIR", "") == before and tempfile.tempdir is None
    assert "ROSPHERE_TMPDIR" not in os.environ, "what the run starts is not to do it again"


def test_a_server_that_is_gone_is_not_found(tmp_path: Path) -> None:
    assert environment.announced_api(tmp_path) is None
    with environment.announce(tmp_path, "http://127.0.0.1:1/api"):  # port 1: nobody listens
        assert environment.announced_api(tmp_path) is None
    assert not list((tmp_path / ".run" / "prefect").iterdir())


def test_a_server_that_answers_is_found(tmp_path: Path, prefect_server) -> None:
    with environment.announce(tmp_path, prefect_server.api):
        assert environment.announced_api(tmp_path) == prefect_server.api
    assert environment.announced_api(tmp_path) is None


def test_a_server_is_ours_only_while_the_ui_that_announced_it_lives(tmp_path: Path, prefect_server) -> None:
    """After a kill -9 the address stays, and another workspace's UI may answer there."""
    script = (
        "import sys, time; from pathlib import Path; from flows import environment\n"
        "with environment.announce(Path(sys.argv[1]), sys.argv[2]):\n    print('up', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", script, str(tmp_path), prefect_server.api]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as ui:
        assert ui.stdout is not None and ui.stdout.readline() == "up\n"
        assert environment.announced_api(tmp_path) == prefect_server.api
        ui.kill()
    assert (tmp_path / ".run" / "prefect" / "api-url").read_text() == f"{prefect_server.api}\n"
    assert environment.announced_api(tmp_path) is None
    with environment.announce(tmp_path, prefect_server.api):
        assert environment.announced_api(tmp_path) == prefect_server.api
