"""Undelivered run logs of older versions, in `.run/spool`: moved once nobody writes them, and then delivered."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pipeline.run.identity import Identity
from pipeline.tracking import former_folder, recording, run_log, uploader
from pipeline.tracking.run_log import RunLog
from pipeline.workspace import paths


def left_behind(home: Path, name: str, *, ended: bool, pid: int = 0) -> RunLog:
    """The run log of this process, or of `pid`, as an older version left it."""
    log = RunLog(home / ".run" / "spool" / name)
    log.write("start", tags={"host": socket.gethostname(), "pid": str(pid or os.getpid())})
    if ended:
        log.write("end", status="FINISHED")
    return log


def test_what_nobody_writes_or_delivers_is_moved(tmp_path: Path) -> None:
    for name, ended in (("ended", True), ("living", False), ("delivered", True)):
        left_behind(tmp_path, name, ended=ended)
    (tmp_path / ".run/spool/broken").mkdir()
    (tmp_path / ".run/spool/broken/events.jsonl").write_text("no JSON\n")
    with run_log.delivering(tmp_path / ".run/spool/delivered"):
        former_folder.move(tmp_path)
    assert sorted(path.name for path in paths.run_logs(tmp_path).iterdir()) == ["broken", "ended"]
    assert sorted(path.name for path in (tmp_path / ".run/spool").iterdir()) == ["delivered", "living"]


def test_the_empty_folder_goes_and_none_is_no_error(tmp_path: Path) -> None:
    left_behind(tmp_path, "ended", ended=True)
    for _ in range(2):
        former_folder.move(tmp_path)
        assert not (tmp_path / ".run/spool").exists()
    assert (paths.run_logs(tmp_path) / "ended" / run_log.EVENTS).is_file()


def test_a_stage_moves_them_when_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left_behind(tmp_path, "ended", ended=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROSPHERE_UPLOADER", "0")
    monkeypatch.delenv("ROSPHERE_TRACKING", raising=False)
    with recording.tracked(identity(tmp_path), ()):
        pass
    assert len(list(paths.run_logs(tmp_path).glob("*/events.jsonl"))) == 2
    assert (paths.run_logs(tmp_path) / "ended").is_dir()


@pytest.mark.integration
def test_sync_delivers_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name, value in uploader.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    log = RunLog(tmp_path / ".run" / "spool" / "old")
    log.write("start", **recording._introduction(identity(tmp_path), (), {}))
    log.write("metrics", step=1, values={"loss": 0.5})
    log.write("end", status="FINISHED")
    assert uploader.sync(tmp_path) == 0
    assert "old: delivered" in capsys.readouterr().out
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    [experiment] = [each for each in client.search_experiments() if each.name == "rosphere"]
    [run] = client.search_runs([experiment.experiment_id], "tags.role = 'stage'")
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"loss": 0.5})
    assert not list((tmp_path / ".run").glob("*/old"))


def identity(home: Path) -> Identity:
    return Identity(
        name="train",
        home=home,
        stage_fp="former",
        pipeline_fp="former",
        params={},
        pipeline_params={},
        deps={},
        upstream_metrics={},
        gpus=0,
    )
