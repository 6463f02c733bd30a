"""The MLflow run behind a number: its address on the dashboard, found by the stage's fingerprint."""

from __future__ import annotations

from pathlib import Path

from pipeline.report.run_data import RunData
from pipeline.workspace import links, paths


def addresses(run_data: RunData) -> dict[str, str]:
    """By stage: the dashboard's list of runs whose tag `stage.fp` begins so.

    No stage whose speed file names no run, and none at all where the experiment is not known.
    """
    home = paths.home(paths.workspace(Path.cwd()))
    named = {stage: run_data.speed(stage).get("run") for stage in run_data.stages}
    found = {stage: links.runs(home, f"tags.`stage.fp` LIKE '{run}%'") for stage, run in named.items() if run}
    return {stage: address for stage, address in found.items() if address}
