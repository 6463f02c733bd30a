"""A run that a worker started ends with that worker, and before the server that it must still tell how it ended.

Prefect leaves the run of a killed worker going on, where nobody can cancel it any more and where it keeps the workspace
from the runs that follow. A run that ends by SIGTERM lets its stages save, and reports.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import TextIOWrapper
from pathlib import Path

from pipeline.workspace import file_lock, parent_watchdog, paths
from pipeline.workspace.environment import STACK

PATIENCE = 45.0  # seconds for a run to end: its stages may take 15 to save


def hold(root: Path) -> None:
    """If a worker started this process, be known as its run, and end when the worker is gone."""
    if "PREFECT__FLOW_RUN_ID" in os.environ:
        lock = _open(root)
        fcntl.flock(lock, fcntl.LOCK_SH)  # until this process ends, however it ends
        parent_watchdog.watch(partial(_end, lock))
        if _is_orphan():  # its worker was killed while this process began: nothing has been done yet
            os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def awaited(root: Path) -> Iterator[None]:
    """At the end of the block, wait until the runs that workers started in this workspace have ended, or for long."""
    try:
        yield
    finally:
        deadline = time.monotonic() + PATIENCE
        with _open(root) as lock:
            while not file_lock.taken(lock) and time.monotonic() < deadline:
                time.sleep(0.1)


def _is_orphan() -> bool:
    """Whether the worker that started this process, which a local stack started, is gone."""
    import psutil

    stack = os.environ.get(STACK)
    return stack is not None and int(stack) not in {process.pid for process in psutil.Process().parents()}


def _end(lock: TextIOWrapper) -> None:
    """The watchdog keeps it, and thereby the lock: what is not referred to any more is closed."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE)
    os.kill(os.getpid(), signal.SIGKILL)  # the server is gone as well: Prefect would go on trying for four minutes


def _open(root: Path) -> TextIOWrapper:
    file = paths.worker_runs_lock(root)
    file.parent.mkdir(exist_ok=True)
    return file.open("a", encoding="utf-8")
