"""Addresses of MLflow: of its store for programs, of its pages for a browser."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import quote, urlsplit

from pipeline.workspace import paths
from pipeline.workspace.environment import EXPERIMENT_NAME, MLFLOW_UI, TRACKING_URI

SQLITE = "sqlite:///"
DASHBOARD = "http://127.0.0.1:5000"  # where `make ui` shows MLflow
EXPERIMENT = "rosphere"  # where runs go unless MLFLOW_EXPERIMENT_NAME says otherwise
BESIDE = "mlflow-artifacts:/"  # the place of its artifacts: beside the database (pipeline/tracking/mlflow/artifacts.py)
PIPELINES = "tags.role = 'pipeline'"  # a search for the runs that have everything of one configuration
CHARTS = "their metrics beside one another"  # the title of a link
FIRST = "1"  # the first experiment that a store is given; 0 is MLflow's own


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


def note_experiment(home: Path, experiment: str) -> None:
    """Remember the number of the experiment that runs go to, in this environment."""
    _note(paths.mlflow_experiment(home), {"experiment": experiment})


def note_pipeline(home: Path, run: str, flow_run: str = "") -> None:
    """Remember the pipeline run `run`, part of this flow run if of any, as the latest in the store that runs go to."""
    before = [each for each in _pipelines(home)[0] if each != run]
    _note(paths.mlflow_pipelines(home), {"runs": [*before[-1:], run], "flow_run": flow_run})


def comparison(home: Path, at: str = "", flow_run: str = "") -> str | None:
    """The page that compares the latest two pipeline runs, the earlier one first, on the dashboard or the one at `at`.

    None where it does not show them, as far as is known, or there are no two yet, or the latest is not known to be part
    of `flow_run`, if one is given: on a busy machine MLflow hears of a run when that is over.
    """
    number, (runs, latest) = experiment(home) if _is_shown(home) else None, _pipelines(home)
    if number is None or len(runs) < 2 or flow_run not in ("", latest):
        return None
    both, of = (quote(json.dumps(each), safe="") for each in (runs, [number]))
    return f"{at or dashboard()}/#/compare-runs?runs={both}&experiments={of}"


def _pipelines(home: Path) -> tuple[list[str], str]:
    """The latest two, and the flow run that the last of them is part of."""
    note = paths.mlflow_pipelines(home)
    noted = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}
    return (list(noted["runs"]), noted.get("flow_run", "")) if noted.get("environment") == _store() else ([], "")


def _note(note: Path, what: dict[str, object]) -> None:
    note.parent.mkdir(parents=True, exist_ok=True)
    draft = note.with_name(f"{note.name}.{os.getpid()}")
    draft.write_text(json.dumps({"environment": _store(), **what}) + "\n", encoding="utf-8")
    draft.replace(note)


def experiment(home: Path) -> str | None:
    """The number of the experiment that runs go to in this environment; None: nobody knows yet.

    Without a note that is the first one of the workspace's own store; another store has given it another number.
    """
    note = paths.mlflow_experiment(home)
    if note.is_file():
        noted = json.loads(note.read_text(encoding="utf-8"))
        if noted["environment"] == _store():
            return str(noted["experiment"])
    return None if any(_store()) else FIRST


def own_experiment(home: Path) -> str:
    """The number of the experiment in the workspace's own store, wherever runs go now."""
    number = None if os.environ.get(TRACKING_URI) else experiment(home)
    return FIRST if number is None else number


def _is_shown(home: Path) -> bool:
    """Whether the dashboard shows the store that runs go to: `make ui` shows the workspace's own."""
    uri = tracking_uri(home)
    return bool(os.environ.get(MLFLOW_UI)) or uri.startswith("http") or uri == f"{SQLITE}{paths.mlflow_database(home)}"


def _store() -> list[str]:
    return [os.environ.get(name, "") for name in (TRACKING_URI, EXPERIMENT_NAME)]


def runs(home: Path, query: str, *, drawn: bool = False) -> str | None:
    """The dashboard's list of runs that a search finds; None where it does not show them, as far as is known."""
    number = experiment(home) if _is_shown(home) else None
    return None if number is None else f"{dashboard()}{page(number, query, drawn=drawn)}"


def pipelines(home: Path) -> dict[str, str]:
    """What is in the dashboard of pipelines, whichever there are by then: the list, and charts that compare them.

    Unlike `comparison` they name no run, and stay right on a page that is read after further runs. Nothing where it
    does not show them, as far as is known.
    """
    titles = {"all pipelines, the latest first": False, CHARTS: True}
    found = {title: runs(home, PIPELINES, drawn=drawn) for title, drawn in titles.items()}
    return {title: address for title, address in found.items() if address}


def page(experiment: str, query: str = "", *, drawn: bool = False) -> str:
    """What stands behind the dashboard's address for its list of an experiment's runs, of those that a search finds, or
    for the charts of their metrics.

    Without `/runs` MLflow 3.17 shows no runs at all, and without the kind of work its pages for language model apps.
    """
    search = f"&searchFilter={quote(query, safe='')}" if query else ""
    charts = "&compareRunsMode=CHART" if drawn else ""
    return f"/#/experiments/{experiment}/runs?workflowType=machine_learning{search}{charts}"
