"""What two pins protect; a plain install without them passes `pip check` and fails here.

* fastapi < 0.151: with newer ones the server does not start, or answers a client's default reads with 422.
* SQLAlchemy < 2.1: with it the scheduler fails silently and a cron schedule never makes a run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from flows.process import Commands
from pipeline.workspace.environment import settings

pytestmark = pytest.mark.integration

READS = """
from prefect.client.orchestration import get_client
with get_client(sync_client=True) as client:
    for read in (client.read_flows, client.read_flow_runs, client.read_task_runs, client.read_deployments,
                 client.read_logs, client.read_artifacts):
        assert isinstance(read(), list), read
"""

SERVED = """
from prefect import flow

@flow
def tick() -> None:
    print("ticked")

if __name__ == "__main__":
    tick.serve(name="every-minute", cron="* * * * *")
"""


@pytest.fixture(scope="module")
def env(prefect_server, tmp_path_factory) -> dict[str, str]:
    """A client's environment, with a home of its own."""
    home = tmp_path_factory.mktemp("client")
    return {
        **os.environ,
        **settings(home),
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": prefect_server.api,
        "PREFECT_RUNNER_POLL_FREQUENCY": "2",
    }


@pytest.fixture(scope="module", autouse=True)
def served(env, tmp_path_factory):
    """A deployment with a cron schedule, served from the start so that its minute passes meanwhile."""
    script = tmp_path_factory.mktemp("served") / "tick.py"
    script.write_text(SERVED)
    lines: list[str] = []
    with Commands() as commands:
        arguments = ([sys.executable, str(script)],)
        thread = threading.Thread(
            target=commands.run,
            args=arguments,
            kwargs={"on_line": lines.append, "env": env, "cwd": script.parent},
        )
        thread.start()
        yield lines


def test_reads_with_defaults_are_answered(env) -> None:
    done = subprocess.run([sys.executable, "-c", READS], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_cron_schedule_runs(prefect_server, served, eventually) -> None:
    body = {
        "flows": {"name": {"any_": ["tick"]}},
        "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
    }
    eventually(lambda: bool(prefect_server.post("/flow_runs/filter", body)), f"a run by cron; {served}", 110)
