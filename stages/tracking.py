"""Tracking that never costs a run: a stage writes to its spool, a courier process carries it to MLflow.

Telling the tracker something is one appended line; no stage waits for MLflow, imports it or fails with
it. What the courier cannot deliver stays in `.run/spool` until

    python -m stages.tracking sync

ROSPHERE_TRACKING=0 switches all of it off.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from stages import courier, identity, spool
from stages.identity import Identity
from stages.signals import Stopped
from stages.spool import Spool

PATIENCE_SECONDS = 5.0  # how long a finished stage waits for its courier, to say if something was left


class Tracker:
    """The stage's end: tell what happened, at the price of appending a line."""

    def __init__(self, name: str, spool: Spool | None, process: "subprocess.Popen[bytes] | None") -> None:
        self._name, self._spool, self._process = name, spool, process
        self._warned = False

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """The values at one step of a loop."""
        if values:
            numbers = {key: float(value) for key, value in values.items()}
            self._tell(lambda spool: spool.write("metrics", step=step, values=numbers))

    def artifact(self, path: Path) -> None:
        """A file or folder as it is now."""
        self._tell(lambda spool: spool.artifact(path))

    def final(self, step: int, report: Mapping[str, Any]) -> None:
        """The stage's result: its numeric leaves become metrics of the run and of its parent."""
        values = spool.numbers(report)
        self._tell(lambda spool: spool.write("final", step=step, values=values))

    def end(self, status: str) -> None:
        """Close the run as FINISHED, FAILED or KILLED, and give the courier a moment to deliver."""
        self._tell(lambda spool: spool.write("end", status=status))
        if self._spool is not None:
            self._spool.close()
            if status != "KILLED":  # who is told to leave does not wait; the courier sees it go
                self._see_off(self._spool.path)

    def _tell(self, write: Callable[[Spool], None]) -> None:
        if self._spool is None:
            return
        try:
            write(self._spool)
        except OSError as error:  # a full disk must not end a training run
            self._warn(f"not recorded: {error}")

    def _see_off(self, path: Path) -> None:
        if self._process is None:
            return self._warn(f"mlflow is not installed: kept in {path}")
        try:
            self._process.communicate(b"over", timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            return self._warn("still being delivered, in the background")
        if self._process.returncode:
            reason = courier.last_words(path)
            self._warn(f"{reason}: kept in {path}; `python -m stages.tracking sync` sends it")

    def _warn(self, message: str) -> None:
        if not self._warned:
            print(f"warning: {self._name}: tracking: {message}", file=sys.stderr, flush=True)
        self._warned = True


@contextmanager
def tracked(me: Identity, devices: tuple[str, ...]) -> Iterator[Tracker]:
    """Track the block as one run of the stage `me` on the GPUs `devices`."""
    tracker = _begin(me, devices)
    status = "FAILED"
    try:
        yield tracker
        status = "FINISHED"
    except Stopped:
        status = "KILLED"
        raise
    finally:
        tracker.end(status)


def _begin(me: Identity, devices: tuple[str, ...]) -> Tracker:
    if os.environ.get("ROSPHERE_TRACKING") == "0":
        return Tracker(me.name, None, None)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    name = f"{stamp}-{me.name.replace('@', '_')}-{me.stage_fp[:12]}-{os.getpid()}"
    try:
        told = Spool(spool.folder(me.home) / name)
        told.write("start", **_introduction(me, devices))
        return Tracker(me.name, told, courier.start(told.path) if find_spec("mlflow") else None)
    except (OSError, ValueError) as error:  # a full disk, an upstream report that is no JSON
        tracker = Tracker(me.name, None, None)
        tracker._warn(f"not recorded: {error}")
        return tracker


def _introduction(me: Identity, devices: tuple[str, ...]) -> dict[str, Any]:
    return {
        "stage": me.name,
        "stage_fp": me.stage_fp,
        "pipeline_fp": me.pipeline_fp,
        "params": me.params or me.pipeline_params,
        "pipeline_params": me.pipeline_params,
        "deps": me.deps,
        "upstream": _upstream(me.upstream_metrics),
        "tags": {
            "host": socket.gethostname(),
            "pid": str(os.getpid()),
            "device": "cuda:" + ",".join(devices) if devices else "cpu",
            **_git(),
        },
    }


def _upstream(files: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    """The numbers of every upstream stage's JSON reports, under `<stage>/<key>`."""
    found: dict[str, float] = {}
    for stage, paths in files.items():
        for path in map(Path, paths):
            if path.suffix == ".json" and path.is_file():
                report = json.loads(path.read_text(encoding="utf-8"))
                found.update(spool.numbers({stage.replace("@", "/"): report}))
    return found


def _git() -> dict[str, str]:
    """Commit and dirty flag as tags; none outside a repository."""
    if shutil.which("git") is None:
        return {}
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True)
    if head.returncode:
        return {}
    status = ["git", "--no-optional-locks", "status", "--porcelain", "--untracked-files=no"]
    changes = subprocess.run(status, capture_output=True, text=True)
    return {
        "mlflow.source.git.commit": head.stdout.strip(),
        "git.dirty": str(bool(changes.stdout.strip())).lower(),
    }


def main(arguments: list[str] | None = None) -> int:
    """The command line: `sync` delivers what is left; 1 if something still is."""
    parser = argparse.ArgumentParser(prog="python -m stages.tracking", description="Deliver runs to MLflow.")
    commands = parser.add_subparsers(required=True)
    commands.add_parser("sync", help="deliver what is left in .run/spool")
    parser.parse_args(arguments)
    return 1 if courier.sync(identity.home(identity.workspace(Path.cwd()))) else 0


if __name__ == "__main__":
    sys.exit(main())
