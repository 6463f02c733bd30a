"""Whoever takes the workspace finds DVC able to work in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.workspace import lock, paths


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
