"""Addresses of MLflow: of its store for programs, of its pages for a browser."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from pipeline.workspace import paths
from pipeline.workspace.environment import TRACKING_URI

SQLITE = "sqlite:///"
DASHBOARD = "http://127.0.0.1:5000"  # where `make ui` shows MLflow
EXPERIMENT = "1"  # the first that a store is given; 0 is MLflow's own


def database(root: Path) -> str:
    """MLflow's database; absolute, because a relative one means another file in an experiment's copy."""
    return f"{SQLITE}{paths.mlflow_database(root.resolve())}"


def tracking_uri(home: Path) -> str:
    """MLFLOW_TRACKING_URI, or the SQLite file `home`/mlflow.db; relative SQLite paths start at `home`."""
    given = os.environ.get(TRACKING_URI)
    if not given:
        return f"{SQLITE}{paths.mlflow_database(home)}"
    return f"{SQLITE}{home / given.removeprefix(SQLITE)}" if given.startswith(SQLITE) else given


def runs(dashboard: str, query: str) -> str:
    """The dashboard's list of runs that a search finds. Without `/runs` MLflow 3.17 shows no runs at all."""
    return f"{dashboard}/#/experiments/{EXPERIMENT}/runs?searchFilter={quote(query, safe='')}"
