"""The folder in which a stage of one configuration keeps its checkpoint, locked while a process works on it."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pipeline.run.identity import Identity
from pipeline.workspace import file_lock, paths
from pipeline.workspace.environment import FLOW_RUN
from pipeline.workspace.exit_codes import AGAIN
from rosphere.errors import InputError

HANDOVER_SECONDS = 10.0  # what a stopped trainer may need to save before its successor may begin
POLL_SECONDS = 0.2


def place(identity: Identity) -> Path:
    """Where checkpoints of this configuration lie: outside DVC's outs.

    DVC deletes those before a run, and with `persist: true` the next run would resume another configuration's.
    """
    return paths.checkpoints(identity.home) / identity.name.replace("@", "_") / identity.stage_fp[:16]


@contextmanager
def locked(identity: Identity) -> Iterator[Path]:
    """The checkpoint folder of this very configuration, locked; deleted if the block succeeds.

    Experiments that run at once share their first stages, and this folder. Who comes second waits, and if a flow
    started it, leaves with AGAIN: tried again, DVC takes what the first has made.
    """
    folder = place(identity)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "a+", encoding="utf-8") as lock:  # beside the folder, since the folder gets deleted
        if _wait(lock, identity.name) and FLOW_RUN in os.environ:
            raise SystemExit(AGAIN)
        lock.truncate(0)
        lock.write(f"{Path.cwd()}\n")
        lock.flush()
        folder.mkdir(exist_ok=True)
        yield folder
        shutil.rmtree(folder)


def _wait(lock: TextIO, name: str) -> bool:
    """Take the lock; whether a process of another workspace held it, which is said once.

    Raises:
        InputError: a process of this workspace holds it, and for longer than a handover takes.
    """
    checked, waited = time.monotonic(), False
    while not file_lock.taken(lock):
        if time.monotonic() - checked > HANDOVER_SECONDS:
            holder = _holder(lock)
            if holder == str(Path.cwd()):
                raise InputError(f"expected to be the only one, but a process holds {lock.name}")
            if not waited:
                print(f"{name}: waiting for the same stage in {holder}", flush=True)
            checked, waited = time.monotonic(), True
        time.sleep(POLL_SECONDS)
    return waited


def _holder(lock: TextIO) -> str:
    lock.seek(0)
    return lock.read().strip()
