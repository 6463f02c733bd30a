"""A stop that came too late for one stage holds for the next one of the same `dvc repro`: a file passes it on.

What the stopped stage made is whole and stays; what would come after it was not wanted.
"""

import os
import sys
import time
from pathlib import Path

from pipeline.run.identity import Identity
from pipeline.run.signals import Stopped
from pipeline.workspace import paths
from rosphere import files

VALID_SECONDS = 120.0  # an older flag is of another `dvc repro`, whose process group had the same number


def put(identity: Identity) -> None:
    """The next stage of this process group is not to begin."""
    files.write_text(_path(identity), f"{identity.name}\n")


def check(identity: Identity) -> None:
    """Takes the flag away where there is one. Raises Stopped if it is meant for this stage."""
    path = _path(identity)
    for other in path.parent.glob("stop-*"):
        if other != path and not _running(other):
            other.unlink(missing_ok=True)  # of a `dvc repro` that was killed: nobody else would take it away
    if not path.is_file():
        return
    valid = time.time() - path.stat().st_mtime < VALID_SECONDS
    before = path.read_text(encoding="utf-8").strip()
    path.unlink(missing_ok=True)
    if valid:
        print(f"{identity.name}: not begun, {before} was told to stop", file=sys.stderr, flush=True)
        raise Stopped


def _running(flag: Path) -> bool:
    """Whether the process group that the flag names has a process."""
    try:
        os.killpg(int(flag.name.rpartition("-")[2]), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:  # there is one, of somebody else
        return True
    return True


def _path(identity: Identity) -> Path:
    return paths.stop_flag(identity.home, os.getpgrp())
