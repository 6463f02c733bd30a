"""A task that is added, or set otherwise, makes its own evaluation stale, and the page: no model is trained again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import copied, dvc, environment
from tests.shrink import shrink
from tests.stages.test_dag import stale

pytestmark = pytest.mark.integration

# Something in the place of every output that is not there: what is recorded of it is all that matters here.
PRETEND = """
from pathlib import Path
from dvc.repo import Repo
with Repo(".") as repo:
    outs = [Path(out.fs_path) for stage in repo.index.stages for out in stage.outs]
for path in outs:
    if not path.exists():
        file = path if path.suffix else path / "made.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("made")
with Repo(".") as repo:
    repo.commit(force=True)
"""


OVERRIDES = "  tasks: {}\n  schedule: {learning_rate: 5e-4"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All stages up to date, of which prepare alone has run."""
    folder = copied(tmp_path_factory.mktemp("added") / "project")
    shrink(folder / "params.yaml")
    dvc(folder, "init", "--no-scm", "-q")
    done = dvc(folder, "repro", "prepare")
    assert done.returncode == 0, done.stdout + done.stderr
    made = subprocess.run(
        [sys.executable, "-c", PRETEND], cwd=folder, env=environment(), capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    assert stale(folder) == set()
    return folder


def changed(folder: Path, *changes: tuple[str, str]) -> None:
    path = folder / "params.yaml"
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def prepared(folder: Path) -> None:
    done = dvc(folder, "repro", "-s", "prepare")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_task_is_added(workspace: Path) -> None:
    rows = [f"第{n}路公交车{'晚点了' if n % 2 else '准时到站'},{n % 2}" for n in range(60)]
    (workspace / "buses.csv").write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    own = "tasks: {buses: {kind: classification, files: buses.csv, dev_share: 0.2}}"
    changed(
        workspace,
        ("tasks: [sentiment, entities, faq]", "tasks: [sentiment, entities, faq, buses]"),
        ("  tasks: {}  # of your own", f"  {own}  # of your own"),
        (OVERRIDES, OVERRIDES.replace("{}", "{buses: {epochs: 7}}")),
    )
    assert stale(workspace) == {"prepare", "evaluate@buses", "report"}
    prepared(workspace)
    assert stale(workspace) == {"evaluate@buses", "report"}
    task = json.loads((workspace / "data/tasks/buses/task.json").read_text(encoding="utf-8"))
    assert task["own"] is True and task["settings"] == {"epochs": 7}
    assert task["declared"]["labels"] == ["0", "1"]


def test_a_task_is_set_otherwise(workspace: Path) -> None:
    before = stale(workspace)
    changed(workspace, ("  tasks: {buses: {epochs: 7}}", "  tasks: {buses: {epochs: 7}, faq: {minimum_steps: 40}}"))
    assert stale(workspace) - before == {"prepare"}
    prepared(workspace)
    assert stale(workspace) - before == {"evaluate@faq"}


def test_another_row_of_a_task_makes_no_other_stale(workspace: Path) -> None:
    before = stale(workspace)
    with (workspace / "buses.csv").open("a", encoding="utf-8") as file:
        file.write("\n第八十路公交车停运了,1")
    check = subprocess.run(
        [sys.executable, "-m", "pipeline.run.check"], cwd=workspace, env=environment(), capture_output=True, text=True
    )
    assert check.returncode == 0, check.stderr
    assert stale(workspace) - before == {"prepare"}
    prepared(workspace)
    assert stale(workspace) == before
