"""What a kill leaves on the server: open tasks of ended runs are ended, what was about to start is scheduled again."""

from __future__ import annotations

import pytest

from flows import leftovers
from flows.deployments import POOL

pytestmark = pytest.mark.integration


def made(server, path: str, body: object) -> dict:
    status, found = server.ask("POST", path, body)
    assert status in (200, 201), found
    return found


def begun(server, state: str, pool: str | None = None) -> str:
    """A run in this state; of a worker's pool, if one is named."""
    flow = made(server, "/flows/", {"name": "pipeline"})["id"]
    if pool is None:
        run = made(server, "/flow_runs/", {"flow_id": flow})["id"]
    else:
        place = {"work_pool_name": pool, "work_queue_name": "default"}
        deployment = made(server, "/deployments/", {"name": f"of {pool}", "flow_id": flow, **place})["id"]
        run = made(server, f"/deployments/{deployment}/create_flow_run", {"state": {"type": "SCHEDULED"}})["id"]
    made(server, f"/flow_runs/{run}/set_state", {"state": {"type": state}, "force": True})
    return run


def task_of(server, run: str, state: str) -> str:
    task = made(server, "/task_runs/", {"flow_run_id": run, "task_key": f"a-{state}", "dynamic_key": state})["id"]
    made(server, f"/task_runs/{task}/set_state", {"state": {"type": state}, "force": True})
    return task


def state(server, kind: str, number: str) -> str:
    return server.ask("GET", f"/{kind}/{number}")[1]["state"]["type"]


def test_tasks_of_ended_runs_end_and_others_go_on(prefect_server, monkeypatch: pytest.MonkeyPatch) -> None:
    ended, going = begun(prefect_server, "CRASHED"), begun(prefect_server, "RUNNING")
    tasks = [task_of(prefect_server, ended, each) for each in ("RUNNING", "PENDING", "COMPLETED")]
    other = task_of(prefect_server, going, "RUNNING")
    leftovers.end_tasks(prefect_server.api)
    assert state(prefect_server, "task_runs", tasks[0]) == "RUNNING", "its last word may still be on the way"

    monkeypatch.setattr(leftovers, "LAG", -leftovers.LAG)
    leftovers.end_tasks(prefect_server.api)
    assert [state(prefect_server, "task_runs", each) for each in tasks] == ["CRASHED", "CRASHED", "COMPLETED"]
    assert state(prefect_server, "task_runs", other) == "RUNNING"


def test_what_a_worker_was_about_to_start_is_scheduled_again(prefect_server) -> None:
    for name in (POOL, "another"):
        prefect_server.ask("POST", "/work_pools/", {"name": name, "type": "process"})
    mine, others = begun(prefect_server, "PENDING", POOL), begun(prefect_server, "PENDING", "another")
    running, by_hand = begun(prefect_server, "RUNNING", POOL), begun(prefect_server, "PENDING")
    assert leftovers.requeue(prefect_server.api, POOL) == 1
    assert state(prefect_server, "flow_runs", mine) == "SCHEDULED"
    assert [state(prefect_server, "flow_runs", each) for each in (others, running, by_hand)] == [
        "PENDING",
        "RUNNING",
        "PENDING",
    ]


def test_a_server_that_is_away_or_refuses(prefect_server) -> None:
    with pytest.raises(leftovers.Unreachable, match=r"127.0.0.1:1/api/task_runs/filter: .*refused"):
        leftovers.end_tasks("http://127.0.0.1:1/api")
    with pytest.raises(leftovers.Unreachable, match="answers 404"):
        leftovers.end_tasks(f"{prefect_server.api}/nowhere")
