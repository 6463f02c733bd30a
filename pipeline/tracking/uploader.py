"""The uploader: one child process per stage that delivers its run log to MLflow.

It lives in its own session, so the signals that stop a trainer do not stop it. It imports MLflow, sends
about once a second, backs off while the store is away, and outlives its trainer, however that ended,
just long enough to close the run and to register a model. A run log it cannot deliver stays for `sync`.
Meanwhile it samples what the trainer costs the machine.
"""

import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.tracking import former_folder, run_log, system_metrics
from pipeline.tracking.system_metrics import Machine
from pipeline.workspace import paths
from pipeline.workspace.environment import UPLOADER_NICENESS, without_proxy

BATCH_SECONDS = 1.0
LONGEST_BACK_OFF = 30.0

ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # with the default of 7 a call to an absent server takes minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",  # its sampling thread can deadlock with imports
    "DO_NOT_TRACK": "1",
}


def _environment() -> dict[str, str]:
    """For MLflow: what is set already stays, and no proxy is asked for a server on this machine."""
    return {**ENVIRONMENT, **os.environ, **without_proxy()}


def start(path: Path) -> "subprocess.Popen[bytes]":
    """Start the uploader of the run log `path`, which this process writes."""
    code = str(Path(__file__).resolve().parents[2])  # where `pipeline` is imported from, not the workspace
    search = os.pathsep.join(filter(None, [code, os.environ.get("PYTHONPATH")]))
    with open(path / "uploader.log", "wb") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "pipeline.tracking.uploader", str(path), str(os.getpid())],
            env={**_environment(), "PYTHONPATH": search},
            cwd=path.parents[2],  # a queued experiment's copy of the workspace may be gone before we are
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def last_line(path: Path) -> str:
    """The last line that the uploader of the run log `path` wrote."""
    log = path / "uploader.log"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return lines[-1] if lines else "the uploader died"


def deliver(path: Path, trainer: int) -> int:
    """Deliver the run log `path` while the process `trainer`, our parent, lives.

    The trainer writes to standard input when it is over; its death closes that. Then one last attempt
    is made. Returns 0 if everything was delivered, and the run log deleted, else 1.
    """
    _step_back()
    watch = Watch(path, trainer)
    send = _sender(path.parents[2])
    gap, over = BATCH_SECONDS, False
    while True:
        watch.look()
        try:
            if send(path, over):
                return 0
            gap = BATCH_SECONDS
        except Exception as error:  # whatever MLflow raises, the run log keeps everything and we come again
            print(_one_line(error), flush=True)
            gap = min(2 * gap, LONGEST_BACK_OFF)
        if over:
            return 1 if path.is_dir() else 0  # `sync` may have been quicker
        over = _wait_for_end(gap, trainer, watch)


class Watch:
    """Samples of the machine for the run log `path`, as often as its first event asks for."""

    def __init__(self, path: Path, trainer: int) -> None:
        start: Mapping[str, Any] = run_log.start_event(path) or {}
        self._seconds = float(start.get("system_metrics", 0))
        self._path, self._next, self._step, self._warned = path, 0.0, 0, False
        self._machine: Machine | None = system_metrics.watch(trainer, start["devices"]) if self._seconds else None

    def look(self) -> None:
        """One more sample into the run log, if it is time for it."""
        if self._machine is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._seconds
        try:
            file = run_log.open_end(self._path / run_log.SYSTEM)
            try:
                run_log.append(file, "metrics", {"step": self._step, "values": self._machine.sample()})
            finally:
                os.close(file)
            self._step += 1
        except OSError as error:  # a full disk; or `sync` has delivered and deleted the run log
            if not self._warned:
                print(_one_line(error), flush=True)
            self._warned = True


def _step_back() -> None:
    """Let the trainer go first: at 19, the default, a busy core gives us 1.5 percent, and an idle one all it has.

    So on a machine with no core to spare runs appear late, for importing MLflow alone takes seconds of CPU time.
    A session of its own is a scheduling group of its own in Linux, where niceness counts only within the group.
    """
    niceness = os.environ.get(UPLOADER_NICENESS, "19")
    os.nice(int(niceness))
    group = Path("/proc/self/autogroup")
    if group.exists():
        try:
            group.write_text(niceness, encoding="ascii")
        except OSError as error:  # not allowed here, or again too soon
            print(_one_line(error), flush=True)


def _wait_for_end(seconds: float, trainer: int, watch: Watch) -> bool:
    """Wait; True at once when the trainer is over or gone."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        watch.look()
        # in slices: a worker forked by a dead trainer would keep standard input open
        if select.select([sys.stdin], [], [], min(left, 1.0))[0] or os.getppid() != trainer:
            return True
    return False


def _sender(home: Path) -> Callable[[Path, bool], bool]:
    """A function that sends what is new in a run log and, once its trainer is over, deletes it.

    The first call that can opens the store; the later ones use it.
    """
    stores: list[Any] = []

    def send(path: Path, over: bool) -> bool:
        from pipeline.tracking.mlflow.runs import Store

        with run_log.delivering(path) as alone:
            if not alone:
                raise BlockingIOError("another process is delivering it")
            if not stores:
                stores.append(Store(home))
            if closed := bool(stores[0].deliver(path, over)):
                shutil.rmtree(path)
            return closed

    return send


def sync(home: Path) -> int:
    """Deliver every run log of finished or dead trainers, oldest first; the number left undelivered."""
    os.environ.update(_environment())
    send = _sender(home)
    former_folder.move(home)
    logs = sorted(path.parent for path in paths.run_logs(home).glob(f"*/{run_log.EVENTS}"))
    return sum(not _sync_one(path, send) for path in logs)


def _sync_one(path: Path, send: Callable[[Path, bool], bool]) -> bool:
    try:
        if run_log.running(path):
            print(f"{path.name}: still running, left alone")
            return True
        send(path, True)
    except Exception as error:  # one bad run log must not keep the others back
        if path.is_dir():
            print(f"{path.name}: kept: {_one_line(error)}")
            return False
    print(f"{path.name}: delivered")  # if not by us, then by another process just now
    return True


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


if __name__ == "__main__":
    sys.exit(deliver(Path(sys.argv[1]), int(sys.argv[2])))
