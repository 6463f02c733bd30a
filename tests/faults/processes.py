"""The processes of one case: known by a mark in their environment, however they were started and whoever their parent
is by now; disturbed by their role; none may be left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "FAULTS_CASE"
ROLES = {
    "dvc": re.compile(r"^(?!.*pipeline\.workspace).*\bdvc (--wait-for-lock )?(repro|exp|checkout|commit)"),
    "stage": re.compile(r"-m stages\.|\bwork\.py\b"),
    "uploader": re.compile(r"pipeline\.tracking\.uploader"),
    "flow": re.compile(r"-m flows\.pipeline"),
    "server": re.compile(r"prefect\.server\.api\.server|prefect server start"),
    "worker": re.compile(r"prefect worker start"),
    "mlflow": re.compile(r"mlflow server|mlflow\.server"),
    "ui": re.compile(r"-m flows\.ui"),
    "guardian": re.compile(r"-I -S .*process\.py"),
}
PATIENCE = 600.0  # seconds for a command to end, whatever was done to it


class Stuck(RuntimeError):
    """A command or a process did not end in time."""


def until(holds: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait for something; Stuck names it."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise Stuck(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.02)


@dataclass(frozen=True, kw_only=True)
class Done:
    code: int
    output: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Processes:
    """Of the case that is marked `mark`, whose commands run in `root`."""

    mark: str
    root: Path
    env: Mapping[str, str]

    def start(self, *command: str, cwd: Path | None = None, log: Path | None = None, **more: str) -> Command:
        """`python -m COMMAND`, or the command itself if it begins with a path or `sh`, as a group of its own."""
        words = list(command) if command[0].startswith(("/", "sh", "git", "make")) else [sys.executable, "-m", *command]
        file = log or self.root.parent / f"output-{time.monotonic_ns()}.txt"
        with file.open("w") as output:
            process = subprocess.Popen(
                words, cwd=cwd or self.root, env={**self.env, MARK: self.mark, **more}, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_hear,
            )  # fmt: skip
        return Command(process=process, file=file, begun=time.monotonic())

    def run(self, *command: str, cwd: Path | None = None, **more: str) -> Done:
        return self.start(*command, cwd=cwd, **more).wait()

    def alive(self, role: str = "") -> list[psutil.Process]:
        """Those that run now, in this role; without one all."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, ProcessLookupError):
                ours = process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE
                if ours and (not role or ROLES[role].search(" ".join(process.cmdline()))):
                    found.append(process)
        return found

    def end(self, seconds: float = 300.0) -> list[str]:
        """Wait for all to be gone; the command lines of those that were not, which are killed."""
        with suppress(Stuck):
            until(lambda: not self.alive(), "nothing runs", seconds)
        left: dict[int, str] = {}
        until(lambda: not self._killed(left), "what was killed is gone", 30.0)
        return [*left.values()]

    def _killed(self, left: dict[int, str]) -> list[psutil.Process]:
        """Those that still run, killed; their command lines, by process, are added to ``left``."""
        running = self.alive()
        for process in running:
            with suppress(psutil.Error):
                left.setdefault(process.pid, " ".join(process.cmdline())[-80:])
                process.kill()
        return running


@dataclass(frozen=True, kw_only=True)
class Command:
    process: subprocess.Popen[bytes]
    file: Path
    begun: float

    def wait(self, seconds: float = PATIENCE) -> Done:
        """The end of it; Stuck if it does not end, and then it is killed."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise Stuck(f"no end within {seconds:.0f} s: {' '.join(map(str, self.process.args[-4:]))}") from error
        return Done(code=code, output=self.output, seconds=time.monotonic() - self.begun)

    @property
    def output(self) -> str:
        return self.file.read_text(encoding="utf-8", errors="replace")

    @property
    def group(self) -> int:
        return self.process.pid


def _hear() -> None:
    """Undo what `nohup` and a shell's `&` have the drill ignore, and with it what it starts."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def send(targets: Sequence[psutil.Process], number: signal.Signals) -> int:
    """Signal all of them; how many there were."""
    count = 0
    for process in targets:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
            count += 1
    return count
