"""The local stack: Prefect's server and MLflow's, on loopback, stopped together.

    python -m flows.ui [--prefect-port 4200] [--mlflow-port 5000]

While it runs, `python -m flows.pipeline` in the same workspace reports to it without being told.
"""

from __future__ import annotations

import argparse
import fcntl
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flows import environment
from flows.process import Closed, Commands, unwinding_on_terminate

HOST = "127.0.0.1"
PATIENCE = 120.0  # seconds for a server to answer; the first start creates its database

# In a process of its own: importing mlflow here would cost a second and hundreds of megabytes for good.
CREATE_STORE = "import sys; from mlflow import MlflowClient; MlflowClient(sys.argv[1]).search_experiments()"


class StartError(RuntimeError):
    """The stack cannot be started or has lost a server; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """One server: the module that runs it, where it is looked at, and where it says that it is healthy."""

    name: str
    arguments: tuple[str, ...]
    port: int
    health: str

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"


def stack(root: Path, prefect_port: int, mlflow_port: int) -> tuple[Server, Server]:
    """Prefect's server and MLflow's for this workspace."""
    prefect = ("prefect", "server", "start", "--host", HOST, "--port", str(prefect_port))
    mlflow = ("mlflow", "server", "--host", HOST, "--port", str(mlflow_port), "--workers", "1")
    return (
        Server(name="Prefect", arguments=prefect, port=prefect_port, health="/api"),
        Server(
            name="MLflow",
            arguments=(*mlflow, "--backend-store-uri", store_uri(root)),
            port=mlflow_port,
            health="",
        ),
    )


def store_uri(root: Path) -> str:
    """MLflow's database; absolute, because a relative one means another file in an experiment's copy."""
    return f"sqlite:///{root.resolve()}/mlflow.db"


def create_store(root: Path) -> None:
    """Create MLflow's database if there is none, one process at a time: two at once break it for good."""
    file = root / ".run" / "mlflow.lock"
    file.parent.mkdir(exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (root / "mlflow.db").exists():
            return
        command = [sys.executable, "-c", CREATE_STORE, store_uri(root)]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        if done.returncode:
            raise StartError(f"MLflow cannot create {store_uri(root)}:\n{done.stderr[-2000:]}")


def require_free(servers: Sequence[Server]) -> None:
    """Refuse ports that somebody listens on.

    Raises:
        StartError: a port is taken.
    """
    for server in servers:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else a server just stopped would count
            try:
                probe.bind((HOST, server.port))
            except OSError as error:
                option = f"--{server.name.lower()}-port"
                raise StartError(f"port {server.port} is taken, choose another with {option} ({error})") from error


def serve(root: Path, servers: Sequence[Server]) -> None:
    """Run the servers until one ends or this process is told to.

    Raises:
        StartError: a server ended, or does not answer in time.
    """
    with Commands() as commands:
        threads = [threading.Thread(target=_run, args=(server, root, commands), daemon=True) for server in servers]
        for thread in threads:
            thread.start()
        prefect, mlflow = servers
        for server, thread in zip(servers, threads, strict=True):
            _wait(server, thread, root)
            print(f"{server.name:8}{server.address}", flush=True)
        api = f"{prefect.address}/api"
        with environment.announce(root, api):
            print("runs of this workspace appear there by themselves; from elsewhere:")
            print(f"  PREFECT_API_URL={api} python -m flows.pipeline", flush=True)
            while all(thread.is_alive() for thread in threads):
                time.sleep(0.5)
        ended = next(server for server, thread in zip(servers, threads, strict=True) if not thread.is_alive())
        raise StartError(_ended(ended, root))


def _run(server: Server, root: Path, commands: Commands) -> None:
    """Run a server to its end, its output to its log."""
    env = {**environment.for_commands(), "PREFECT_API_URL": f"{server.address}/api"}
    with _log(server, root).open("w", encoding="utf-8") as log:

        def on_line(line: str) -> None:
            print(line, file=log, flush=True)

        try:
            commands.run([sys.executable, "-m", *server.arguments], on_line=on_line, env=env, cwd=root)
        except Closed:
            return


def _wait(server: Server, thread: threading.Thread, root: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not environment.answers(server.address + server.health):
        if not thread.is_alive():
            raise StartError(_ended(server, root))
        if time.monotonic() > deadline:
            raise StartError(f"{server.name} did not answer within {PATIENCE:.0f} s; see {_log(server, root)}")
        time.sleep(0.2)


def _ended(server: Server, root: Path) -> str:
    log = _log(server, root)
    lines = log.read_text(encoding="utf-8").splitlines()[-15:]
    return "\n".join([f"{server.name} ended; the last lines of {log}:", *lines])


def _log(server: Server, root: Path) -> Path:
    return root / ".run" / f"{server.name.lower()}.log"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m flows.ui", description="Prefect's and MLflow's UI on loopback.")
    parser.add_argument("--prefect-port", type=int, default=4200)
    parser.add_argument("--mlflow-port", type=int, default=5000)
    given = parser.parse_args()
    root = Path.cwd()
    if running := environment.announced_api(root):
        print(f"the UI of this workspace already runs, its server at {running}", file=sys.stderr)
        return 1
    environment.prepare(root)
    servers = stack(root, given.prefect_port, given.mlflow_port)
    with unwinding_on_terminate():
        try:
            require_free(servers)
            create_store(root)
            serve(root, servers)
        except StartError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("stopped", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
