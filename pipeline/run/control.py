"""A control run, which params.yaml may leave out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.run import runner


@dataclass(frozen=True, kw_only=True)
class Control:
    enabled: bool
    learning_rate: float


def run(job: runner.Job, train: Callable[[runner.Job, Control], None], target: Path) -> None:
    """The training, or what DVC expects of the stage where it is not wanted: an empty folder, curve and report."""
    control = job.section(Control)
    if control.enabled:
        train(job, control)
    else:
        target.mkdir(parents=True, exist_ok=True)
        job.curve([{"step": 0}])
        job.report({"enabled": False})
