"""Whoever takes the workspace finds DVC able to work in it."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import threading
from pathlib import Path

import pytest

from pipeline.workspace import lock, paths
from pipeline.workspace.graph import PlanError


@pytest.mark.parametrize("cut_off", ["", '{"write": {"/w/mod'])
def test_notes_of_dvc_that_were_cut_off_are_deleted(tmp_path: Path, cut_off: str, monkeypatch) -> None:
    monkeypatch.setattr(lock, "MOMENT", 0.0)
    notes = paths.dvc_notes(tmp_path)
    notes.parent.mkdir(parents=True)
    notes.write_text(cut_off)
    with lock.alone(tmp_path):
        assert not notes.exists()


def test_whole_notes_stay_and_those_that_are_being_written_too(tmp_path: Path, monkeypatch) -> None:
    notes = paths.dvc_notes(tmp_path)
    notes.parent.mkdir(parents=True)
    notes.write_text("{}")
    with lock.alone(tmp_path):
        assert notes.read_text() == "{}"
    notes.write_text("")
    monkeypatch.setattr("pipeline.workspace.lock.time.sleep", lambda _: notes.write_text("{}") and None)
    with lock.alone(tmp_path):
        assert notes.read_text() == "{}"


def test_one_who_has_patience_gets_it_when_it_is_free(tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with lock.alone(tmp_path):
            entered.set()
            leave.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    assert entered.wait(60)
    with pytest.raises(PlanError, match="another pipeline run"), lock.alone(tmp_path):
        pass
    with pytest.raises(PlanError, match="another pipeline run"), lock.alone(tmp_path, patience=0.3):
        pass
    threading.Timer(0.3, leave.set).start()
    with lock.alone(tmp_path, patience=60):
        assert leave.is_set()
    holder.join()


def test_dead_processes_leave_the_notes_of_dvc_and_living_ones_stay(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    notes, me, dead = paths.dvc_notes(tmp_path), {"pid": os.getpid(), "cmd": "dvc"}, {"pid": gone.pid, "cmd": "dvc"}
    notes.parent.mkdir(parents=True)
    before = {"write": {"a": dead, "b": me}, "read": {"c": [dead], "d": [dead, me]}}
    notes.write_text(json.dumps(before))
    with (tmp_path / ".dvc" / "tmp" / "rwlock.lock").open("w") as guard:  # a `dvc` that writes there just now
        fcntl.flock(guard, fcntl.LOCK_EX)
        with lock.alone(tmp_path):
            assert json.loads(notes.read_text()) == before
    with lock.alone(tmp_path):
        assert json.loads(notes.read_text()) == {"write": {"b": me}, "read": {"d": [me]}}
