"""The local stack: it answers, a worker runs what is started there, a busy port is refused, and nothing is left."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from flows import environment
from flows.process import Commands
from flows.services import Service, StartError, require_free
from flows.ui import Post, create_store, emptied, mlflow_server, prefect_server, worker
from pipeline.workspace import links
from tests.asking import ask

pytestmark = pytest.mark.integration

HOUSE = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_busy_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        with pytest.raises(StartError, match=rf"^port {port} is taken, choose another with --mlflow-port"):
            require_free((prefect_server(free_port(), None), mlflow_server(port, links.database(tmp_path))))


def test_a_password_stays_off_the_command_line() -> None:
    url = "postgresql://me:secret@db/name"
    services = (prefect_server(4200, url), mlflow_server(5000, url))
    assert not [service for service in services if "secret" in " ".join(service.arguments)]
    assert services[0].env["PREFECT_API_DATABASE_CONNECTION_URL"] == services[1].env["MLFLOW_BACKEND_STORE_URI"] == url


def test_what_a_killed_worker_leaves_goes_with_the_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    folder = Path(worker("api", None).env["TMPDIR"])
    assert tmp_path in folder.parents and worker("api", None).env["ROSPHERE_TMPDIR"] == "/elsewhere"
    (folder / "left").mkdir(parents=True)
    with emptied(folder):
        assert list(folder.iterdir()) == []
        (folder / "left by a worker").mkdir()
    assert not folder.exists()


def test_runs_track_where_the_ui_looks() -> None:
    assert worker("api", "http://127.0.0.1:5000").env["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:5000"
    assert worker("api", None, "http://127.0.0.1:5100").env["ROSPHERE_MLFLOW_UI"] == "http://127.0.0.1:5100"
    assert "MLFLOW_TRACKING_URI" not in worker("api", None).env, "they find the file in their workspace themselves"


def test_elsewhere_than_in_a_workspace_it_is_refused(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(HOUSE)}
    done = subprocess.run([sys.executable, "-m", "flows.ui"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"no prefect.yaml in {tmp_path}: start the UI in the workspace's own folder\n"
    assert not list(tmp_path.iterdir())


def test_a_worker_that_ended_gets_a_successor_but_not_one_after_the_other_for_ever(tmp_path: Path, eventually) -> None:
    (tmp_path / ".run").mkdir()
    with Commands() as workers:
        post = Post(Service(name="Worker", arguments=("this",)), tmp_path, workers)  # a module that ends at once
        for _ in range(2):
            eventually(post.filled, "it ended, and another one is started")
        with pytest.raises(StartError, match="Worker ended; the last lines of"):
            eventually(post.filled, "the third ended")


@pytest.mark.slow
def test_two_who_create_the_store_at_once_do_not_break_it(tmp_path: Path) -> None:
    threads = [threading.Thread(target=create_store, args=(tmp_path,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (tmp_path / "mlflow.db").rename(tmp_path / "first.db")
    count = "len(MlflowClient(sys.argv[1]).search_experiments())"
    script = f"import sys; from mlflow import MlflowClient; print({count})"
    command = [sys.executable, "-c", script, f"sqlite:///{tmp_path}/first.db"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.strip() == "2", done.stderr[-2000:]  # MLflow's own, and ours


@contextmanager
def running_ui(root: Path) -> Iterator[tuple[str, subprocess.Popen[str], list[psutil.Process]]]:
    """The stack of a workspace: its API, its process and the whole family; stopped by SIGTERM at the end."""
    ports = ["--prefect-port", str(free_port()), "--mlflow-port", str(free_port())]
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "ROSPHERE_", "MLFLOW_"))}
    command, env = [sys.executable, "-m", "flows.ui", *ports], {**mine, "PYTHONPATH": str(HOUSE)}
    with subprocess.Popen(
        command, cwd=root, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as ui:
        assert ui.stdout is not None
        try:
            lines = [ui.stdout.readline() for _ in range(5)]
            assert lines[0] == f"Prefect http://127.0.0.1:{ports[1]}\n", lines
            page = "/#/experiments/1/runs?workflowType=machine_learning"
            assert lines[1] == f"MLflow  http://127.0.0.1:{ports[3]}{page}\n", lines
            yield f"http://127.0.0.1:{ports[1]}/api", ui, psutil.Process(ui.pid).children(recursive=True)
        finally:
            ui.send_signal(signal.SIGTERM)
            rest = ui.stdout.read()
    assert (rest, ui.returncode) == ("stopped\n", 0)


def start_run(api: str, targets: list[str]) -> str:
    """What the button Run does."""
    deployment = ask(api, "GET", "/deployments/name/pipeline/pipeline")[1]["id"]
    body = {"parameters": {"targets": targets}, "state": {"type": "SCHEDULED"}}
    run: str = ask(api, "POST", f"/deployments/{deployment}/create_flow_run", body)[1]["id"]
    return run


def state_of(root: Path, run: str) -> str:
    """As the server's database has it, which outlives the server."""
    with closing(sqlite3.connect(root / ".run" / "prefect" / "prefect.db")) as database:
        found: str = database.execute("select state_name from flow_run where id = ?", (run,)).fetchone()[0]
        return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_started_there_runs_here_and_is_stopped_before_the_server(toy, eventually) -> None:
    shutil.copy(HOUSE / "prefect.yaml", toy.root)
    with running_ui(toy.root) as (api, ui, family):
        assert environment.announced_api(toy.root) == api
        listening = [c.laddr.ip for p in family for c in p.net_connections() if c.status == psutil.CONN_LISTEN]
        assert len(listening) >= 2 and set(listening) == {"127.0.0.1"}

        first = start_run(api, ["prepare"])
        eventually(lambda: state_of(toy.root, first) == "Completed", "the worker ran it", 120)
        assert toy.started() == ["prepare"]

        toy.tell("hang-left")
        second = start_run(api, ["left"])
        eventually((toy.root / "pid-left").exists, "its stage runs", 120)
        family = psutil.Process(ui.pid).children(recursive=True)
        assert int((toy.root / "pid-left").read_text()) in {process.pid for process in family}
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    assert state_of(toy.root, second) == "Crashed", "the server was still there to be told"
    assert (toy.root / ".dvc/tmp/rwlock").read_text() == "{}"
    assert environment.announced_api(toy.root) is None
