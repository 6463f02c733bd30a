"""Where a workspace begins, and what its parts call the same place."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.workspace import paths
from pipeline.workspace.paths import workspace


def test_the_workspace_is_found_from_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / ".dvc/tmp/exps/tmpabc/sub"
    (copy / ".dvc").mkdir(parents=True)
    (copy / "data").mkdir()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert workspace(copy / "data") == copy
    assert paths.home(copy) == tmp_path
    assert workspace(tmp_path / "data") == tmp_path == paths.home(tmp_path)
    (tmp_path / ".dvc").rename(tmp_path / "other")
    assert workspace(tmp_path / "data") == tmp_path / "data"


def test_an_experiment_s_clone_keeps_its_state_at_home(tmp_path: Path) -> None:
    clone = paths.experiment(tmp_path, "kappa50-c0ffee")
    assert paths.checkpoints(paths.home(clone)) == tmp_path / ".run" / "ckpt"
    assert paths.run_logs(paths.home(clone)) == tmp_path / ".run" / "run_logs"


def test_an_experiment_has_a_lock_of_its_own(tmp_path: Path) -> None:
    assert paths.pipeline_lock(tmp_path) == tmp_path / ".run" / "pipeline.lock"
    assert paths.pipeline_lock(tmp_path, "five") == tmp_path / ".run" / "experiment-five.lock"
