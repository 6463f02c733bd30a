"""What the page says of the last commit, from small repositories."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.report import changes, history
from pipeline.report.changes import Change
from pipeline.report.run_data import RunData
from stages import report
from tests.pipeline.report import toy_reports
from tests.pipeline.report.toy_reports import TASKS, put, write
from tests.pipeline.report.toy_reports import report as report_of

ROOT = Path(__file__).resolve().parents[3]


def git(folder: Path, *arguments: str) -> None:
    name = ["-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *name, *arguments], cwd=folder, check=True, capture_output=True)


def workspace(folder: Path, metrics: list[str]) -> None:
    """A repository of git's and of DVC's, whose dvc.yaml knows the metrics and nothing else."""
    git(folder, "init", "-q")
    put(folder / ".dvc" / "config", (ROOT / ".dvc" / "config").read_text(encoding="utf-8"))
    put(folder / ".dvc" / ".gitignore", "/tmp\n")
    put(folder / "dvc.yaml", {"metrics": [f"reports/{name}" for name in metrics]})


@pytest.fixture
def run_data(tmp_path: Path) -> RunData:
    """Reports in a workspace of DVC's, all of them committed."""
    found = write(tmp_path / "reports")
    workspace(tmp_path, [*map(report_of, found.stages), "tasks/new.json"])
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "The <first> run")
    return found


def change(key: str, before: float, now: float, stage: str = "evaluate@sentiment") -> Change:
    return changes.change(toy_reports.DECLARED, stage, key, before, now)


@pytest.mark.parametrize(
    ("stage", "key", "before", "now", "outcome"),
    [
        ("pretrain", "dev_loss", 5.0, 4.0, "better"),
        ("pretrain_scratch", "dev_loss", 4.0, 5.0, "worse"),
        ("evaluate@sentiment", "score", 0.5, 0.6, "better"),
        ("evaluate_similarity", "table.roformer_sim.recall_at_1", 0.6, 0.5, "worse"),
        ("evaluate_vae@vmf", "bound_ppl", 700.0, 600.0, "better"),
        ("widen", "max_logit_gap.float64", 1e-14, 1e-3, "worse"),
        ("pretrain", "flops", 1e12, 2e12, "changed"),  # neither better nor worse
        ("evaluate_vae@vmf", "dev_loss", 5.0, 4.0, "changed"),  # not declared by this stage
        ("evaluate@sentiment", "baseline", 0.5, 0.6, "changed"),  # not ours
        ("evaluate_similarity", "table.TF-IDF.recall_at_1", 0.5, 0.6, "changed"),
        ("evaluate_similarity", "table.untrained mean whitened.spearman", 0.5, 0.6, "changed"),
        ("roformer_sim", "supervised.before.dev_lm", 0.5, 0.6, "changed"),
    ],
)
def test_the_direction_of_a_metric(stage: str, key: str, before: float, now: float, outcome: str) -> None:
    assert change(key, before, now, stage).outcome == outcome


def test_the_important_comes_first() -> None:
    moved = [
        change("flops", 1.0, 9.0, "pretrain"),
        change("table.roformer_sim.mrr", 0.1, 0.9, "evaluate_similarity"),
        change("dev_accuracy", 0.1, 0.9, "pretrain_wide"),
        change("dev_loss", 5.0, 4.9, "pretrain_wide"),
        change("score", 0.5, 0.9),
    ]
    ranked = [each.key for each in sorted(moved, key=lambda each: each.rank)]
    assert ranked == ["score", "dev_loss", "dev_accuracy", "table.roformer_sim.mrr", "flops"]


def test_only_numbers_are_compared() -> None:
    values = {"b": 0.5, "a": 1, "c": True, "d": "x", "e": [1, 2], "f": None}
    assert changes.numbers({key: {"old": value, "new": value} for key, value in values.items()}) == {
        "a": (1, 1),
        "b": (0.5, 0.5),
    }
    assert changes.numbers({"a": {"old": "x", "new": 2}, "b": {"old": 1, "new": None}}) == {
        "a": (None, 2),
        "b": (1, None),
    }


def test_what_moved_is_told_with_its_direction_in_words(run_data: RunData) -> None:
    put(run_data.folder / "pretrain.json", {**run_data.report("pretrain"), "dev_loss": 4.0, "flops": 5e12})
    put(
        run_data.folder / "tasks" / "sentiment.json",
        {**run_data.task("sentiment"), "score": 0.45, "dev_rows": 50, "extra": 1},
    )
    found = changes.compared(run_data)
    assert found is not None
    assert (found.new, found.gone) == (1, 0) and found.same > 50
    assert changes.table(found.moved).rows == [
        ("▼ worse", "evaluate@sentiment", "score", "0.9", "0.45", "-50.0%"),
        ("▲ better", "pretrain", "dev loss", "5", "4", "-20.0%"),
        ("◆ changed", "pretrain", "flops", "4e+12", "5e+12", "+25.0%"),
    ]
    page = "".join(changes.section(run_data, {}))
    counts = f"1 better, 1 worse, 1 changed without a better or worse, {found.same} the same, 1 new."
    assert counts in page and "“The &lt;first&gt; run”" in page
    assert '<td class="worse">▼ worse</td>' in page and '<td class="better">▲ better</td>' in page


def test_from_zero_there_is_no_percentage() -> None:
    assert changes.table([change("score", 0.0, 0.5)]).rows[0][-1] == "from zero"
    assert changes.table([change("loss_gap", -2.0, -1.0)]).rows[0][-1] == "+50.0%"


def test_a_long_list_is_folded(run_data: RunData) -> None:
    vmf = {key: value + 1 for key, value in run_data.vae("vmf").items()}
    put(run_data.folder / "evaluate_vae" / "vmf.json", vmf)
    assert len(vmf) > changes.SHOWN
    page = "".join(changes.section(run_data, {}))
    assert f"<summary>the other {len(vmf) - changes.SHOWN} changes</summary>" in page


def test_nothing_changed_is_one_sentence(run_data: RunData) -> None:
    (said,) = changes.section(run_data, {})
    assert "numbers is as in commit" in said


def test_a_new_task_is_new_and_a_broken_commit_no_reason_to_fail(run_data: RunData) -> None:
    put(run_data.folder / "widen.json", "{")
    git(run_data.folder, "commit", "-qam", "broken")
    put(run_data.folder / "widen.json", {"max_logit_gap": {"float64": 0.0}})
    put(run_data.folder / "tasks" / "new.json", run_data.task("sentiment"))
    more = toy_reports.run_data(run_data.folder, tasks=[*TASKS, "new"])
    found = changes.compared(more)
    assert found is not None and not found.moved and not found.new


def test_without_git_or_without_reports_in_it_one_sentence_says_so(tmp_path: Path) -> None:
    run_data = write(tmp_path / "reports")
    if history.last(tmp_path) is None:  # else the temporary folder itself lies in a repository
        assert changes.section(run_data, {}) == [
            '<p class="note">There is no git history here, so nothing is compared.</p>'
        ]
        assert report.origin(run_data) == "Written outside a git repository."
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "empty")
    (said,) = changes.section(run_data, {})
    assert "DVC finds no reports in the last commit" in said
    assert report.origin(run_data).startswith("Written at commit ")


def test_a_machine_without_git(run_data: RunData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert history.last(run_data.folder) is None


def test_what_was_committed_is_read_from_the_commit(run_data: RunData) -> None:
    put(run_data.folder / "widen.json", {"logit_std": 2.5, "added": 1})
    found = history.metrics_diff(run_data.folder)
    assert found is not None
    assert found["widen.json"]["logit_std"] == {"old": 1.5, "new": 2.5, "diff": 1.0}
    assert found["widen.json"]["added"] == {"old": None, "new": 1}
    assert found["widen.json"]["copies_distance"] == {"old": 0.25, "new": None}


def test_it_can_be_asked_from_within_a_stage(run_data: RunData) -> None:
    """`dvc repro` holds no lock while a stage runs that `dvc metrics diff` waits for."""
    asked = (
        "from pathlib import Path; from pipeline.report import history; print(history.metrics_diff(Path('reports')))"
    )
    root = run_data.folder.parent
    put(root / "asked.py", asked)
    known = json.loads((root / "dvc.yaml").read_text())
    stages = {
        "ask": {"cmd": f"{sys.executable} asked.py > said.txt", "deps": ["reports/widen.json"], "outs": ["said.txt"]}
    }
    put(root / "dvc.yaml", {**known, "stages": stages})
    put(run_data.folder / "widen.json", {"logit_std": 2.5})
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "-m", "dvc", "repro"], cwd=root, env=environment, check=True, capture_output=True, timeout=120
    )
    assert "'logit_std': {'old': 1.5, 'new': 2.5, 'diff': 1.0}" in (root / "said.txt").read_text()
