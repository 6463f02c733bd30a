"""Commands that end with their owner: each its own process group, its lines streamed, never left behind.

Killing only the command we started is not enough: `dvc` runs a shell that runs the trainer, and a `dvc` that
dies leaves the trainer writing over the files of its successor. So every command leads a process group and
the group is ended as a whole:

* `Commands.close` (leaving the `with` block, for whatever reason) ends every group and lets none start;
* a group that outlives its leader is ended when the leader exits;
* if the owner itself is killed, a guardian process notices its pipe closing and ends the groups.

Only the standard library is used: the guardian is this file run in isolated mode, up in some 20 ms.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType

Ladder = tuple[tuple[signal.Signals, float], ...]

# SIGINT first: DVC ignores it while a stage runs, the stage saves its checkpoint and leaves, and DVC then
# releases its locks. SIGTERM kills DVC at once and leaves its locks behind.
LADDER: Ladder = ((signal.SIGINT, 10.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 2.0))
POLL = 0.05


class Closed(RuntimeError):
    """The owner is ending: no command may start any more."""


def end_groups(groups: Iterable[int], ladder: Ladder = LADDER) -> None:
    """Signal the process groups, one step of the ladder after another, until none is alive."""
    alive = set(groups)
    for number, patience in ladder:
        alive = {group for group in alive if _signal(group, number)}
        deadline = time.monotonic() + patience
        while alive and time.monotonic() < deadline:
            time.sleep(POLL)
            alive = {group for group in alive if _signal(group, 0)}


def _signal(group: int, number: int) -> bool:
    """Send a signal (0 only asks); whether the group is still there."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS answers the latter for a group of zombies
        return False
    return True


def _hear_interrupts() -> None:
    """Undo an inherited "ignore SIGINT", with which a shell starts what it runs in the background.

    A stage that cannot be interrupted cannot save, and DVC would be ended by SIGTERM and leave its locks.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Commands:
    """The running commands of one owner. Enter it, `run` commands from any thread, leave it."""

    def __init__(self, ladder: Ladder = LADDER) -> None:
        self._ladder = ladder
        self._lock = threading.Lock()
        self._reapers: dict[int, threading.Thread] = {}  # by the group that each waits for
        self._closed = False

    def __enter__(self) -> Commands:
        command = [sys.executable, "-I", "-S", __file__]
        quiet = subprocess.DEVNULL
        self._guardian = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self.close()
        finally:
            for reaper in list(self._reapers.values()):
                reaper.join()
            with suppress(BrokenPipeError):
                self._pipe.close()
            self._guardian.wait()

    @property
    def closed(self) -> bool:
        """Whether the owner is ending: what fails from now on was stopped, and must not be retried."""
        return self._closed

    def close(self) -> None:
        """End every command and let none start. A second interrupt meanwhile ends them at once."""
        with self._lock:
            self._closed = True
            groups = set(self._reapers)
        try:
            end_groups(groups, self._ladder)
        except BaseException:
            end_groups(groups, self._ladder[-1:])
            raise

    def run(
        self,
        command: Sequence[str],
        *,
        on_line: Callable[[str], None],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> int:
        """Run a command to its end and return its exit code, negative when a signal ended it.

        Each line of stdout and stderr goes to `on_line` as it comes; of a line that was drawn over itself
        with carriage returns (a progress bar), what stood there last. If `on_line` raises, the command ends.

        Raises:
            Closed: the owner is ending.
        """
        process, reaper = self._start(command, env, cwd)
        assert process.stdout is not None
        try:
            with io.TextIOWrapper(process.stdout, encoding="utf-8", errors="replace", newline="\n") as lines:
                for line in lines:
                    on_line(line.rstrip().rsplit("\r", 1)[-1])
        except BaseException:
            end_groups({process.pid}, self._ladder)
            raise
        finally:
            reaper.join()
        return process.wait()

    def _start(
        self, command: Sequence[str], env: Mapping[str, str] | None, cwd: Path | None
    ) -> tuple[subprocess.Popen[bytes], threading.Thread]:
        with self._lock:  # so that `close` either sees the new group or prevents it
            if self._closed:
                raise Closed(f"not started, the run is ending: {' '.join(command)}")
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_hear_interrupts,
                env=env,
                cwd=cwd,
            )
            self._tell("+", process.pid)
            reaper = threading.Thread(target=self._reap, args=(process,), daemon=True)
            self._reapers[process.pid] = reaper
            reaper.start()
        return process, reaper

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for a leader; end what it left in its group, which would also hold its output open."""
        process.wait()
        end_groups({process.pid}, self._ladder[1:])
        with self._lock:
            del self._reapers[process.pid]
            self._tell("-", process.pid)

    def _tell(self, sign: str, group: int) -> None:
        # Without its guardian the owner can still end its groups itself: no reason to stop a training run.
        with suppress(BrokenPipeError):
            self._pipe.write(f"{sign}{group}\n".encode())
            self._pipe.flush()

    @property
    def _pipe(self) -> io.BufferedWriter:
        pipe = self._guardian.stdin
        assert isinstance(pipe, io.BufferedWriter)
        return pipe


@contextmanager
def unwinding_on_terminate() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the main thread as Ctrl-C does, so that `with` blocks and exit handlers still run.

    Ctrl-C itself too: a shell starts its background jobs with SIGINT ignored.
    """
    from pipeline.workspace import hangup  # here: the guardian runs this file alone

    terminals = hangup.terminals()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            hangup.let_go(terminals)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in hangup.stop_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def guard() -> None:
    """Hold the groups that our owner names on stdin; when the pipe closes, end those that are left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
    end_groups(groups)


if __name__ == "__main__":
    guard()
