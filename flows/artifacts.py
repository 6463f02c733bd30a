"""What a pipeline run leaves to look at in Prefect: what ran, which numbers moved, the figures, the way to MLflow."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from prefect import get_run_logger, runtime
from prefect.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)

from flows import metrics
from flows.task import Outcome
from pipeline.workspace import links, paths
from pipeline.workspace.graph import Graph

FIGURES = Path("reports/figures")
LARGEST_FIGURE = 400_000  # bytes; an artifact is a row of Prefect's database
KINDS = {".svg": "image/svg+xml", ".png": "image/png"}


def numbers(root: Path, graph: Graph) -> metrics.Numbers:
    """The metrics now. A broken file costs the table, not the run: its stage may yet rewrite it."""
    try:
        return metrics.read(root, [path for stage in graph.stages for path in stage.metrics])
    except ValueError as error:
        get_run_logger().warning("no metrics table: %s", error)
        return {}


def write(root: Path, graph: Graph, outcomes: Sequence[Outcome], before: metrics.Numbers) -> None:
    """The artifacts of a run that submitted at least one stage."""
    create_table_artifact([asdict(outcome) for outcome in outcomes], key="stages", description="what ran")
    create_markdown_artifact(metrics.table(before, numbers(root, graph)), key="metrics", description="metrics")
    if any(outcome.how == "ran" for outcome in outcomes):
        if address := runs_address(root):
            create_link_artifact(address, key="mlflow", link_text="the MLflow runs of this flow run")
        if both := links.comparison(paths.home(root), flow_run=str(runtime.flow_run.id)):
            create_link_artifact(both, key="comparison", link_text="this pipeline beside the one before, in MLflow")
        elif charts := links.pipelines(paths.home(root)).get(links.CHARTS):  # MLflow has not heard of this one yet
            create_link_artifact(charts, key="comparison", link_text="all pipelines beside one another, in MLflow")
    drawn = {path for stage in graph.stages if _ran(stage.name, outcomes) for path in stage.outs}
    if str(FIGURES) in drawn:
        for figure in sorted((root / FIGURES).iterdir()):
            if figure.suffix in KINDS and figure.stat().st_size <= LARGEST_FIGURE:
                create_image_artifact(data_address(figure), key=f"figure-{figure.stem.replace('_', '-')}")


def runs_address(root: Path) -> str | None:
    """MLflow's page of the runs that carry this flow run in their tag; None where their experiment is not known."""
    return links.runs(paths.home(root), f"tags.`prefect.flow_run` = '{runtime.flow_run.id}'")


def data_address(figure: Path) -> str:
    """The picture itself as an address: there may be no server that has it."""
    return f"data:{KINDS[figure.suffix]};base64,{base64.b64encode(figure.read_bytes()).decode()}"


def _ran(name: str, outcomes: Sequence[Outcome]) -> bool:
    return any(outcome.stage == name and outcome.how in ("ran", "run-cache") for outcome in outcomes)
