"""`dvc plots diff` between two commits: a page by itself, with the curves and the figures of both."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.report import figures
from pipeline.report.run_data import RunData
from stages import report
from tests.pipeline.report import toy_reports
from tests.pipeline.report.toy_reports import TASKS, put, write

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]
PLOTS = ROOT / ".dvc" / "plots"


def run(folder: Path, *command: str) -> str:
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def git(folder: Path, *arguments: str) -> None:
    run(folder, "git", "-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "commit.gpgsign=false", *arguments)


def made(folder: Path) -> RunData:
    run_data = toy_reports.run_data(folder / "reports", tasks=TASKS, variants=toy_reports.VARIANTS)
    figures.draw(run_data, folder / "reports" / "figures")
    put(folder / "reports" / "scores.csv", report.scores(run_data))
    return run_data


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page between a commit of toy reports and a workspace where one score and one curve are others."""
    folder = tmp_path_factory.mktemp("plots")
    (folder / ".dvc").mkdir()
    for name in ("dvc.yaml", ".dvc/config"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(PLOTS, folder / ".dvc" / "plots", ignore=shutil.ignore_patterns("node_modules"))
    params = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params = {**params, "tasks": TASKS, "vmf_vae": {**params["vmf_vae"], "variants": toy_reports.VARIANTS}}
    YAML().dump(params, folder / "params.yaml")
    write(folder / "reports")
    made(folder)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    task = folder / "reports" / "tasks" / "sentiment.json"
    put(task, {**json.loads(task.read_text()), "score": 0.75})
    curve = folder / "reports" / "curves" / "pretrain.csv"
    put(curve, curve.read_text().replace("7.0\n", "6.875\n"))
    made(folder)
    run(folder, sys.executable, "-m", "dvc", "plots", "diff", "HEAD")
    return (folder / ".run" / "plots" / "index.html").read_text(encoding="utf-8")


class Sources(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for key, value in attrs if key in ("src", "href")]


def test_the_page_asks_the_network_for_nothing(page: str) -> None:
    sources = Sources()
    sources.feed(page)
    scripts = [each for each in sources.found if each.endswith(".js")]
    assert len(scripts) == 3 and all(each.startswith("../../.dvc/plots/node_modules/") for each in scripts)
    assert all(each in scripts or each.startswith("static/") for each in sources.found)


def test_both_revisions_stand_in_every_curve_and_every_picture(page: str) -> None:
    specs = [json.loads(each) for each in re.findall(r"var spec = (.*);", page)]
    titles = {spec["title"]["text"] for spec in specs}
    assert len(titles) == len(specs) == 16
    assert {"Masked-token loss on dev against compute", "sentiment: loss in training"} <= titles
    for spec in specs:
        assert {row["rev"] for row in spec["data"]["values"]} == {"HEAD", "workspace"}, spec["title"]
        assert "<DVC_METRIC" not in json.dumps(spec), f"{spec['title']}: the template has an anchor that DVC left"
    for side in ("HEAD", "workspace"):
        assert f'src="static/{side}_reports_figures_pretraining.svg"' in page


def test_several_runs_share_one_plot(page: str) -> None:
    spec = next(json.loads(each) for each in re.findall(r"var spec = (.*);", page) if "against compute" in each)
    values = spec["data"]["values"]
    assert {Path(row["filename"]).stem for row in values} == {
        "pretrain",
        "pretrain_wide",
        "pretrain_longer",
        "pretrain_scratch",
    }
    first = {row["rev"]: row["dev_loss"] for row in values if row["step"] == "0" and row["filename"] == "pretrain.csv"}
    assert first == {"HEAD": "7.0", "workspace": "6.875"}


def test_the_plots_ask_for_columns_that_the_reports_have(page: str) -> None:
    for spec in (json.loads(each) for each in re.findall(r"var spec = (.*);", page)):
        wanted = set(re.findall(r"datum\['(\w+)'\]", json.dumps(spec["transform"])))
        assert wanted and all(wanted <= row.keys() for row in spec["data"]["values"]), spec["title"]


def test_what_draws_the_curves_is_named_with_its_version() -> None:
    wanted = json.loads((PLOTS / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert set(wanted) == {"vega", "vega-lite", "vega-embed"}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
