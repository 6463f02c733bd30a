"""The local stack: both servers answer, a busy port is refused, and nothing is left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from flows import environment
from flows.ui import StartError, create_store, require_free, stack, store_uri

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
            require_free(stack(tmp_path, free_port(), port))


def test_the_store_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert store_uri(Path(".")) == f"sqlite:///{tmp_path}/mlflow.db"


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
    assert done.stdout.strip() == "1", done.stderr[-2000:]


@pytest.mark.slow
def test_both_servers_run_and_both_are_stopped(tmp_path: Path) -> None:
    ports = ["--prefect-port", str(free_port()), "--mlflow-port", str(free_port())]
    command = [sys.executable, "-m", "flows.ui", *ports]
    mine = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    env = {**mine, "PYTHONPATH": str(HOUSE)}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as ui:
        assert ui.stdout is not None
        try:
            lines = [ui.stdout.readline() for _ in range(4)]
            family = psutil.Process(ui.pid).children(recursive=True)
            api = environment.announced_api(tmp_path)
        finally:
            ui.send_signal(signal.SIGTERM)
            rest = ui.stdout.read()
    assert lines[0] == f"Prefect http://127.0.0.1:{ports[1]}\n" and lines[1] == f"MLflow  http://127.0.0.1:{ports[3]}\n"
    assert api == f"http://127.0.0.1:{ports[1]}/api" and api in lines[3]
    assert rest == "stopped\n" and ui.returncode == 0
    assert len(family) >= 3
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    assert environment.announced_api(tmp_path) is None
