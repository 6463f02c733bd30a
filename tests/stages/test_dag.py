"""The real graph at a toy size, in a folder of its own: what runs, what does not run again, what a kill costs."""

from __future__ import annotations

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.project import copied, dvc, environment
from tests.shrink import shrink

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, without git and without anything already made, with prepare done."""
    folder = copied(tmp_path_factory.mktemp("dag") / "project")
    shrink(folder / "params.yaml")
    dvc(folder, "init", "--no-scm", "-q")
    done = dvc(folder, "repro", "widen")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def stale(folder: Path, *targets: str) -> set[str]:
    """What dvc says is not up to date. It names a stage whose upstream is stale only when that has run."""
    return set(json.loads(dvc(folder, "status", "--json", *targets).stdout))


def test_a_second_run_does_nothing(workspace: Path) -> None:
    again = dvc(workspace, "repro", "widen")
    assert again.returncode == 0
    assert "Running stage" not in again.stdout
    assert "up to date" in again.stdout


def test_widening_lost_nothing(workspace: Path) -> None:
    gap = json.loads((workspace / "reports/widen.json").read_text())["max_logit_gap"]
    assert gap["float64"] <= 1e-10
    assert gap["float32"] <= 1e-4


def test_a_folder_says_how_its_model_was_made(workspace: Path) -> None:
    phases = json.loads((workspace / "models/widen/training.json").read_text(encoding="utf-8"))["phases"]
    assert [(phase["stage"], phase["seed"]) for phase in phases] == [("pretrain", 8), ("widen", 8)]
    assert phases[0]["counts"]["steps"] == 40
    text = (workspace / "models/widen/README.md").read_text(encoding="utf-8")
    counted = json.loads((workspace / "reports/prepare.json").read_text(encoding="utf-8"))["corpus"]["train"]
    assert f"train: {counted['documents']:,} documents, {counted['tokens']:,} tokens" in text
    command = [sys.executable, "-m", "pipeline.cards", "models/pretrain", "published", "--license", "mit"]
    subprocess.run(command, cwd=workspace, env=environment(), check=True, capture_output=True)
    assert "license: mit" in (workspace / "published/README.md").read_text(encoding="utf-8")
    assert stale(workspace, "prepare", "pretrain", "widen") == set()


def test_a_comment_reruns_nothing_and_a_number_reruns_its_stage(workspace: Path) -> None:
    params = workspace / "params.yaml"
    before = params.read_text(encoding="utf-8")
    done = ["prepare", "pretrain", "widen"]
    params.write_text(before + "\n# nothing\n", encoding="utf-8")
    assert stale(workspace, *done) == set()
    params.write_text(before.replace("noise: 0.3 ", "noise: 0.4 "), encoding="utf-8")
    assert stale(workspace, *done) == {"widen"}
    params.write_text(re.sub(r"kappa: [\d.]+", "kappa: 7.0", before), encoding="utf-8")
    assert stale(workspace, *done) == set()
    params.write_text(before, encoding="utf-8")


def test_a_bad_number_is_one_line_and_keeps_earlier_outputs(workspace: Path) -> None:
    params = workspace / "params.yaml"
    before = params.read_text(encoding="utf-8")
    params.write_text(before.replace("steps: 40", "steps: many"), encoding="utf-8")
    said = subprocess.run(
        [sys.executable, "-m", "pipeline.run.check"], cwd=workspace, env=environment(), capture_output=True, text=True
    )
    params.write_text(before, encoding="utf-8")
    assert said.returncode == 1
    assert said.stderr.strip() == "error: params.yaml: pretrain.schedule.steps: expected int, got 'many' (str)"
    assert (workspace / "models/pretrain/model.safetensors").is_file()


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_pretraining_resumes_and_ends_as_if_nothing_had_happened(
    workspace: Path, sign: signal.Signals
) -> None:
    report, weights = workspace / "reports/pretrain.json", workspace / "models/pretrain/model.safetensors"
    untouched = report.read_bytes(), weights.read_bytes()
    command = [sys.executable, "-m", "stages.pretrain"]
    # A run long enough to be caught; its own fingerprint keeps its checkpoint apart from the first run's.
    first = subprocess.Popen(command, cwd=workspace, env=environment(), stdout=subprocess.DEVNULL)
    saved = workspace / ".run" / "ckpt" / "pretrain"
    deadline = time.monotonic() + 60
    while not list(saved.glob("*/state.safetensors")) and time.monotonic() < deadline and first.poll() is None:
        time.sleep(0.005)
    first.send_signal(sign)
    first.wait()
    assert first.returncode in (-signal.SIGKILL, 143), "the run was over before it could be killed"
    assert list(saved.glob("*/state.safetensors")), "no checkpoint was left"
    assert not report.exists(), "a killed stage must leave no report"
    subprocess.run(command, cwd=workspace, env=environment(), check=True, capture_output=True)
    assert (report.read_bytes(), weights.read_bytes()) == untouched


TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


@pytest.mark.parametrize(
    ("command", "processes"),
    [
        ([*TORCHRUN, "-m", "stages.pretrain"], "1"),
        pytest.param([sys.executable, "-m", "dvc", "repro", "-f", "-s", "pretrain"], "2", marks=pytest.mark.slow),
    ],
    ids=["torchrun", "dvc"],
)
def test_two_processes_write_the_report_and_the_curve_of_one(
    command: list[str], processes: str, workspace: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "project"
    shutil.copytree(workspace, copy, ignore=shutil.ignore_patterns(".run"))
    report, curve = copy / "reports/pretrain.json", copy / "reports/curves/pretrain.csv"
    expected, expected_rows = json.loads(report.read_text()), rows(curve)
    for path in (report, curve, copy / "models/pretrain/model.safetensors"):
        path.unlink()
    done = subprocess.run(
        command, cwd=copy, env={**environment(), "ROSPHERE_PROCESSES": processes}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("::progress pretrain 40/40") == 1
    assert json.loads(report.read_text()) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(rows(curve), expected_rows, rtol=1e-5)
    assert (copy / "models/pretrain/model.safetensors").is_file()


def rows(curve: Path) -> list[list[float]]:
    """The numbers of a curve, NaN where a row has none."""
    with curve.open(newline="") as file:
        return [[float(cell or "nan") for cell in row] for row in list(csv.reader(file))[1:]]
