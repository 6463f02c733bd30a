"""Workers: what they need, what is no address of them, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rosphere.errors import InputError
from rosphere.preparation.documents import workers
from rosphere.preparation.documents.workers import Workers


def test_workers_need_neither_torch_nor_mlflow() -> None:
    """A spawned process imports the stage's module: 200 MB and a second for each that it does not need."""
    code = "import sys, stages.prepare; print(sorted({'torch', 'mlflow', 'transformers', 'pandas'} & set(sys.modules)))"
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_scheduler_that_is_not_there_is_one_line() -> None:
    with pytest.raises(InputError, match=r"^params\.yaml: prepare\.engine: no scheduler at tcp://127\.0\.0\.1:9: "):
        Workers("tcp://127.0.0.1:9")


@pytest.mark.parametrize(
    "engine", ["", "Local", "nonsense", "tcp://", "tcp://there", "http://there:1", "tcp://there:x"]
)
def test_what_is_no_address_is_one_line(engine: str) -> None:
    with pytest.raises(InputError, match=r"^params\.yaml: prepare\.engine: expected local or the address of a"):
        Workers(engine)


def test_without_dask_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"prepare\.engine: tcp://there:1 needs Dask: pip install 'rosphere\[dask\]'"):
        Workers("tcp://there:1")


def die(number: int) -> int:
    if number == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.integration
def test_a_worker_that_is_killed_is_one_line() -> None:
    with Workers(count=2) as pool, pytest.raises(InputError, match=r"a worker process was killed.*prepare\.workers"):
        list(pool.map(die, range(20)))


STOPPED = """
import signal, sys, threading, time
from rosphere.errors import Interrupted
from rosphere.preparation.documents.workers import Workers
stop = threading.Event()
def work(number):
    time.sleep(0.05)
    return number
if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with Workers(count=2, stopping=stop.is_set) as pool:
        try:
            for number in pool.map(work, range(1000)):
                print(number, flush=True)
        except Interrupted:
            print("stopped", flush=True)
"""


@pytest.mark.integration
def test_a_signal_to_the_whole_group_is_a_stop_and_no_want_of_memory(tmp_path: Path) -> None:
    (tmp_path / "stopped.py").write_text(STOPPED)
    root = str(Path(__file__).resolve().parents[3])
    command = [sys.executable, str(tmp_path / "stopped.py")]
    options: dict[str, Any] = {"start_new_session": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env={"PYTHONPATH": root, "PATH": ""}, text=True, **options) as process:
        assert process.stdout is not None and process.stdout.readline() == "0\n"
        os.killpg(process.pid, signal.SIGTERM)
        said, complaints = process.communicate(timeout=60)
    assert said.endswith("stopped\n") and (process.returncode, complaints) == (0, "")


def refuse(number: int) -> int:
    if number == 11:
        raise InputError("what is wrong with it")
    return number


@pytest.mark.integration
def test_what_a_worker_complains_of_is_passed_on_and_jobs_are_taken_as_there_is_room() -> None:
    taken: list[int] = []

    def jobs() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    got: list[int] = []
    with Workers(count=2) as pool, pytest.raises(InputError, match="^what is wrong with it$"):
        for each in pool.map(refuse, jobs()):
            got.append(each)
            assert len(taken) <= len(got) + workers.AHEAD * 2
    assert got == list(range(11))
