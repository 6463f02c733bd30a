"""What DVC emptied for a stage that failed or was stopped comes back, from `make repro` and from a flow alike."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.workspace import outputs
from pipeline.workspace.environment import for_commands
from pipeline.workspace.graph import PlanError, discover
from pipeline.workspace.outputs import Kept

pytestmark = pytest.mark.integration

BACKGROUND = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")  # of what a script starts with & Ctrl-C is ignored
MADE = ("prepared.txt", "left.txt", "score_a.txt", "reports/a.json", "total.txt")


def made(root: Path) -> dict[str, str]:
    return {path: (root / path).read_text() for path in MADE}


@pytest.fixture
def finished(toy):
    """The toy, up to date, with a source that has changed since: everything is stale and will be emptied."""
    repro_whole(toy)
    toy.started()
    (toy.root / "source.txt").write_text("other source")
    return toy


def repro_whole(toy) -> None:
    with repro(toy) as run:
        output, _ = run.communicate(timeout=120)
    assert run.returncode == 0, output


def repro(toy, *by: str) -> subprocess.Popen[str]:
    dvc = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro"]
    return toy.start(*dvc, module="pipeline.workspace.outputs", by=by)


def test_a_stage_that_fails_leaves_what_it_had_made(finished) -> None:
    before = made(finished.root)
    finished.tell("fail-score@a")
    with repro(finished) as run:
        output, _ = run.communicate(timeout=120)
    assert run.returncode == 255, output
    assert output.endswith("\nas they were before: the outputs of score@a\n")
    after = made(finished.root)
    assert after == before | {path: after[path] for path in ("prepared.txt", "left.txt")}
    assert after["prepared.txt"] == "other sourceprepare", "what has ended stays"


@pytest.mark.parametrize(
    ("by", "stop"),
    [
        ((), lambda run: os.kill(run.pid, signal.SIGTERM)),
        (BACKGROUND, lambda run: os.kill(run.pid, signal.SIGTERM)),
        ((), lambda run: os.killpg(run.pid, signal.SIGINT)),
        ((), lambda run: os.killpg(run.pid, signal.SIGHUP)),
    ],
    ids=["terminate", "terminate a background job", "ctrl-c", "hangup"],
)
def test_a_stage_that_is_stopped_leaves_what_it_had_made(finished, eventually, by, stop) -> None:
    before = made(finished.root)
    finished.tell("hang-prepare")
    (finished.root / "pid-prepare").unlink()
    with repro(finished, *by) as run:
        eventually((finished.root / "pid-prepare").exists, "the stage runs")
        assert not (finished.root / "prepared.txt").exists()
        stop(run)
        output, _ = run.communicate(timeout=120)
    assert run.returncode != 0
    assert "as they were before: the outputs of prepare\n" in output
    assert made(finished.root) == before


def test_what_a_failed_stage_half_made_gives_way_and_what_is_whole_stays(finished) -> None:
    root = finished.root
    before = made(root)
    kept = Kept(root, discover(root))
    (root / "score_a.txt").write_text("half")
    (root / "reports/a.json").unlink()
    (root / "left.txt").write_text("whole, but its dvc could not say so")
    assert kept.restore() == ["score@a"]
    assert made(root) == before | {"left.txt": "whole, but its dvc could not say so"}


def test_a_full_disk_keeps_a_run_from_beginning_and_costs_one_output_not_the_others(
    finished, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root, before = finished.root, made(finished.root)
    graph = discover(root)
    kept = Kept(root, graph)
    for name in ("score_a.txt", "score_b.txt", "reports/a.json", "reports/b.json"):
        (root / name).unlink()

    def full(source: Path, target: Path) -> None:
        if target.name != "b.json":
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        copy(source, target)

    copy = outputs._copy
    monkeypatch.setattr(outputs, "_copy", full)
    assert kept.restore() == ["score@a", "score@b"]
    assert "reports/a.json could not be brought back from " in capsys.readouterr().err
    assert (root / "score_a.txt").read_text() == before["score_a.txt"] and (root / "reports/b.json").is_file()
    (root / "reports/a.json").write_text("{}")
    with pytest.raises(PlanError, match=r"what DVC may empty cannot be copied to .*kept: .*No space left"):
        Kept(root, graph)


def test_outputs_that_are_not_in_the_cache_are_no_good_end(finished) -> None:
    """As `dvc repro` ends where its cache has no room: it says so, and yet ends well."""
    full = "python -m dvc repro --quiet && find .dvc/cache/files -type f -delete"
    command = [sys.executable, "-m", "pipeline.workspace.outputs", "sh", "-c", full]
    done = subprocess.run(command, cwd=finished.root, env=for_commands(), capture_output=True, text=True)
    assert done.returncode == 1
    assert "not in DVC's cache: left.txt, prepared.txt, score_a.txt; make room" in done.stderr
    assert made(finished.root)["total.txt"].startswith("other source")


def test_what_no_stage_of_this_run_has_made_may_lack_in_the_cache(toy) -> None:
    """A file under `dvc add` whose object is gone, and outputs of stages that were not asked for."""
    repro_whole(toy)
    root, env = toy.root, for_commands()
    (root / "extra.bin").write_text("extra")
    subprocess.run([sys.executable, "-m", "dvc", "add", "--quiet", "extra.bin"], cwd=root, env=env, check=True)
    for file in (root / ".dvc/cache/files").rglob("*"):
        if file.is_file():
            file.unlink()
    command = [sys.executable, "-m", "pipeline.workspace.outputs", sys.executable, "-m", "dvc", "repro", "left"]
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "not in DVC's cache since before this run: extra.bin, score_a.txt, score_b.txt; `dvc commit" in done.stderr


def test_a_flow_that_fails_leaves_what_its_stages_had_made(served_toy) -> None:
    toy = served_toy
    repro_whole(toy)
    before = made(toy.root)
    (toy.root / "params.yaml").write_text("left: 2\n")
    toy.tell("fail-left")
    code, output = toy.run()
    assert code == 1 and "\nfailed: left; not run: total\n" in output
    assert "as they were before: the outputs of left\n" in output
    assert made(toy.root) == before
