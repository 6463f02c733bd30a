"""The MLflow run behind a number: its address on the dashboard, found by the stage's fingerprint."""

from __future__ import annotations

import os
from urllib.parse import quote, urlsplit

from pipeline.report.run_data import RunData

DASHBOARD = "http://127.0.0.1:5000"  # where `make ui` shows MLflow
EXPERIMENT = "1"  # the first that a store is given; 0 is MLflow's own
NAMED = ("ROSPHERE_MLFLOW_UI", "MLFLOW_TRACKING_URI")  # who may say that it is elsewhere, the first one first


def dashboard() -> str:
    """MLflow's address for a browser. A user and a password in it are left out: the page is sent to others."""
    for name in NAMED:
        parts = urlsplit(os.environ.get(name, ""))
        if parts.scheme in ("http", "https") and parts.hostname:
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
    return DASHBOARD


def address(fingerprint: str) -> str:
    """The dashboard's list of runs whose tag `stage.fp` begins so. Without `/runs` MLflow 3.17 shows no runs at all."""
    query = quote(f"tags.`stage.fp` LIKE '{fingerprint}%'", safe="")
    return f"{dashboard()}/#/experiments/{EXPERIMENT}/runs?searchFilter={query}"


def addresses(run_data: RunData) -> dict[str, str]:
    """By stage; those whose speed file names no run are left out."""
    named = {stage: run_data.speed(stage).get("run") for stage in run_data.stages}
    return {stage: address(str(run)) for stage, run in named.items() if run}
