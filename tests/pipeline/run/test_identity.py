"""The identity of a stage while dvc.lock or params.yaml is being written."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline.run import identity
from pipeline.run.identity import identify
from pipeline.workspace.yaml_file import ConfigError

# DVC's own, as soon as a stage exists
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")
BROKEN = "schema: '2.0'\nstages:\n  other:\n    cm"  # as DVC leaves it for a moment


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / "dvc.yaml").write_text("stages:\n  train: {cmd: train, deps: [raw.txt]}\n")
    (tmp_path / "raw.txt").write_text("raw")
    monkeypatch.chdir(tmp_path)  # as a stage does before it asks
    return tmp_path


def test_a_lock_file_that_is_being_written_is_read_again(root: Path) -> None:
    whole = identify(root, "train")
    (root / "dvc.lock").write_text(BROKEN)
    writer = threading.Timer(1.0, lambda: (root / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n"))
    writer.start()
    assert identify(root, "train") == whole
    writer.join()


def test_params_that_are_being_written_are_read_again(root: Path) -> None:
    (root / "dvc.yaml").write_text("stages:\n  train: {cmd: train, deps: [raw.txt], params: [seed, train.steps]}\n")
    (root / "params.yaml").write_text("seed: 1\ntrain: {steps: 2}\n")
    whole = identify(root, "train")
    assert whole.params == {"seed": 1, "train.steps": 2}
    (root / "params.yaml").write_text("")  # as an editor leaves it for a moment
    writer = threading.Timer(1.0, lambda: (root / "params.yaml").write_text("seed: 1\ntrain: {steps: 2}\n"))
    writer.start()
    assert identify(root, "train") == whole
    writer.join()


def test_a_parameter_that_stays_away_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "LOCK_SECONDS", 0.1)
    (root / "dvc.yaml").write_text("stages:\n  train: {cmd: train, deps: [raw.txt], params: [seed, train.steps]}\n")
    (root / "params.yaml").write_text("seed: 1\n")
    with pytest.raises(ConfigError, match=r"^params.yaml: expected train.steps, which stage train reads$"):
        identify(root, "train")


def test_without_dvc_other_data_is_another_stage(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "find_spec", lambda name: None)
    (root / "dvc.yaml").write_text("stages:\n  train: {cmd: c, deps: [src.py, data/corpus, 'data/${item.task}']}\n")
    (root / "data" / "corpus").mkdir(parents=True)
    (root / "data" / "corpus" / "shard").write_text("one")
    before = identify(root, "train").stage_fp
    assert identify(root, "train").stage_fp == before
    (root / "data" / "corpus" / "shard").write_text("two")
    assert identify(root, "train").stage_fp != before
    (root / "data" / "tnews").write_text("rows")
    assert set(identity.read_by(root, "train@tnews")) == {"data/corpus", "data/tnews"}


def test_without_dvc_the_fingerprint_of_the_same_stage_is_always_the_same(tmp_path: Path) -> None:
    """Recorded once: a checkpoint of an earlier version of this code is found again."""
    (tmp_path / "dvc.yaml").write_text(
        "stages: {train: {matrix: {task: [a]}, cmd: c, deps: ['data/${item.task}'], meta: {resources: {gpu: 1}}}}\n"
    )
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_text("rows")
    found = identify(tmp_path, "train@a")
    assert found.stage_fp == "1c8dbdff0b1c84cc757a71d0b3553f580220ca7d465cd2d28d7d84c9a159c369"
    assert found.pipeline_fp == "392a839a7e5d654c5720b50b31b812f94e2ec5a0c89de9eba9dbc5d914194d0a"
    assert found.gpus == 1


def test_one_that_stays_broken_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "LOCK_SECONDS", 0.5)
    (root / "dvc.lock").write_text(BROKEN)
    with pytest.raises(ConfigError, match=r"DVC cannot tell what stage train is made from: .*dvc\.lock"):
        identify(root, "train")
