"""A run ends with its worker, a run from the command line does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from flows import watchdog

pytestmark = pytest.mark.integration

HOUSE = Path(__file__).resolve().parents[2]
RUN = """
import os, pathlib, signal, time
from flows import watchdog
def end(number, frame):
    open("ended", "w").write(str(number))
    raise SystemExit
signal.signal(signal.SIGTERM, end)
watchdog.hold(pathlib.Path())
open("pid", "w").write(str(os.getpid()))
end_by = time.monotonic() + 60
while time.monotonic() < end_by:
    time.sleep(0.1)
"""
WORKER = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


def start(folder: Path, script: str = RUN, **more: str) -> subprocess.Popen[bytes]:
    """A "worker" and its run, each in a process of its own."""
    env = {key: value for key, value in os.environ.items() if key != "PREFECT__FLOW_RUN_ID"}
    env |= {"PYTHONPATH": str(HOUSE), **more}
    return subprocess.Popen([sys.executable, "-c", WORKER, script], cwd=folder, env=env)


def run_of(folder: Path, eventually) -> psutil.Process:
    eventually(lambda: (folder / "pid").exists() and (folder / "pid").read_text() != "", "the run is up")
    return psutil.Process(int((folder / "pid").read_text()))


def test_a_run_ends_by_sigterm_when_its_worker_is_killed(tmp_path: Path, eventually) -> None:
    with start(tmp_path, PREFECT__FLOW_RUN_ID="some") as worker:
        run = run_of(tmp_path, eventually)
        assert run.is_running() and not (tmp_path / "ended").exists()
        worker.kill()
    run.wait(30)
    assert (tmp_path / "ended").read_text() == str(int(signal.SIGTERM))


def test_one_that_does_not_end_is_killed(tmp_path: Path, eventually) -> None:
    deaf = RUN.replace("raise SystemExit", "watchdog.PATIENCE")
    deaf = deaf.replace("watchdog.hold", "watchdog.PATIENCE = 0.5; watchdog.hold")
    with start(tmp_path, deaf, PREFECT__FLOW_RUN_ID="some") as worker:
        run = run_of(tmp_path, eventually)
        worker.kill()
    run.wait(30)
    assert (tmp_path / "ended").exists()


def test_the_end_of_its_runs_is_awaited(tmp_path: Path, eventually) -> None:
    with start(tmp_path, PREFECT__FLOW_RUN_ID="some") as worker:
        run = run_of(tmp_path, eventually)
        with watchdog.awaited(tmp_path):
            worker.kill()
        assert not run.is_running() or run.status() == psutil.STATUS_ZOMBIE
    assert (tmp_path / "ended").exists()


def test_a_run_that_does_not_end_is_not_awaited_for_ever(
    tmp_path: Path, eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "PATIENCE", 0.5)
    with start(tmp_path, PREFECT__FLOW_RUN_ID="some") as worker:
        run = run_of(tmp_path, eventually)
        with watchdog.awaited(tmp_path):
            pass
        assert run.is_running()
        worker.kill()
    run.wait(30)


def test_what_no_worker_started_goes_on(tmp_path: Path, eventually) -> None:
    with start(tmp_path) as shell:
        run = run_of(tmp_path, eventually)
        shell.kill()
    try:
        with pytest.raises(psutil.TimeoutExpired):
            run.wait(3)
    finally:
        run.kill()


@pytest.mark.parametrize("alive", [True, False])
def test_a_run_whose_worker_was_killed_before_it_could_watch_does_not_begin(
    tmp_path: Path, eventually, alive: bool
) -> None:
    """A stack is known by its process; where that is none of ours, the worker between the two is gone."""
    with subprocess.Popen(["sleep", "60"]) as other:
        stack = str(os.getpid() if alive else other.pid)
        with start(tmp_path, PREFECT__FLOW_RUN_ID="some", ROSPHERE_STACK=stack) as worker:
            if alive:
                assert run_of(tmp_path, eventually).is_running()
                worker.kill()
            else:
                worker.wait(60)
        eventually((tmp_path / "ended").exists, "the run ended")
        assert (tmp_path / "pid").exists() == alive
        other.kill()
