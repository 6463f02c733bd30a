"""What a Prefect server must know before this workspace's runs can be started from it.

    python -m flows.deployments

Its worker's pool, the deployments of `prefect.yaml`, how many GPUs there are, and when to give a run up. May be run
again at any time: what a user changed in the UI stays, until `prefect.yaml` itself changes. `make ui` does it at every
start, in a process of its own, because importing Prefect takes seconds and memory.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ruamel.yaml import YAML

from flows import environment, reaching
from flows.services import StartError
from pipeline.workspace import gpus, paths
from pipeline.workspace.environment import PREFECT_API, for_commands

if TYPE_CHECKING:
    from prefect.automations import AutomationCore
    from prefect.client.orchestration import SyncPrefectClient

FILE = "prefect.yaml"
POOL = "rosphere"
QUEUE = "workspace"  # for runs that work in the workspace itself; in the pool's other queue they run side by side
DEPLOYED = "rosphere_deployed"  # the Prefect variable that remembers what was deployed last
GIVE_UP = "rosphere: a run without heartbeats has crashed"
HEARTBEAT = "prefect.flow-run.heartbeat"
SILENCE = timedelta(seconds=90)  # three missed heartbeats of 30 s

Schedules = set[tuple[str, str | None]]  # deployment, slug


class DeployError(RuntimeError):
    """`prefect deploy` failed; the message is what it said."""


def set_up(root: Path) -> None:
    """Tell the server everything that it does not know yet.

    Raises:
        DeployError: Prefect refuses `prefect.yaml`.
    """
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        create_pool(client)
        if is_stale(client, root):
            deploy(client, root)
        limit_gpus(client, len(gpus.devices()))
        create_automation(client)
        expect_heartbeats(client)


def create_pool(client: SyncPrefectClient) -> None:
    """The pool of this workspace's worker, and its queue that starts one run at a time."""
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists
    from prefect.workers.process import ProcessWorker

    pool = WorkPoolCreate(
        name=POOL,
        type="process",
        description="Runs on this machine, in this workspace.",
        base_job_template=ProcessWorker.get_default_base_job_template(),
    )
    with suppress(ObjectAlreadyExists):
        client.create_work_pool(pool)
    with suppress(ObjectAlreadyExists):
        about = "One run at a time: they would write over each other's files."
        client.create_work_queue(QUEUE, work_pool_name=POOL, concurrency_limit=1, description=about)


def is_stale(client: SyncPrefectClient, root: Path) -> bool:
    """Whether `prefect.yaml` or the workspace's path changed since the last deployment, or one is missing."""
    if {name for name, _ in declared(root)} - {deployment.name for deployment in client.read_deployments()}:
        return True
    known = client.read_variable_by_name(DEPLOYED)
    return known is None or known.value != fingerprint(root)


def deploy(client: SyncPrefectClient, root: Path) -> None:
    """Deploy `prefect.yaml`, which replaces every schedule; those that were switched on are switched on again."""
    from prefect.variables import Variable

    active = switched_on(client)
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    env = {**for_commands(), "PWD": str(root)}  # nobody but a shell keeps PWD in step with the folder
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True)
    if done.returncode:
        raise DeployError(f"{FILE} cannot be deployed:\n{(done.stdout + done.stderr).strip()[-2000:]}")
    for deployment in client.read_deployments():
        for schedule in deployment.schedules:
            if (deployment.name, schedule.slug) in active:
                client.update_deployment_schedule(deployment.id, schedule.id, active=True)
    Variable.set(DEPLOYED, fingerprint(root), overwrite=True)


def switched_on(client: SyncPrefectClient) -> Schedules:
    """The schedules that are active now."""
    return {(d.name, schedule.slug) for d in client.read_deployments() for schedule in d.schedules if schedule.active}


def fingerprint(root: Path) -> str:
    """Changes with `prefect.yaml` and with the workspace's path."""
    return hashlib.sha256(f"{root}\n".encode() + (root / FILE).read_bytes()).hexdigest()


def declared(root: Path) -> Schedules:
    """The deployments that `prefect.yaml` declares, each with the slug of its schedule if it has one."""
    document = YAML(typ="safe").load(root / FILE)
    return {(d["name"], s.get("slug")) for d in document["deployments"] for s in d.get("schedules") or [{}]}


def limit_gpus(client: SyncPrefectClient, count: int) -> None:
    """Let the UI show as many GPU slots as the stages' leases will find. The leases decide who gets a device."""
    from prefect.exceptions import ObjectNotFound

    if count:
        client.create_concurrency_limit(tag="gpu", concurrency_limit=count)  # or changes the limit there is
        return
    with suppress(ObjectNotFound):  # else the database came from a machine with GPUs
        client.delete_concurrency_limit_by_tag("gpu")


def create_automation(client: SyncPrefectClient) -> None:
    """Have a run that stopped sending heartbeats declared crashed; without it, it would stay Running for ever."""
    if not client.read_automations_by_name(GIVE_UP):
        client.create_automation(giving_up())


def expect_heartbeats(client: SyncPrefectClient) -> None:
    """Give every run that has not ended, as far as the server knows, until `SILENCE` to say that it lives.

    The automation waits for what follows a heartbeat, and what it waits for is forgotten when the server is down for
    longer than a minute after it was due. A heartbeat in the run's name has it wait anew.
    """
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
    from prefect.client.schemas.objects import StateType
    from prefect.events import emit_event

    begun = FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING, StateType.CANCELLING])
    for run in client.read_flow_runs(flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=begun))):
        resource = {"prefect.resource.id": f"prefect.flow-run.{run.id}", "prefect.resource.name": run.name}
        emit_event(HEARTBEAT, resource)


def giving_up() -> AutomationCore:
    """After a heartbeat, another one or the run's end must follow in time."""
    from prefect.automations import AutomationCore, ChangeFlowRunState, EventTrigger, Posture
    from prefect.client.schemas.objects import StateType

    ends = ("Completed", "Failed", "Cancelled", "Crashed")
    return AutomationCore(
        name=GIVE_UP,
        description="Its process was killed, or its machine is gone. The next run resumes what it was doing.",
        trigger=EventTrigger(
            after={HEARTBEAT},
            expect={HEARTBEAT, *(f"prefect.flow-run.{end}" for end in ends)},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENCE,
        ),
        actions=[
            ChangeFlowRunState(
                name="Crashed",
                state=StateType.CRASHED,
                message=f"no heartbeat for {SILENCE.seconds} s: killed, or out of reach",
                force=False,
            )
        ],
    )


def main() -> int:
    root = paths.workspace(Path.cwd())
    os.chdir(root)
    if not (root / FILE).is_file():
        print(f"no {FILE} in {root}: run this in the workspace", file=sys.stderr)
        return 1
    environment.prepare(root)
    if PREFECT_API not in os.environ:
        print("no Prefect server: start `make ui`, or set PREFECT_API_URL", file=sys.stderr)
        return 1
    try:
        with reaching.required():
            set_up(root)
    except (DeployError, StartError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
