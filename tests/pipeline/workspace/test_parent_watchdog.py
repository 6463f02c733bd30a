"""An orphan acts, once, unless it was over before."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[3]
CHILD = """
import sys, threading, time
from pathlib import Path
from pipeline.workspace import parent_watchdog
parent_watchdog.POLL_SECONDS = 0.05
done = threading.Event()
def act():
    with open("acted", "a") as file:
        file.write("once")
parent_watchdog.watch(act, done)
if sys.argv[1] == "over":
    done.set()
Path("ready").touch()
while not Path("orphaned").exists():
    time.sleep(0.05)
time.sleep(0.5)
Path("ended").touch()
"""
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"


def until(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, path.name
        time.sleep(0.05)


@pytest.mark.parametrize("state", ["at work", "over"])
def test_an_orphan_acts_unless_it_is_over(tmp_path: Path, state: str) -> None:
    command = [sys.executable, "-c", PARENT, CHILD, state]
    with subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(HOUSE)}) as parent:
        until(tmp_path / "ready")
        assert not (tmp_path / "acted").exists()
        parent.kill()
    (tmp_path / "orphaned").touch()
    until(tmp_path / "ended")
    acted = tmp_path / "acted"
    assert acted.read_text() == "once" if state == "at work" else not acted.exists()
