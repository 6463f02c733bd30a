"""What is left on Prefect's server when a run or its worker is killed, put right: nothing else ever would.

Of a run that was killed the tasks stay Running: the server ends the run itself (see `flows.deployments`) but not them.
What a worker was about to start when it was killed stays Pending, and keeps its queue from the next run. The standard
library speaks to the server here: importing Prefect would cost the stack's own process hundreds of megabytes for good.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

EVERY = 60.0  # seconds between two looks
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
OPEN = ("PENDING", "RUNNING")
ATTEMPTS, BUSY = 10, 503
LAG = timedelta(seconds=30)  # states of tasks arrive as events, some after their run's last
AGAIN = "the worker that was about to start it was killed"
LOST = "its run ended without it: killed, or out of reach"


class Unreachable(RuntimeError):
    """The server does not answer, or refuses."""


def end_tasks(api: str) -> int:
    """Declare crashed what the server takes for open tasks of ended runs; their number.

    Raises:
        Unreachable: the server does not answer, or refuses.
    """
    before = (datetime.now(UTC) - LAG).isoformat()
    query = {
        "flow_runs": {"state": {"type": {"any_": ENDED}}, "end_time": {"before_": before}},
        "task_runs": {"state": {"type": {"any_": OPEN}}},
    }
    tasks = _post(api, "/task_runs/filter", query)
    for task in tasks:
        # By force: what the rules of transitions know of it comes from the process that is gone.
        state = {"type": "CRASHED", "name": "Crashed", "message": LOST}
        _post(api, f"/task_runs/{task['id']}/set_state", {"state": state, "force": True})
    return len(tasks)


def requeue(api: str, pool: str) -> int:
    """Have the runs scheduled again that a worker of `pool`, now gone, was about to start; their number.

    Raises:
        Unreachable: the server does not answer, or refuses.
    """
    query = {"flow_runs": {"state": {"type": {"any_": ["PENDING"]}}}, "work_pools": {"name": {"any_": [pool]}}}
    runs = _post(api, "/flow_runs/filter", query)
    for run in runs:
        again: dict[str, Any] = {"type": "SCHEDULED", "name": "Scheduled", "message": AGAIN}
        again |= {"state_details": {"scheduled_time": datetime.now(UTC).isoformat()}}
        _post(api, f"/flow_runs/{run['id']}/set_state", {"state": again, "force": True})
    return len(runs)


def _post(api: str, path: str, body: Mapping[str, Any]) -> Any:
    """The answer, asked for anew while the server is busy: its SQLite database is locked now and then."""
    for _ in range(ATTEMPTS):
        status, text = _answer(api, path, body)
        if status != BUSY:
            break
        time.sleep(1.0)
    if status >= 300:
        raise Unreachable(f"{api}{path} answers {status}")
    return json.loads(text)


def _answer(api: str, path: str, body: Mapping[str, Any]) -> tuple[int, str]:
    parts = urlsplit(api)
    headers = {"Content-Type": "application/json", **_authorisation()}
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)) as connection:
        try:
            connection.request("POST", f"{parts.path}{path}", json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{api}{path}: {error or type(error).__name__}") from error


def _authorisation() -> dict[str, str]:
    password = os.environ.get("PREFECT_API_AUTH_STRING")
    return {"Authorization": f"Basic {base64.b64encode(password.encode()).decode()}"} if password else {}
