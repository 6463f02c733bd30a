"""A stage is added in three places: its script, its section of params.yaml, its entry of dvc.yaml."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.report import toy_reports
from tests.project import copied, environment

pytestmark = pytest.mark.integration

SCRIPT = '''"""rerank: the first answers of the encoder in a better order."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.run import runner
from pipeline.run.settings import at_least
from pipeline.workspace.declaration import Declaration, Lines, Metric, Rival


@dataclass(frozen=True, kw_only=True)
class Rerank:
    depth: int

    def __post_init__(self) -> None:
        at_least(self, depth=1)


DECLARATION = Declaration(
    title="Reranking",
    settings=Rerank,
    metrics=(
        Metric(
            key="mrr",
            label="MRR after reranking",
            better="higher",
            headline="answers in a better order (MRR)",
            rivals=(Rival(key="before", name="the order of the encoder"),),
        ),
        Metric(key="depth", label="answers looked at"),
    ),
    figures=(Lines(name="rerank", title="Reranking", x="step", y="loss", x_label="step", y_label="loss, nats"),),
    others=("before",),
)


def main() -> None:
    with runner.stage("rerank") as job:
        settings = job.section(Rerank)
        job.curve([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}])
        job.report({"mrr": 0.5 + 0.01 * settings.depth, "before": 0.5, "depth": settings.depth})


if __name__ == "__main__":
    main()
'''
ENTRY = """
  rerank:
    desc: the first answers in a better order
    cmd: exec python -m stages.rerank
    deps: [stages/rerank.py]
    params: [rerank]
    metrics: [reports/rerank.json: {cache: false}, reports/speed/rerank.json: {cache: false}]
    plots: [reports/curves/rerank.csv: {cache: false, x: step, y: loss}]

plots:
"""


def run(folder: Path, *command: str) -> str:
    env = {**environment(), "PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def git(folder: Path, *arguments: str) -> None:
    run(folder, "git", "-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "commit.gpgsign=false", *arguments)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with a stage `rerank`, and reports of all the others as if these had run."""
    folder = copied(tmp_path_factory.mktemp("new") / "project")
    (folder / "stages" / "rerank.py").write_text(SCRIPT, encoding="utf-8")
    params, graph = folder / "params.yaml", folder / "dvc.yaml"
    given = params.read_text(encoding="utf-8").replace("tasks: [sentiment, entities, faq]", "tasks: [sentiment]")
    given = given.replace(", gaussian_free_bits, vmf_fresh]", "]")  # as the reports that stand for those stages
    params.write_text(given + "\nrerank:\n  depth: 10\n", encoding="utf-8")
    graph.write_text(graph.read_text(encoding="utf-8").replace("\nplots:\n", ENTRY, 1), encoding="utf-8")
    toy_reports.write(folder / "reports")
    git(folder, "init", "-q")
    run(folder, sys.executable, "-m", "dvc", "init", "-q")
    return folder


def test_it_is_checked_and_completed_by_editors(project: Path) -> None:
    run(project, sys.executable, "-m", "pipeline.run.check", "--part")
    run(project, sys.executable, "-m", "pipeline.run.schema")
    schema = json.loads((project / "params.schema.json").read_text(encoding="utf-8"))
    assert "rerank" in schema["required"] and "depth" in schema["$defs"]["Rerank"]["properties"]
    params = project / "params.yaml"
    before = params.read_text(encoding="utf-8")
    params.write_text(before.replace("depth: 10", "depth: 0"), encoding="utf-8")
    with pytest.raises(AssertionError, match="params.yaml: rerank: depth: expected 1 or more, got 0"):
        run(project, sys.executable, "-m", "pipeline.run.check", "--part")
    params.write_text(before, encoding="utf-8")


def test_dvc_runs_it_and_the_page_the_comparisons_and_the_changes_show_it(project: Path) -> None:
    run(project, sys.executable, "-m", "dvc", "repro", "-q", "-s", "rerank")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "A first run")
    run(project, sys.executable, "-m", "dvc", "repro", "-q", "-s", "-f", "report")
    page = (project / "reports" / "index.html").read_text(encoding="utf-8")
    assert '<section id="reranking">' in page and "MRR after reranking" in page and "answers looked at" in page
    assert "rerank-title" in page, "the figure"
    assert "answers in a better order (MRR)" in page and "against 0.5 of the order of the encoder" in page
    assert "| Reranking | MRR after reranking | 0.6 |" in (project / "reports" / "summary.md").read_text()
    assert (project / "reports" / "figures" / "rerank.svg").is_file()
    params = project / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("depth: 10", "depth: 20"), encoding="utf-8")
    graph = json.loads(run(project, sys.executable, "-m", "pipeline.workspace.graph"))
    stages = {stage["name"]: stage for stage in graph["stages"]}
    assert "rerank" in stages["report"]["upstream"], "the page follows it"
    run(project, sys.executable, "-m", "dvc", "repro", "-q", "-s", "rerank")
    assert "report" in json.loads(run(project, sys.executable, "-m", "dvc", "status", "--json", "report"))
    run(project, sys.executable, "-m", "dvc", "repro", "-q", "-s", "report")
    page = (project / "reports" / "index.html").read_text(encoding="utf-8")
    assert '<td class="better">▲ better</td>' in page and '<td class="changed">◆ changed</td>' in page
