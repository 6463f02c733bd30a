"""Leaving in good order: SIGINT, SIGTERM and SIGHUP become a question, and no stage outlives its parent.

A killed `dvc repro` leaves its stage training on as an orphan, and the next one would start a second
trainer over the same outputs. So the stage asks the kernel for a SIGTERM when its parent dies.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.workspace import hangup, parent_watchdog
from pipeline.workspace.exit_codes import TERMINATED

INSIST_SECONDS = 5.0
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Stopped(SystemExit):
    """The stage was asked to stop, and leaves: exit code 143, as a shell reports SIGTERM."""

    def __init__(self) -> None:
        super().__init__(TERMINATED)


class StopRequests:
    """What SIGINT, SIGTERM and SIGHUP do at each point of a stage's life.

    Until the first call of `pending` nobody would notice a request, so the signal leaves at once. From
    then on it waits for the loop to save and leave, but one repeated after INSIST_SECONDS (not
    sooner: a group kill and the parent's death send two in a row) leaves at once. After `finish` the
    work is done and signals are ignored for the moment that writing it down takes.
    """

    def __init__(self) -> None:
        self._asked_at: float | None = None
        self._polled = False
        self._finishing = False
        self._terminals = hangup.terminals()

    def pending(self) -> bool:
        """Whether the stage should save and leave."""
        self._polled = True
        return self._asked_at is not None

    def finish(self) -> bool:
        """The work is complete: no request counts any more. Whether one came too late to be noticed."""
        self._finishing = True
        return self._asked_at is not None

    def receive(self, number: int, frame: object) -> None:
        """The signal handler."""
        if number == signal.SIGHUP:
            hangup.let_go(self._terminals)
        if self._finishing:
            return
        now = time.monotonic()
        if self._asked_at is None:
            self._asked_at = now
            # os.write, because print may be what the signal interrupted
            message = "stopping; once more after 5 s to leave at once"
            os.write(2, f"{signal.Signals(number).name}: {message}\n".encode())
        if not self._polled or now - self._asked_at > INSIST_SECONDS:
            raise Stopped


@contextmanager
def stop_requests() -> Iterator[StopRequests]:
    """Turn SIGINT, SIGTERM and SIGHUP into requests until the block ends (main thread only)."""
    requests = StopRequests()
    before = {number: signal.signal(number, requests.receive) for number in hangup.stop_signals()}
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def die_with_parent(number: signal.Signals = signal.SIGTERM) -> Iterator[None]:
    """Send this process the signal `number` when its parent dies: on Linux at once, elsewhere within a second."""
    done = threading.Event()
    parent_watchdog.watch(lambda: os.kill(os.getpid(), number), done)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))
    try:
        yield
    finally:
        done.set()
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, 0)
