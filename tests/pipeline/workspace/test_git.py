"""What git says of a workspace, and nothing where it says nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pipeline.workspace import dvc_yaml, git


def test_no_repository_no_git_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert git.head(tmp_path) is None and not git.dirty(tmp_path)
    assert git.ask(tmp_path, "version") is not None
    assert git.ask(tmp_path, "version", around={"PATH": str(tmp_path)}) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git.ask(tmp_path, "version") is None


def test_commit_and_changes(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    assert git.head(tmp_path) is None
    (tmp_path / "file").write_text("one")
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    me = ("-c", "user.name=n", "-c", "user.email=n@localhost")
    subprocess.run(["git", *me, "commit", "--quiet", "--message", "one"], cwd=tmp_path, check=True)
    head = git.head(tmp_path)
    assert head is not None and len(head) == 40 and not git.dirty(tmp_path)
    (tmp_path / "new").write_text("not tracked")
    assert not git.dirty(tmp_path)
    (tmp_path / "file").write_text("two")
    assert git.dirty(tmp_path)
    (tmp_path / "project").mkdir()
    assert not git.dirty(tmp_path / "project"), "a folder of a larger repository"


def test_what_the_pipeline_makes_is_no_change_of_sources(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  one:\n    metrics: [reports/one.json: {cache: false}]\n    outs: [models/one]\n"
        "  each:\n    matrix: {task: [a]}\n    outs: ['out/${item.task}.d']\n"
    )
    made = ["reports/one.json", "models/one/weights", "out/a.d/deep/file", "dvc.lock"]
    for path in (*made, "src.py", "reports/other.json"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("one")
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    me = ("-c", "user.name=n", "-c", "user.email=n@localhost")
    subprocess.run(["git", *me, "commit", "--quiet", "--message", "one"], cwd=tmp_path, check=True)
    for path in made:
        (tmp_path / path).unlink()
    assert git.dirty(tmp_path) and not git.dirty(tmp_path, dvc_yaml.made(tmp_path))
    for path in ("src.py", "reports/other.json"):
        (tmp_path / path).write_text("two")
        assert git.dirty(tmp_path, dvc_yaml.made(tmp_path))
        (tmp_path / path).write_text("one")
