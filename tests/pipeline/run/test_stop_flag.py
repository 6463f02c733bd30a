"""A stop that came too late for its stage: whom it stops, and what becomes of flags that nobody waits for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.run import stop_flag
from pipeline.run.identity import identify
from pipeline.run.signals import Stopped
from pipeline.workspace import paths


def test_the_next_stage_of_the_group_is_stopped_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    identity = identify(tmp_path, "train")
    stop_flag.put(identity)
    with pytest.raises(Stopped):
        stop_flag.check(identity)
    assert capsys.readouterr().err == "train: not begun, train was told to stop\n"
    stop_flag.check(identity)


def test_flags_of_groups_that_are_gone_are_taken_away(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    identity = identify(tmp_path, "train")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as other:
        theirs = paths.stop_flag(identity.home, other.pid)
        theirs.parent.mkdir(parents=True, exist_ok=True)
        theirs.write_text("widen\n")
        stop_flag.check(identity)
        assert theirs.is_file(), "its group has a process"
        assert other.stdin is not None
        other.stdin.close()
        other.wait()
    stop_flag.check(identity)
    assert not theirs.exists() and os.getpgrp() != other.pid
