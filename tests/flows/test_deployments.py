"""What a server is told: off until switched on, on until switched off, told once however often it is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from flows.deployments import GIVE_UP, POOL, QUEUE

pytestmark = pytest.mark.integration

HOUSE = Path(__file__).resolve().parents[2]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A folder that a user might have cloned into."""
    root = tmp_path / "a clone"
    (root / ".dvc").mkdir(parents=True)
    shutil.copy(HOUSE / "prefect.yaml", root)
    return root


def set_up(root: Path, server, **more: str) -> subprocess.CompletedProcess[str]:
    """`python -m flows.deployments` there."""
    mine = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "ROSPHERE_"))}
    env = {**mine, "PYTHONPATH": str(HOUSE), "PREFECT_API_URL": server.api, **more}
    command = [sys.executable, "-m", "flows.deployments"]
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=240)


def deployed(server) -> dict[str, dict[str, Any]]:
    """The deployments by name."""
    return {entry["name"]: entry for entry in server.post("/deployments/filter", {})}


def active(server) -> set[str]:
    return {s["slug"] for entry in deployed(server).values() for s in entry["schedules"] if s["active"]}


def switch_on(server, name: str) -> None:
    entry = deployed(server)[name]
    path = f"/deployments/{entry['id']}/schedules/{entry['schedules'][0]['id']}"
    assert server.ask("PATCH", path, {"active": True})[0] == 204


def test_no_schedule_of_the_file_is_active_and_its_queues_are_ours() -> None:
    entries = YAML(typ="safe").load(HOUSE / "prefect.yaml")["deployments"]
    assert [s["active"] for entry in entries for s in entry.get("schedules", [])] == [False, False]
    pools = {entry["name"]: entry["work_pool"] for entry in entries}
    assert {pool["name"] for pool in pools.values()} == {POOL}
    assert pools.pop("experiment")["work_queue_name"] == pools.pop("sweep")["work_queue_name"] == "default"
    assert {pool["work_queue_name"] for pool in pools.values()} == {QUEUE}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_was_switched_on_stays_on(workspace: Path, prefect_server) -> None:
    server = prefect_server
    for _ in range(2):
        done = set_up(workspace, server)
        assert (done.returncode, done.stderr) == (0, "")
    first = deployed(server)
    assert sorted(first) == ["experiment", "nightly", "pipeline", "sweep", "weekly-clue"]
    step = {"prefect.deployments.steps.set_working_directory": {"directory": str(workspace)}}
    assert [entry["pull_steps"] for entry in first.values()] == [[step]] * len(first)
    assert active(server) == set()
    assert server.ask("GET", f"/work_pools/{POOL}/queues/{QUEUE}")[1]["concurrency_limit"] == 1
    automations = server.post("/automations/filter", {})
    assert [entry["name"] for entry in automations].count(GIVE_UP) == 1

    switch_on(server, "nightly")
    assert set_up(workspace, server).returncode == 0
    assert active(server) == {"nightly"}
    assert deployed(server)["nightly"]["schedules"] != first["nightly"]["schedules"]  # it was we who changed it
    assert deployed(server)["pipeline"]["updated"] == first["pipeline"]["updated"], "nothing was deployed again"

    file = workspace / "prefect.yaml"
    file.write_text(file.read_text().replace('"0 4 * * 0"', '"0 5 * * 0"'))
    assert set_up(workspace, server).returncode == 0
    assert active(server) == {"nightly"}, "a new file does not switch off what runs at night"
    assert deployed(server)["weekly-clue"]["schedules"][0]["schedule"]["cron"] == "0 5 * * 0"

    assert server.ask("DELETE", f"/deployments/{first['pipeline']['id']}")[0] == 204
    assert set_up(workspace, server).returncode == 0
    assert "pipeline" in deployed(server), "a deployment that is missing comes back"

    moved = workspace.rename(workspace.with_name("elsewhere"))
    assert set_up(moved, server).returncode == 0
    step["prefect.deployments.steps.set_working_directory"]["directory"] = str(moved)
    assert deployed(server)["nightly"]["pull_steps"] == [step]


@pytest.mark.slow
def test_the_gpu_limit_follows_the_machine(workspace: Path, prefect_server) -> None:
    for gpus, limits in (("0,1", [2]), ("0,1,2", [3]), ("", []), ("", [])):
        assert set_up(workspace, prefect_server, ROSPHERE_GPUS=gpus).returncode == 0
        found = prefect_server.post("/v2/concurrency_limits/filter", {})
        assert [limit["limit"] for limit in found if limit["name"] == "tag:gpu"] == limits


@pytest.mark.slow
def test_a_file_that_prefect_refuses_is_reported(workspace: Path, prefect_server) -> None:
    file = workspace / "prefect.yaml"
    file.write_text(file.read_text().replace("flows.pipeline.pipeline", "flows.pipeline.pipelines"))
    done = set_up(workspace, prefect_server)
    assert done.returncode == 1
    assert done.stderr.startswith("prefect.yaml cannot be deployed:\n") and "pipelines" in done.stderr


def test_without_a_server_it_says_so(workspace: Path) -> None:
    mine = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    command = [sys.executable, "-m", "flows.deployments"]
    env = {**mine, "PYTHONPATH": str(HOUSE)}
    done = subprocess.run(command, cwd=workspace, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "no Prefect server: start `make ui`, or set PREFECT_API_URL\n")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_that_nobody_runs_any_more_is_given_up(workspace: Path, prefect_server, eventually) -> None:
    """Its process died with the server, so that the server never heard the last of it."""
    flow = prefect_server.ask("POST", "/flows/", {"name": "pipeline"})[1]["id"]
    runs = [prefect_server.ask("POST", "/flow_runs/", {"flow_id": flow})[1]["id"] for _ in range(2)]
    for run, state in zip(runs, ("PENDING", "RUNNING"), strict=True):
        body = {"state": {"type": state}, "force": True}
        assert prefect_server.ask("POST", f"/flow_runs/{run}/set_state", body)[0] == 201
    assert set_up(workspace, prefect_server).returncode == 0

    def given_up() -> bool:
        states = [prefect_server.ask("GET", f"/flow_runs/{run}")[1]["state"] for run in runs]
        return [state["type"] for state in states] == ["CRASHED", "CRASHED"]

    eventually(given_up, "both are declared crashed", 200)
