"""A flow that was killed where no UI runs is Crashed as soon as the next one begins; no other one is."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.workspace import paths
from pipeline.workspace.environment import for_commands, settings
from tests.flows.test_leftovers import begun, state, task_of

pytestmark = pytest.mark.integration

DECLARE = "from pathlib import Path; from flows import deaths; deaths.declare(Path.cwd())"


def declared(root: Path, api: str) -> str:
    """What a run says that looks for dead ones as it begins."""
    env = {**for_commands(), **settings(root), "PREFECT_API_URL": api}
    command = [sys.executable, "-c", DECLARE]
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stderr


def note(root: Path, run: str, text: str = "1\n") -> Path:
    file = paths.flow_runs(root) / run
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_only_those_whose_process_is_gone_and_that_go_on_for_the_server(prefect_server, tmp_path: Path) -> None:
    dead, living, starting = (begun(prefect_server, "RUNNING") for _ in range(3))
    ended, unknown = begun(prefect_server, "COMPLETED"), "00000000-0000-4000-8000-000000000000"
    tasks = [task_of(prefect_server, dead, "RUNNING"), task_of(prefect_server, living, "RUNNING")]
    gone = [note(tmp_path, run) for run in (dead, ended, unknown)]
    held, empty = note(tmp_path, living), note(tmp_path, starting, "")
    with held.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        said = declared(tmp_path, prefect_server.api)
    assert said.count("was killed: it is Crashed in Prefect now") == 1
    runs = [state(prefect_server, "flow_runs", run) for run in (dead, living, starting, ended)]
    assert runs == ["CRASHED", "RUNNING", "RUNNING", "COMPLETED"]
    assert [state(prefect_server, "task_runs", task) for task in tasks] == ["CRASHED", "RUNNING"]
    assert [file.exists() for file in (*gone, held, empty)] == [False, False, False, True, True]


def test_what_the_server_cannot_be_told_stays_noted(prefect_server, tmp_path: Path) -> None:
    run = begun(prefect_server, "RUNNING")
    file = note(tmp_path, run)
    assert f"the run {run} may stay Running in Prefect: " in declared(tmp_path, "http://127.0.0.1:1/api")
    assert file.exists()
    declared(tmp_path, prefect_server.api)
    assert state(prefect_server, "flow_runs", run) == "CRASHED" and not file.exists()


def test_the_next_flow_says_it_of_one_that_was_killed_without_a_ui(toy, eventually) -> None:
    hanging = toy.tell("hang-left")
    with toy.start() as run:
        eventually((toy.root / "pid-left").exists, "its stage runs", 240)
        os.kill(run.pid, signal.SIGKILL)
        run.communicate(timeout=120)
    assert len(list(paths.flow_runs(toy.root).iterdir())) == 1
    hanging.unlink()
    code, output = toy.run()
    assert code == 0 and "was killed: it is Crashed in Prefect now" in output, output
    assert list(paths.flow_runs(toy.root).iterdir()) == []
    with closing(sqlite3.connect(paths.prefect_home(toy.root) / "prefect.db")) as database:
        query = "select state_type from {} where state_type not in ('COMPLETED')"
        found = [{row[0] for row in database.execute(query.format(table))} for table in ("flow_run", "task_run")]
    assert found[0] == {"CRASHED"} and found[1] <= {"CRASHED"}
