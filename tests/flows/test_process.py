"""Commands end with their owner, whatever ends: nothing of a group is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from flows.process import Closed, Commands

HOUSE = Path(__file__).resolve().parents[2]
QUICK = ((signal.SIGINT, 0.3), (signal.SIGTERM, 0.3), (signal.SIGKILL, 5.0))

# A shell that is not the trainer, and a trainer that listens to nothing: what `dvc` looks like at its worst.
STUBBORN = """
import os, signal, subprocess, sys, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
if sys.argv[1] == "parent":
    subprocess.Popen([sys.executable, __file__, "child"]).wait()
print(os.getpid(), flush=True)
time.sleep(600)
"""


@pytest.fixture
def stubborn(tmp_path: Path) -> list[str]:
    script = tmp_path / "stubborn.py"
    script.write_text(STUBBORN)
    return [sys.executable, str(script), "parent"]


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_lines_come_in_order_and_the_exit_code_is_the_command_s() -> None:
    lines: list[str] = []
    script = "import sys; print('一'); print('two', file=sys.stderr, flush=True); print('5%\\r99%'); sys.exit(3)"
    with Commands() as commands:
        code = commands.run([sys.executable, "-u", "-c", script], on_line=lines.append)
    assert (code, lines) == (3, ["一", "two", "99%"])


def test_a_signal_is_a_negative_code() -> None:
    with Commands() as commands:
        assert commands.run(["sh", "-c", "kill -9 $$"], on_line=print) == -signal.SIGKILL


def test_sigint_comes_first(eventually) -> None:
    """A stage that saves on SIGINT gets to do so, and nothing else is sent."""
    lines: list[str] = []
    script = "trap 'echo saved; exit 0' INT; trap 'echo too late' TERM; echo ready; while :; do sleep 0.1; done"
    with Commands() as commands:
        thread = threading.Thread(target=commands.run, args=(["bash", "-c", script],), kwargs={"on_line": lines.append})
        thread.start()
        eventually(lambda: "ready" in lines, "the command runs")
    thread.join(timeout=30)
    assert lines == ["ready", "saved"]


def test_a_command_hears_sigint_even_if_its_owner_ignores_it() -> None:
    lines: list[str] = []
    script = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Commands() as commands:
            commands.run([sys.executable, "-c", script], on_line=lines.append)
    finally:
        signal.signal(signal.SIGINT, before)
    assert lines == ["True"]


def test_closing_ends_the_whole_group(stubborn: list[str], eventually) -> None:
    lines: list[str] = []
    with Commands(QUICK) as commands:
        thread = threading.Thread(target=commands.run, args=(stubborn,), kwargs={"on_line": lines.append})
        thread.start()
        eventually(lambda: bool(lines), "the child runs")
        child = psutil.Process(int(lines[0]))
        group = [child, *child.parents()[:1]]
    thread.join(timeout=30)
    assert all(gone(process.pid) for process in group)


def test_nothing_starts_once_closed() -> None:
    with Commands() as commands:
        commands.close()
        with pytest.raises(Closed, match="not started, the run is ending: true"):
            commands.run(["true"], on_line=print)


def test_an_error_in_the_reader_ends_the_command(stubborn: list[str]) -> None:
    seen: list[int] = []

    def on_line(line: str) -> None:
        seen.append(int(line))
        raise LookupError("reader")

    with Commands(QUICK) as commands, pytest.raises(LookupError, match="reader"):
        commands.run(stubborn, on_line=on_line)
    assert gone(seen[0])


def test_what_outlives_its_leader_is_ended() -> None:
    lines: list[str] = []
    with Commands(QUICK) as commands:
        assert commands.run(["sh", "-c", "sleep 600 & echo $!"], on_line=lines.append) == 0
    assert gone(int(lines[0]))


OWNER = """
import sys
from flows.process import Commands
with Commands() as commands:
    commands.run(sys.argv[1:], on_line=lambda line: print(line, flush=True))
"""


def test_a_killed_owner_leaves_nothing(eventually) -> None:
    """kill -9 of the owner: its guardian ends the command, and then itself."""
    sleeper = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]
    env = {**os.environ, "PYTHONPATH": str(HOUSE)}
    with subprocess.Popen([sys.executable, "-c", OWNER, *sleeper], env=env, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        command = int(owner.stdout.readline())
        family = {child.pid for child in psutil.Process(owner.pid).children(recursive=True)}
        owner.kill()
    assert command in family and len(family) == 2, "the command and the guardian"
    eventually(lambda: all(gone(pid) for pid in family), "both are gone", 30)


def test_closing_from_a_second_interrupt_kills_at_once(stubborn: list[str], eventually, request) -> None:
    lines: list[str] = []
    # Test workers and background shells ignore SIGINT, and so would this process.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with Commands(((signal.SIGINT, 600.0), (signal.SIGKILL, 5.0))) as commands:
        thread = threading.Thread(target=commands.run, args=(stubborn,), kwargs={"on_line": lines.append})
        thread.start()
        eventually(lambda: bool(lines), "the child runs")
        timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            commands.close()
    thread.join(timeout=30)
    assert gone(int(lines[0]))
