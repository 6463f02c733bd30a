"""A run that was deleted ends by itself; no other one does."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from tests.flows.test_leftovers import begun

pytestmark = pytest.mark.integration


def test_a_run_that_was_deleted_is_stopped(served_toy, prefect_server, eventually) -> None:
    hanging = served_toy.tell("hang-left")
    with served_toy.start("left") as run:
        eventually((served_toy.root / "pid-left").exists, "its stage runs", 120)
        stage = psutil.Process(int((served_toy.root / "pid-left").read_text()))
        newest = prefect_server.post("/flow_runs/filter", {"sort": "START_TIME_DESC", "limit": 1})[0]["id"]
        assert prefect_server.ask("DELETE", f"/flow_runs/{newest}")[0] == 204
        output, _ = run.communicate(timeout=120)
    assert "this flow run has been deleted: stopping" in output
    assert run.returncode != 0 and not stage.is_running()
    hanging.unlink()


WATCH = """
import sys, threading
from uuid import UUID
from flows import presence
presence.EVERY, over = 0.2, threading.Event()
threading.Timer(3, over.set).start()
presence.watch(UUID(sys.argv[1]), over)
"""


@pytest.mark.parametrize("away", [False, True])
def test_a_run_that_is_known_goes_on_and_one_whose_server_is_away_too(prefect_server, away: bool) -> None:
    env = {**os.environ, "PREFECT_API_URL": "http://127.0.0.1:1/api" if away else prefect_server.api}
    command = [sys.executable, "-c", WATCH, begun(prefect_server, "RUNNING")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
