"""A run whose process was killed is declared crashed by the next run that begins here: without a UI nobody else would.

While a run works it holds a lock on a note that is called by its number. The kernel lets go of it whatever ends the
process; a run that comes to its end takes its note away.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx
from prefect import runtime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter
from prefect.client.schemas.objects import State, StateType
from prefect.states import Crashed

from pipeline.workspace import file_lock, paths

OPEN = [StateType.PENDING.value, StateType.RUNNING.value, StateType.CANCELLING.value]
GONE = "its process was killed"


@contextmanager
def noted(root: Path) -> Iterator[None]:
    """Be known as the process of this flow run for as long as the block lasts."""
    note = paths.flow_runs(root) / str(runtime.flow_run.id)
    note.parent.mkdir(parents=True, exist_ok=True)
    with note.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        print(os.getpid(), file=file, flush=True)  # after the lock: who finds it empty finds one that begins
        try:
            yield
        finally:
            note.unlink(missing_ok=True)


def declare(root: Path) -> None:
    """Tell the server of the runs whose processes are gone, and of their tasks; what it cannot be told stays noted."""
    for note in sorted(paths.flow_runs(root).glob("*")):
        try:
            with note.open(encoding="utf-8") as file:
                if file_lock.taken(file) and file.read():
                    with get_client(sync_client=True) as client:
                        _declare(client, UUID(note.name))
                    note.unlink()
        except FileNotFoundError:  # its run, or another one that looks here, has just taken it away
            continue
        except httpx.HTTPError as error:
            print(f"the run {note.name} may stay Running in Prefect: {error}", file=sys.stderr, flush=True)


def _declare(client: SyncPrefectClient, number: UUID) -> None:
    """As far as the server knows the run and takes it for one that goes on.

    By force: what the rules of transitions know of it comes from the process that is gone.
    """
    state: State[None] = Crashed(message=GONE)
    going_on = {"state": {"type": {"any_": OPEN}}}
    mine = {"id": {"any_": [number]}}
    for run in client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate({**mine, **going_on})):
        client.set_flow_run_state(run.id, state, force=True)
        print(f"the run {run.name} was killed: it is Crashed in Prefect now", file=sys.stderr, flush=True)
    filters = FlowRunFilter.model_validate(mine), TaskRunFilter.model_validate(going_on)
    for task in client.read_task_runs(flow_run_filter=filters[0], task_run_filter=filters[1]):
        client.set_task_run_state(task.id, state, force=True)
