"""The MLflow run behind a number: its address on the dashboard, found by the stage's fingerprint."""

from __future__ import annotations

from pipeline.report.run_data import RunData
from pipeline.workspace import links


def addresses(run_data: RunData) -> dict[str, str]:
    """By stage: the dashboard's list of runs whose tag `stage.fp` begins so; no stage whose speed file names no run."""
    named = {stage: run_data.speed(stage).get("run") for stage in run_data.stages}
    return {stage: links.runs(f"tags.`stage.fp` LIKE '{run}%'") for stage, run in named.items() if run}
