"""The environment of a flow's own process: settled before Prefect is imported; a running UI is found in it."""

from __future__ import annotations

import fcntl
import http.client
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from flows import watchdog
from pipeline.workspace import file_lock, gpus, paths
from pipeline.workspace.environment import (
    LOOPBACK,
    PREFECT_API,
    STACK_TMPDIR,
    TMPDIR,
    WORKERS,
    settings,
    without_proxy,
)


def prepare(root: Path) -> None:
    """Set the tools' defaults for this process, and use the UI's server if it runs. What is set already stays.

    The process of a run calls this first of all; if a worker started it, it ends with that worker from now on.
    """
    watchdog.hold(root)
    _leave_the_worker_its_folder()
    for key, value in settings(root).items():
        os.environ.setdefault(key, value)
    password, api = os.environ.get("PREFECT_SERVER_API_AUTH_STRING"), os.environ.get(PREFECT_API, "")
    if password and urlsplit(api).hostname in (None, *LOOPBACK):  # servers that are started here ask for it
        os.environ.setdefault("PREFECT_API_AUTH_STRING", password)
    os.environ.update(without_proxy())
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)  # Prefect makes the last folder only
    if PREFECT_API not in os.environ and (url := announced_api(root)):
        os.environ[PREFECT_API] = url


def _leave_the_worker_its_folder() -> None:
    """If a worker started this process: temporary files lie where they do for whoever started the stack."""
    before = os.environ.pop(STACK_TMPDIR, None)
    if before is not None:
        os.environ.pop(TMPDIR, None)
        os.environ.update({TMPDIR: before} if before else {})
        tempfile.tempdir = None  # what was found in the worker's environment


def enter() -> None:
    """Go to the root of the workspace that this process was started in, and prepare there.

    For the modules whose import settles it: outside of a workspace it ends the process in one line, with nothing made.
    """
    here = Path.cwd()
    root = paths.workspace(here)
    if not (root / ".dvc").is_dir():
        sys.exit(f"{here} lies in no workspace: expected .dvc here or in a folder above")
    os.chdir(root)
    prepare(root)


def workers() -> int:
    """Stages at once: `ROSPHERE_WORKERS`, else 2 on a CPU-only machine, else 8.

    On a GPU machine the device leases decide who trains; the rest must not queue behind those who wait.

    Raises:
        ValueError: `ROSPHERE_WORKERS` is not a positive integer.
    """
    given = os.environ.get(WORKERS)
    if given is None:
        return 8 if gpus.on_this_machine() else 2
    if not given.isdecimal() or int(given) < 1:
        raise ValueError(f"ROSPHERE_WORKERS must be a positive integer, got {given!r}")
    return int(given)


def answers(url: str) -> bool:
    """Whether a server says it is healthy; no proxy is asked, the answer must come within a second."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=1.0)
    try:
        connection.request("GET", f"{parts.path}/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def announced_api(root: Path) -> str | None:
    """The address of the UI's Prefect server, if there is one and it answers.

    Only while the UI that announced it lives, which its lock proves: after a kill -9 the address stays, and whoever
    answers there by then is a stranger.
    """
    try:
        with paths.prefect_address(root).open(encoding="utf-8") as file:
            url = file.read().strip()
            if file_lock.taken(file, shared=True):
                return None
    except FileNotFoundError:
        return None
    return url if answers(url) else None


@contextmanager
def announce(root: Path, url: str) -> Iterator[None]:
    """Let pipeline runs in this workspace find the server at `url` for as long as the block lasts."""
    path = paths.prefect_address(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # so that what is under our lock was written by us
    with path.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # the kernel lets go of it whatever ends us; a reader's is gone in a moment
        print(url, file=file, flush=True)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
