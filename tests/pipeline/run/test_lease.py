"""Devices are leased by file locks: exclusive, all or nothing, freed by the kernel."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.run.lease import lease
from rosphere.errors import InputError

REPOSITORY = Path(__file__).parents[3]
HOLDER = """
import sys, time
from pipeline.run.lease import lease
with lease(int(sys.argv[1])) as names:
    print(",".join(names), flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def two_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROSPHERE_GPUS", "0,1")
    monkeypatch.setenv("ROSPHERE_GPU_LOCKS", str(tmp_path / "locks"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@contextmanager
def holder(count: int) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Another process that holds `count` devices, and their names."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(count)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_two_processes_get_two_devices() -> None:
    with holder(1) as (_, theirs), lease(1) as mine:
        assert {theirs, *mine} == {"0", "1"}
        assert os.environ["CUDA_VISIBLE_DEVICES"] == mine[0]
        with pytest.raises(TimeoutError, match="expected 1 free GPUs"), lease(1, timeout=0):
            pass
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_kill_9_frees_the_devices() -> None:
    with holder(2) as (process, theirs):
        assert theirs == "0,1"
        with pytest.raises(TimeoutError), lease(1, timeout=0):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        with lease(2, timeout=0) as mine:
            assert mine == ("0", "1")


def test_takes_all_or_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with holder(1):
        with pytest.raises(TimeoutError), lease(2, timeout=0):
            pass
        assert capsys.readouterr().err == "waiting for 2 of 2 GPUs, all busy\n"
        with lease(1, timeout=0) as mine:  # the failed attempt kept no half
            assert len(mine) == 1


def test_refuses_more_than_present() -> None:
    with pytest.raises(InputError, match="expected 3 GPUs, got 2: 0, 1"), lease(3):
        pass


def test_without_devices_nothing_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ROSPHERE_GPUS", "")
    with lease(1) as names:
        assert names == ()
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    assert not (tmp_path / "locks").exists()


def test_who_asks_for_none_sees_none() -> None:
    with lease(0) as names:
        assert names == ()
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


def test_locks_can_be_taken_by_every_user(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with lease(1):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "locks").stat().st_mode & 0o7777 == 0o1777
    assert (tmp_path / "locks" / "0.lock").stat().st_mode & 0o777 == 0o666
