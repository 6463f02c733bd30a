"""The MLflow run behind a number, found by the stage's fingerprint, and the runs of whole pipelines: their addresses.

No address names a run: the page is the same however often it is written, and leads to what is there when it is read.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.report.run_data import RunData
from pipeline.report.wording import known
from pipeline.workspace import links, paths


def compared() -> dict[str, str]:
    """By title: where all pipelines stand beside one another. None at all where the experiment is not known."""
    found = links.pipelines(paths.home(paths.workspace(Path.cwd())))
    return {known(title): address for title, address in found.items()}


def addresses(run_data: RunData) -> dict[str, str]:
    """By stage: the dashboard's list of runs whose tag `stage.fp` begins so.

    No stage whose speed file names no run, and none at all where the experiment is not known.
    """
    home = paths.home(paths.workspace(Path.cwd()))
    named = {stage: run_data.speed(stage).get("run") for stage in run_data.stages}
    found = {stage: links.runs(home, f"tags.`stage.fp` LIKE '{run}%'") for stage, run in named.items() if run}
    return {stage: address for stage, address in found.items() if address}
