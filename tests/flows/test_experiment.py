"""Overrides as DVC experiments: a workspace of their own, nothing of the first one touched, saved and applied again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows import experiment
from flows.experiment import called, workspace
from pipeline.workspace.graph import PlanError, discover
from pipeline.workspace.lock import alone

pytestmark = pytest.mark.integration


def git(root: Path, *arguments: str) -> str:
    me = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")
    return subprocess.run(["git", *me, *arguments], cwd=root, check=True, capture_output=True, text=True).stdout


def stages(server) -> dict[str, str]:
    """What the newest run did, by stage."""
    body = {"artifacts": {"key": {"any_": ["stages"]}}, "sort": "CREATED_DESC", "limit": 1}
    return {row["stage"]: row["how"] for row in json.loads(server.post("/artifacts/filter", body)[0]["data"])}


def test_a_name_tells_the_overrides() -> None:
    assert called([]) is None
    assert called(["left=1"], "mine") == "mine"
    assert called(["vmf_vae.kappa=50"]).startswith("kappa50-")
    assert called(["a.b=1", "c=[2, 3]"]).startswith("b1-c-2-3-")
    assert called(["a=1", "b=2"])[-6:] == called(["b=2", "a=1"])[-6:] != called(["a=1", "b=3"])[-6:]


def test_an_experiment_leaves_the_workspace_alone(kept_toy, prefect_server) -> None:
    root = kept_toy.root
    (root / "work.py").write_text(kept_toy.root.joinpath("work.py").read_text() + "# not committed\n")
    before = {path: path.read_bytes() for path in (root / "params.yaml", root / "total.txt", root / "dvc.lock")}

    code, output = kept_toy.run("-S", "left=5", "--name", "five")

    assert code == 0, output
    assert {path: path.read_bytes() for path in before} == before
    assert kept_toy.started() == []
    assert stages(prefect_server) == {"left": "ran", "total": "unchanged"}
    assert not (root / ".dvc" / "tmp" / "exps" / "five").exists()

    show = [sys.executable, "-m", "dvc", "exp", "show", "--json"]
    shown = json.loads(subprocess.run(show, cwd=root, capture_output=True, text=True, check=True).stdout)
    found = [exp for rev in shown for exp in rev.get("experiments") or []]
    assert [exp["name"] for exp in found] == ["five"]
    data = found[0]["revs"][-1]["data"]
    assert data["params"]["params.yaml"]["data"] == {"left": 5}
    assert data["metrics"]["reports/a.json"]["data"] == {"size": {"characters": 20}}
    assert git(
        root,
        "show",
        "refs/exps/"
        + git(root, "rev-parse", "HEAD")[:2]
        + "/"
        + git(root, "rev-parse", "HEAD")[2:].strip()
        + "/five:work.py",
    ).endswith("# not committed\n")


@pytest.mark.parametrize("setting", ["diff.noprefix=true", "diff.external=/bin/false", "color.ui=always"])
def test_changes_come_along_whatever_git_is_told_and_byte_by_byte(kept_toy, setting: str) -> None:
    root = kept_toy.root
    git(root, "config", *setting.split("="))
    changed = b"left: 1\r\n# \xff not UTF-8\r\n"
    (root / "source.txt").write_bytes(changed)
    place = workspace(root, "mine", ["left=5"])
    assert (place / "source.txt").read_bytes() == changed


def test_a_machine_where_git_knows_nobody_and_a_hook_of_git(kept_toy, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(key, os.devnull)
    monkeypatch.setenv("HOME", str(kept_toy.root / "nowhere"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(kept_toy.root / "nowhere"))
    monkeypatch.setenv("GIT_DIR", str(kept_toy.root / ".git"))
    code, output = kept_toy.run("-S", "left=5", "--name", "five", "left")
    assert code == 0, output
    assert "/five" in git(kept_toy.root, "for-each-ref", "refs/exps")
    experiment.apply(kept_toy.root, "five")
    assert (kept_toy.root / "params.yaml").read_text() == "left: 5\n"
    assert "user" not in (kept_toy.root / ".git" / "config").read_text()


def test_what_was_not_asked_for_stays_stale(kept_toy) -> None:
    root = kept_toy.root
    work = (root / "work.py").read_text()
    (root / "work.py").write_text(
        work + 'if name == "left":\n    pathlib.Path(target).write_text(open("params.yaml").read())\n'
    )
    code, output = kept_toy.run("-S", "left=6", "--name", "part", "left")
    assert code == 0, output
    experiment.apply(root, "part")
    assert {stage.name for stage in discover(root).stages if stage.changed} == {"total"}


def test_what_an_experiment_finished_before_it_failed_is_not_run_again(kept_toy, prefect_server) -> None:
    (kept_toy.root / "source.txt").write_text("other source")
    kept_toy.tell("fail-left")
    code, output = kept_toy.run("-S", "left=7")
    assert code == 1 and "failed: left; not run: total" in output

    (kept_toy.root / "fail-left").unlink()
    code, output = kept_toy.run("-S", "left=7")
    assert code == 0, output
    found = stages(prefect_server)
    assert found["left"] == "ran" and found["prepare"] == found["score@a"] == "run-cache"


def test_two_experiments_at_once(kept_toy) -> None:
    with kept_toy.start("-S", "left=8") as one, kept_toy.start("-S", "left=9") as two:
        said = [one.communicate(timeout=240)[0], two.communicate(timeout=240)[0]]
    assert [one.returncode, two.returncode] == [0, 0], said
    assert len(git(kept_toy.root, "for-each-ref", "refs/exps").split("\n")) == 3  # two and a last newline


def test_refusals(kept_toy, toy, tmp_path) -> None:
    root = kept_toy.root
    with pytest.raises(PlanError, match="Could not override 'right'"):
        workspace(root, "x", ["right=1"])
    with pytest.raises(PlanError, match="that git takes for a branch, got 'a b'"):
        workspace(root, "a b", ["left=1"])
    with alone(root, "x"):
        code, output = kept_toy.run("-S", "left=1", "--name", "x")
    assert code == 1
    assert f"another pipeline run (process {os.getpid()}) is working on the experiment x of {root}" in output


def test_without_git_there_is_no_experiment(toy) -> None:
    with pytest.raises(PlanError, match="live in git: .* is no git repository"):
        workspace(toy.root, "x", ["left=1"])


def test_large_untracked_files_are_linked_and_small_ones_copied(kept_toy, monkeypatch) -> None:
    root = kept_toy.root
    monkeypatch.setattr(experiment, "SMALL", 10)
    (root / "raw").mkdir()
    (root / "raw" / "large").write_text("more than ten bytes")
    (root / "raw" / "small").write_text("few")
    place = workspace(root, "x", ["left=3"])
    assert (place / "raw" / "large").samefile(root / "raw" / "large")
    assert not (place / "raw" / "small").samefile(root / "raw" / "small")
    assert (place / "raw" / "small").read_text() == "few"
    assert not (place / "dvc.lock").samefile(root / "dvc.lock")
    assert (place / "params.yaml").read_text() == "left: 3\n"
