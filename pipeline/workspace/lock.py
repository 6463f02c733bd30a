"""One pipeline run at a time in a workspace, whoever starts it: `make repro`, a flow, an experiment of this name.

    python -m pipeline.workspace.lock COMMAND ...

runs the command in this workspace, alone, and refuses to while another run works there.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from pipeline.workspace import file_lock, lockfile, paths
from pipeline.workspace.graph import PlanError

MOMENT = 1.0  # seconds


@contextmanager
def alone(root: Path, name: str | None = None, *, patience: float = 0.0) -> Iterator[None]:
    """Hold this workspace, or the experiment of this name, against other pipeline runs.

    The kernel lets go of it whatever ends us. One that holds it is given `patience` seconds to end.

    Raises:
        PlanError: another pipeline run holds it.
    """
    with _taken(root, name, time.monotonic() + patience):
        yield


def held(root: Path, name: str) -> bool:
    """Whether a process is inside `alone` with this name."""
    file = paths.pipeline_lock(root, name)
    if not file.is_file():
        return False
    with file.open(encoding="utf-8") as handle:
        return not file_lock.taken(handle, shared=True)


def _taken(root: Path, name: str | None, deadline: float = 0.0) -> TextIO:
    """The lock file, open and locked, which may take until `deadline` on the monotonic clock.

    Raises:
        PlanError: another pipeline run holds it.
    """
    file = paths.pipeline_lock(root, name)
    file.parent.mkdir(exist_ok=True)
    handle = file.open("a+", encoding="utf-8")
    while not (ours := file_lock.taken(handle)) and time.monotonic() < deadline:
        time.sleep(0.2)
    if not ours:
        handle.seek(0)
        holder = handle.read().strip()
        handle.close()
        where = f"on the experiment {name} of {root}" if name else f"in {root}"
        raise PlanError(f"another pipeline run (process {holder}) is working {where}")
    if name is None:
        _mend_notes(paths.dvc_notes(root))
        _forget_dead(paths.dvc_notes(root))
        lockfile.mend(root)
    handle.truncate(0)
    handle.write(f"{os.getpid()}\n")
    handle.flush()
    return handle


def _mend_notes(notes: Path) -> None:
    """Delete DVC's notes of who works on what where they were cut off, by a full disk or a loss of power.

    DVC itself refuses to do anything then, and takes no notes for nobody. One that writes just now is done in a moment.
    """
    if _cut_off(notes):
        time.sleep(MOMENT)
        if _cut_off(notes):
            notes.unlink()


def _cut_off(notes: Path) -> bool:
    try:
        json.loads(notes.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    return False


def _forget_dead(notes: Path) -> None:
    """Take processes that are gone out of DVC's notes: it does so itself only where one is in its way, and by number,
    which another process may have by then. While a `dvc` writes there it is left for another time.
    """
    if not notes.is_file():
        return
    with notes.with_name(f"{notes.name}.lock").open("a") as guard:  # DVC's own lock on them
        if not file_lock.taken(guard):
            return
        noted = json.loads(notes.read_text(encoding="utf-8") or "{}")
        living = {kind: _living(paths) for kind, paths in noted.items()}
        if living != noted:
            draft = notes.with_name(f"{notes.name}.part")
            draft.write_text(json.dumps(living), encoding="utf-8")
            draft.replace(notes)


def _living(noted: Mapping[str, Any]) -> dict[str, Any]:
    """path -> the process that writes it or the processes that read it, as far as they are there."""
    found: dict[str, Any] = {}
    for path, who in noted.items():
        alive = [each for each in (who if isinstance(who, list) else [who]) if _is_alive(int(each["pid"]))]
        if alive:
            found[path] = alive if isinstance(who, list) else alive[0]
    return found


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def main() -> int:
    command = sys.argv[1:]
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        handle = _taken(Path.cwd(), None)
    except PlanError as error:
        print(error, file=sys.stderr)
        return 1
    os.set_inheritable(handle.fileno(), True)  # the command becomes this process and holds the lock to its end
    os.execvp(command[0], command)


if __name__ == "__main__":
    sys.exit(main())
