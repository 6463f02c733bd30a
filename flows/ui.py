"""The local stack: Prefect's server, a worker for the runs started there, and MLflow; on loopback, stopped together.

    python -m flows.ui [--prefect-port 4200] [--mlflow-port 5000] [--prefect-database URL] [--mlflow-store URL]

While it runs, `python -m flows.pipeline` in the same workspace reports to it without being told.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from flows import deployments, environment, leftovers, watchdog
from flows.process import Commands, Ladder, unwinding_on_terminate
from flows.services import HOST, Running, Service, StartError, require_free
from pipeline.workspace import links, paths
from pipeline.workspace.environment import (
    MLFLOW_UI,
    PREFECT_API,
    STACK,
    STACK_TMPDIR,
    STORE_URI,
    TMPDIR,
    TRACKING_URI,
    for_commands,
)

# Asked to stop, Prefect's worker kills its runs, which then cannot tell the server how they ended. Killed itself, it
# leaves that to them: see `flows.watchdog`. It has nothing to save.
WORKER_LADDER: Ladder = ((signal.SIGKILL, 5.0),)
SHORT_LIFE, SHORT_LIVES = 30.0, 3  # seconds; after so many workers in turn that lived no longer there is no other one
POLL_SECONDS = "3"  # how often the worker asks for runs; the server is on this machine

# In a process of its own: importing mlflow here would cost a second and hundreds of megabytes for good.
# The experiment, so that its page is there before the first run.
CREATE_STORE = """
import sys
from mlflow import MlflowClient
MlflowClient(sys.argv[1]).create_experiment(sys.argv[2], artifact_location=sys.argv[3])
"""


def prefect_server(port: int, database: str | None) -> Service:
    """Prefect's server, its data in `database`, by default in a SQLite file below PREFECT_HOME.

    The URL goes through the environment: it may hold a password, which everybody could read on the command line.
    """
    arguments = ("prefect", "server", "start", "--host", HOST, "--port", str(port))
    env = {PREFECT_API: f"http://{HOST}:{port}/api"}
    if database:
        env["PREFECT_API_DATABASE_CONNECTION_URL"] = database
    return Service(name="Prefect", arguments=arguments, env=env, port=port, health="/api")


def mlflow_server(port: int, store: str, experiment: str | None = None) -> Service:
    """MLflow's server on the runs in `store`, which its page shows of the experiment of this number."""
    page = links.page(experiment) if experiment else ""
    arguments = ("mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1")
    return Service(name="MLflow", arguments=arguments, env={STORE_URI: store}, port=port, page=page)


def worker(api: str, tracking: str | None, dashboard: str | None = None) -> Service:
    """The process that starts the runs of the pool.

    `tracking` tells their stages where MLflow is, if not here, and `dashboard` where their links to it lead.
    """
    arguments = ("prefect", "worker", "start", "--pool", deployments.POOL, "--name", "workspace")
    env = {PREFECT_API: api, "PREFECT_WORKER_QUERY_SECONDS": POLL_SECONDS, STACK: str(os.getpid())}
    env |= {TMPDIR: str(paths.worker_temporary(Path.cwd())), STACK_TMPDIR: os.environ.get(TMPDIR, "")}
    if tracking:
        env[TRACKING_URI] = tracking
    if dashboard:
        env[MLFLOW_UI] = dashboard
    return Service(name="Worker", arguments=arguments, env=env)


def create_store(root: Path) -> None:
    """Create MLflow's database if there is none, one process at a time: two at once break it for good."""
    file = paths.mlflow_lock(root)
    file.parent.mkdir(exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if paths.mlflow_database(root).exists():
            return
        command = [sys.executable, "-c", CREATE_STORE, links.database(root), links.EXPERIMENT, links.BESIDE]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        if done.returncode:
            raise StartError(f"MLflow cannot create {links.database(root)}:\n{done.stderr[-2000:]}")


def tell(root: Path, api: str, commands: Commands) -> None:
    """Make the server know this workspace's deployments (see `flows.deployments`).

    Raises:
        StartError: it could not.
    """
    lines: list[str] = []
    command = [sys.executable, "-m", "flows.deployments"]
    env = {**for_commands(), PREFECT_API: api}
    if commands.run(command, on_line=lines.append, env=env, cwd=root):
        raise StartError("\n".join(lines[-20:]))


def serve(root: Path, servers: Sequence[Service], worker: Service) -> None:
    """Run the servers, then the worker, until a server ends or this process is told to; the worker is stopped first.

    Raises:
        StartError: one ended, or does not answer in time, or refuses the deployments.
    """
    for service in (*servers, worker):
        service.log(root).unlink(missing_ok=True)
    with Commands() as commands:
        running = [Running(server, root, commands) for server in servers]
        for server in running:
            server.wait()
            print(f"{server.service.name:8}{server.service.address}{server.service.page}", flush=True)
        if both := links.comparison(paths.home(root), worker.env.get(MLFLOW_UI, "")):
            print(f"the latest two pipelines beside one another: {both}")
        print("making the deployments known ...", flush=True)
        api = worker.env[PREFECT_API]
        tell(root, api, commands)
        with (
            environment.announce(root, api),
            emptied(paths.worker_temporary(root)),
            watchdog.awaited(root),
            Commands(WORKER_LADDER) as workers,
        ):
            print("runs of this workspace appear there by themselves; start and schedule them under Deployments, or:")
            print(f"  PREFECT_API_URL={api} prefect deployment run pipeline/pipeline", flush=True)
            post, looked = Post(worker, root, workers), time.monotonic()
            while True:
                time.sleep(0.5)
                for server in running:
                    server.require_alive()
                if post.filled():
                    look_over(root, api, commands)
                if time.monotonic() - looked > leftovers.EVERY:
                    clear(api)
                    looked = time.monotonic()


@contextmanager
def emptied(folder: Path) -> Iterator[None]:
    """The folder, empty at the beginning and gone at the end: our workers are killed and leave theirs behind."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Post:
    """The worker and its successors: one that was killed (out of memory, say) must not cost the runs of the night."""

    def __init__(self, worker: Service, root: Path, workers: Commands) -> None:
        self._root, self._workers, self._short = root, workers, 0
        self._running = Running(worker, root, workers)

    def filled(self) -> bool:
        """Whether a successor had to be started just now.

        Raises:
            StartError: one after the other ends as soon as it is started.
        """
        if self._running.alive:
            return False
        self._short = self._short + 1 if self._running.age < SHORT_LIFE else 0
        if self._short == SHORT_LIVES:
            self._running.require_alive()
        print("the worker ended and is started again", file=sys.stderr, flush=True)
        self._running = Running(self._running.service, self._root, self._workers)
        return True


def look_over(root: Path, api: str, commands: Commands) -> None:
    """Start again what a worker that is gone was about to start, and have the server wait for a sign of the others."""
    try:
        leftovers.requeue(api, deployments.POOL)
        tell(root, api, commands)  # also where nothing was: a run that had begun gets a last chance to give a sign
    except (StartError, leftovers.Unreachable) as error:  # no reason to stop everything else
        print(f"runs of the worker that ended may stay Pending: {error}", file=sys.stderr, flush=True)


def clear(api: str) -> None:
    """End the tasks that dead runs left open."""
    try:
        leftovers.end_tasks(api)
    except leftovers.Unreachable as error:  # there is another time
        print(error, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m flows.ui", description="Prefect's and MLflow's UI on loopback.")
    parser.add_argument("--prefect-port", type=int, default=4200)
    parser.add_argument("--mlflow-port", type=int, default=5000)
    parser.add_argument(
        "--prefect-database",
        metavar="URL",
        help="postgresql+asyncpg://user:password@host/name instead of a SQLite file; better given as"
        " PREFECT_API_DATABASE_CONNECTION_URL, which others on this machine cannot read",
    )
    parser.add_argument(
        "--mlflow-store",
        metavar="URL",
        default=os.environ.get(STORE_URI),
        help="postgresql://user:password@host/name instead of mlflow.db; better given as MLFLOW_BACKEND_STORE_URI",
    )
    return parser.parse_args()


def main() -> int:
    given = arguments()
    root = paths.workspace(Path.cwd())
    os.chdir(root)
    if running := environment.announced_api(root):
        print(f"the UI of this workspace already runs, its server at {running}", file=sys.stderr)
        return 1
    if not (root / deployments.FILE).is_file():
        print(f"no {deployments.FILE} in {root}: start the UI in the workspace's own folder", file=sys.stderr)
        return 1
    environment.prepare(root)
    prefect = prefect_server(given.prefect_port, given.prefect_database)
    number = None if given.mlflow_store else links.own_experiment(paths.home(root))
    mlflow = mlflow_server(given.mlflow_port, given.mlflow_store or links.database(root), number)
    tracking = mlflow.address if given.mlflow_store else None
    with unwinding_on_terminate():
        try:
            require_free((prefect, mlflow))
            if not given.mlflow_store:
                create_store(root)
            serve(root, (prefect, mlflow), worker(prefect.env[PREFECT_API], tracking, mlflow.address))
        except StartError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("stopped", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
