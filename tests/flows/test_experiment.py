"""Overrides as DVC experiments: a workspace of their own, nothing of the first one touched, saved and applied again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.repo import Repo

from flows import experiment, inputs
from flows.experiment import called, workspace
from pipeline.report.history import metrics_diff
from pipeline.workspace import paths
from pipeline.workspace.environment import for_commands
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
def test_changes_come_along_whatever_git_is_told_and_byte_by_byte(in_git, setting: str) -> None:
    root = in_git.root
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


def test_large_untracked_files_are_linked_and_small_ones_copied(in_git, monkeypatch) -> None:
    root = in_git.root
    monkeypatch.setattr(inputs, "SMALL", 10)
    (root / "raw").mkdir()
    (root / "raw" / "large").write_text("more than ten bytes")
    (root / "raw" / "small").write_text("few")
    place = workspace(root, "x", ["left=3"])
    assert (place / "raw" / "large").samefile(root / "raw" / "large")
    assert not (place / "raw" / "small").samefile(root / "raw" / "small")
    assert (place / "raw" / "small").read_text() == "few"
    assert not (place / "dvc.lock").samefile(root / "dvc.lock")
    assert (place / "params.yaml").read_text() == "left: 3\n"


def dvc(root: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=root, env=for_commands(), check=True, capture_output=True, text=True).stdout


def test_inputs_that_git_ignores_come_along(in_git) -> None:
    root = in_git.root
    (root / "own" / "deep").mkdir(parents=True)
    (root / "own" / "deep" / "text.txt").write_text("mine")
    (root / ".gitignore").write_text((root / ".gitignore").read_text() + "/own/\n")
    (root / "dvc.yaml").write_text(
        (root / "dvc.yaml").read_text().replace("deps: [prepared.txt]", "deps: [prepared.txt, own]", 1)
    )
    place = workspace(root, "x", ["left=3"])
    assert (place / "own" / "deep" / "text.txt").read_text() == "mine"


def test_what_params_names_is_found_by_file_folder_and_pattern(in_git) -> None:
    root, clone = in_git.root, in_git.root / "clone"
    for path in ("a/one.txt", "a/b/two.txt", "c.txt"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    inputs.carry(root, clone, clone, ["a/**/*.txt", "c.txt", "clue/tnews", str(root / "prepared.txt")])
    assert sorted(str(path.relative_to(clone)) for path in clone.rglob("*.txt")) == [
        "a/b/two.txt",
        "a/one.txt",
        "c.txt",
    ]
    (root.parent / "outside.txt").write_text("outside")
    with pytest.raises(PlanError, match=f"^../outside.txt lies outside .*: write {root.parent}/outside.txt$"):
        inputs.carry(root, clone, clone, ["../outside.txt"])


def test_what_changed_since_it_was_added_to_dvc_is_refused_and_what_is_gone_is_gone(in_git) -> None:
    root = in_git.root
    (root / "raw").mkdir()
    (root / "raw" / "own.csv").write_text("old")
    dvc(root, "add", "raw/own.csv")
    assert (workspace(root, "x", ["left=3"]) / "raw" / "own.csv").read_text() == "old"
    (root / "raw" / "own.csv").unlink()
    assert not (workspace(root, "x", ["left=3"]) / "raw" / "own.csv").exists()
    (root / "raw" / "own.csv").write_text("new")
    with pytest.raises(PlanError, match="^raw/own.csv has changed since `dvc add`, .* `dvc add raw/own.csv` first"):
        workspace(root, "x", ["left=3"])
    dvc(root, "add", "raw/own.csv")
    assert (workspace(root, "x", ["left=3"]) / "raw" / "own.csv").read_text() == "new"


def test_settings_of_this_machine_come_along(in_git) -> None:
    root = in_git.root
    dvc(root, "remote", "add", "--local", "beside", "storage")
    dvc(root, "config", "--local", "cache.type", "hardlink,copy")
    place = workspace(root, "x", ["left=3"])
    assert dvc(place, "config", "--local", "cache.type") == "hardlink,copy\n"
    with Repo(place) as repo:
        assert repo.config["remote"]["beside"]["url"] == str(root / "storage")
    assert Path(dvc(place, "cache", "dir").strip()) == root / ".dvc" / "cache"


def test_a_folder_of_a_larger_repository(in_git, tmp_path: Path) -> None:
    root = tmp_path / "company" / "language"
    root.parent.mkdir()
    in_git.root.rename(root)
    (root / ".git").rename(root.parent / ".git")
    (root.parent / "other.txt").write_text("of others")
    git(root.parent, "add", "--all")
    git(root.parent, "commit", "--quiet", "--message", "moved")
    (root.parent / "other.txt").write_text("of others, changed")
    (root / "params.yaml").write_text("left: 2 # not committed\n")

    place = workspace(root, "five", ["left=5"])

    assert place == root / ".dvc" / "tmp" / "exps" / "five" / "language"
    assert (place.parent / "other.txt").read_text() == "of others, changed"
    assert (place / "params.yaml").read_text() == "left: 5 # not committed\n"
    assert paths.home(place) == root
    dvc(place, "repro", "--quiet")
    experiment.save(root, place, "five", discover(place))
    assert not (root / ".dvc" / "tmp" / "exps" / "five").exists()
    assert experiment.number(root, "five", "reports/a.json:size.characters") == 20
    git(root, "checkout", "--quiet", ".")
    experiment.apply(root, "five")
    assert (root / "params.yaml").read_text() == "left: 5 # not committed\n"
    (root / "reports" / "a.json").write_text('{"size": {"characters": 21}}')
    changed = metrics_diff(root)
    assert changed and changed["reports/a.json"] == {"size.characters": {"old": 20, "new": 21, "diff": 1}}


def test_a_folder_that_a_larger_repository_ignores_is_in_none(in_git, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".gitignore").write_text("/toy/\n")
    (in_git.root / ".git").rename(tmp_path / "elsewhere")
    with pytest.raises(PlanError, match="live in git: .* is no git repository"):
        workspace(in_git.root, "x", ["left=1"])
