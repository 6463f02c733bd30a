"""What a process does when the process that started it is gone."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

POLL_SECONDS = 1.0


def watch(act: Callable[[], None], done: threading.Event | None = None) -> None:
    """From now on: once the parent of this process is gone, call `act` in a thread, unless `done` is set before."""
    parent, over = os.getppid(), done or threading.Event()
    threading.Thread(target=_wait, args=(parent, act, over), name="parent watchdog", daemon=True).start()


def _wait(parent: int, act: Callable[[], None], over: threading.Event) -> None:
    while not over.is_set():
        if os.getppid() != parent:  # an orphan gets another one
            return act()
        over.wait(POLL_SECONDS)
