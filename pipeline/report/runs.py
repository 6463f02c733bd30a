"""The MLflow run behind a number: its address on the dashboard, found by the stage's fingerprint."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import quote, urlsplit

from pipeline.report.run_data import RunData

DASHBOARD = "http://127.0.0.1:5000"  # where `make ui` shows MLflow
FIRST = "1"  # the first experiment that a store is given; 0 is MLflow's own
NOTE = Path(".run/mlflow-experiment.json")  # where the uploader notes it
STORE = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME")  # what else decides which one it is
NAMED = ("ROSPHERE_MLFLOW_UI", "MLFLOW_TRACKING_URI")  # who may say that it is elsewhere, the first one first


def dashboard() -> str:
    """MLflow's address for a browser. A user and a password in it are left out: the page is sent to others."""
    for name in NAMED:
        parts = urlsplit(os.environ.get(name, ""))
        if parts.scheme in ("http", "https") and parts.hostname:
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
    return DASHBOARD


def experiment() -> str | None:
    """The number of the experiment that runs go to, as the uploader noted it in this environment; None: not known.

    Without a note that is the first one of the workspace's own store; another store has given it another number.
    """
    environment = [os.environ.get(name, "") for name in STORE]
    if NOTE.is_file():
        said = json.loads(NOTE.read_text(encoding="utf-8"))
        if said["environment"] == environment:
            return str(said["experiment"])
    return None if any(environment) else FIRST


def address(fingerprint: str, experiment: str) -> str:
    """The dashboard's list of runs whose tag `stage.fp` begins so.

    Without `/runs` MLflow 3.17 shows no runs at all, and without the kind of work its pages for language model apps.
    """
    query = quote(f"tags.`stage.fp` LIKE '{fingerprint}%'", safe="")
    return f"{dashboard()}/#/experiments/{experiment}/runs?workflowType=machine_learning&searchFilter={query}"


def addresses(run_data: RunData) -> dict[str, str]:
    """By stage; those whose speed file names no run are left out, and all where the experiment is not known."""
    number = experiment()
    named = {stage: run_data.speed(stage).get("run") for stage in run_data.stages}
    return {stage: address(str(run), number) for stage, run in named.items() if run and number is not None}
