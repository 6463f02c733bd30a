"""Run logs that an older version left undelivered in `.run/spool` move to where they are delivered from now."""

from contextlib import suppress
from pathlib import Path

from pipeline.tracking import run_log
from pipeline.workspace import paths


def move(home: Path) -> None:
    """Moves every run log that nobody is writing or delivering; the others are left to the next call."""
    former, current = paths.former_run_logs(home), paths.run_logs(home)
    for events in sorted(former.glob(f"*/{run_log.EVENTS}")):
        with suppress(FileNotFoundError):  # another process has moved or delivered it just now
            _move(events.parent, current / events.parent.name)
    with suppress(OSError):  # not empty yet, or not there
        former.rmdir()


def _move(path: Path, target: Path) -> None:
    if _in_use(path):
        return
    with run_log.delivering(path) as alone:
        if alone:
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)


def _in_use(path: Path) -> bool:
    try:
        return run_log.running(path)
    except (ValueError, KeyError):  # unreadable: moved like the others, for `sync` to report
        return False
