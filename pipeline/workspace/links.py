"""Addresses of MLflow: of its store for programs, of its pages for a browser."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, urlsplit

from pipeline.workspace import paths
from pipeline.workspace.environment import MLFLOW_UI, TRACKING_URI

SQLITE = "sqlite:///"
DASHBOARD = "http://127.0.0.1:5000"  # where `make ui` shows MLflow
EXPERIMENT = "1"  # the first that a store is given; 0 is MLflow's own


def database(root: Path) -> str:
    """MLflow's database; absolute, because a relative one means another file in an experiment's copy."""
    return f"{SQLITE}{paths.mlflow_database(root.resolve())}"


def dashboard() -> str:
    """Where a browser finds MLflow: as ROSPHERE_MLFLOW_UI or MLFLOW_TRACKING_URI say, else where `make ui` shows it.

    A user and a password in it are left out: the address goes onto pages that are sent to others.
    """
    for name in (MLFLOW_UI, TRACKING_URI):
        parts = urlsplit(os.environ.get(name, ""))
        if parts.scheme in ("http", "https") and parts.hostname:
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
    return DASHBOARD


def tracking_uri(home: Path) -> str:
    """MLFLOW_TRACKING_URI, or the SQLite file `home`/mlflow.db; relative SQLite paths start at `home`."""
    given = os.environ.get(TRACKING_URI)
    if not given:
        return f"{SQLITE}{paths.mlflow_database(home)}"
    return f"{SQLITE}{home / given.removeprefix(SQLITE)}" if given.startswith(SQLITE) else given


def runs(query: str) -> str:
    """The dashboard's list of runs that a search finds. Without `/runs` MLflow 3.17 shows no runs at all."""
    return f"{dashboard()}/#/experiments/{EXPERIMENT}/runs?searchFilter={quote(query, safe='')}"
