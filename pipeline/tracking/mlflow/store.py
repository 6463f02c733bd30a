"""MLflow's store, opened: the experiment, searches, and values in the form and the portions that it takes."""

import fcntl
import json
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag

from pipeline.tracking.run_log import Event
from pipeline.workspace import links, paths
from pipeline.workspace.environment import TRACKING_URI

T = TypeVar("T")

METRICS_A_BATCH = 1000  # MLflow's own limits
OTHERS_A_BATCH = 100
# Where MLflow keeps for good in which folder artifacts lie: of an experiment's runs to come, of what there is.
TO_COME = (("experiments", "artifact_location"),)
WHAT_IS = (("runs", "artifact_uri"), ("logged_models", "artifact_location"), ("model_versions", "storage_location"))


def follow_move(home: Path) -> None:
    """Artifacts of the database home/mlflow.db lie here, even if the workspace was moved or copied to here.

    Else a copy would write into the folder it was copied from. What was made before it is looked for here only if the
    artifacts have come along.
    """
    database, here = paths.mlflow_database(home), paths.mlflow_artifacts(home)
    if not database.is_file():
        return
    with closing(sqlite3.connect(database, timeout=60.0)) as store, store:
        if not store.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone():
            return  # being made
        known = store.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
        for (there,) in known:
            if there is None or there == here.as_uri() or not there.endswith(f"/{here.name}"):
                continue  # a place that somebody has chosen
            for table, column in (*TO_COME, *(WHAT_IS if here.is_dir() else ())):
                store.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column} || '/', 1, ?) = ?",
                    (here.as_uri(), len(there) + 1, len(there) + 1, f"{there}/"),
                )


class Connection:
    """One experiment of the tracking store of the workspace `home`."""

    def __init__(self, home: Path) -> None:
        self._lock = paths.mlflow_lock(home)
        self.uri = links.tracking_uri(home)
        with self.locked():  # two processes creating one SQLite store break it for good
            follow_move(home)
            self.client = MlflowClient(self.uri)
            self.experiment = self._find_experiment(home)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone among the processes of this workspace: finding or creating is not atomic in MLflow."""
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with open(self._lock, "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def as_default(self) -> Iterator[None]:
        """This store as the one of the whole process, which MLflow's registry asks for the model of a new version.

        Left to itself it looks for mlflow.db in the current directory, and misses it where that has a space in its
        name.
        """
        before = os.environ.get(TRACKING_URI)
        mlflow.set_tracking_uri(self.uri)
        try:
            yield
        finally:
            mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # which also takes it from the environment
            if before is not None:
                os.environ[TRACKING_URI] = before

    def _find_experiment(self, home: Path) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "rosphere")
        if found := self.client.get_experiment_by_name(name):
            return str(found.experiment_id)
        place = os.environ.get("MLFLOW_DEFAULT_ARTIFACT_ROOT")
        if place is None and not self.uri.startswith("http"):
            # Left to itself MLflow puts a database's artifacts below the current directory.
            place = paths.mlflow_artifacts(home).as_uri()
        return str(self.client.create_experiment(name, artifact_location=place))

    def search(self, query: str) -> list[Run]:
        """The runs of the experiment, latest first."""
        order = ["attributes.start_time DESC"]
        return list(self.client.search_runs([self.experiment], query, max_results=1000, order_by=order))

    def create(self, name: str, start: Event, tags: Mapping[str, str]) -> Run:
        """A new run that began with the event `start`."""
        begun = int(start["time"] * 1000)
        return self.client.create_run(self.experiment, start_time=begun, tags=dict(tags), run_name=name)

    def log_params(self, run: Run, params: Mapping[str, str]) -> None:
        new = [Param(key, value) for key, value in params.items() if key not in run.data.params]
        for some in chunks(new, OTHERS_A_BATCH):
            self.client.log_batch(run.info.run_id, params=some)

    def log_metrics(self, run: str, metrics: list[Metric]) -> None:
        for some in chunks(metrics, METRICS_A_BATCH):
            self.client.log_batch(run, metrics=some)

    def log_tags(self, run: str, tags: Mapping[str, str]) -> None:
        for some in chunks([RunTag(name[:250], value) for name, value in tags.items()], OTHERS_A_BATCH):
            self.client.log_batch(run, tags=some)

    def log_data(self, run: str, data: Mapping[str, str], home: str) -> None:
        """The data a run reads as its dataset inputs: path, DVC's hash as the digest, place."""
        sets = [
            Dataset(
                name=path, digest=digest[:36], source_type="local", source=json.dumps({"uri": f"file://{home}/{path}"})
            )
            for path, digest in data.items()
        ]
        if sets:
            context = [InputTag("mlflow.data.context", "input")]
            self.client.log_inputs(run, [DatasetInput(each, context) for each in sets])


def as_params(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested params as MLflow's flat ones: dotted keys, values as text."""
    found: dict[str, str] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            found.update(as_params(value, f"{prefix}{key}."))
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            found[acceptable(f"{prefix}{key}")] = text
    return found


def as_metrics(values: Mapping[str, float], event: Event, step: int) -> list[Metric]:
    time = int(event["time"] * 1000)
    return [Metric(acceptable(key), value, time, step) for key, value in values.items()]


def acceptable(name: str) -> str:
    """`name` as MLflow takes it: word characters and `_ / - . : space`, and no path tricks."""
    parts = re.sub(r"[^/\w.\- :]", "_", name).split("/")
    safe = (f"_{part}" if part in ("", ".") or part.startswith("..") else part for part in parts)
    return "/".join(safe)[:250]


def chunks(items: list[T], size: int) -> list[list[T]]:
    return [items[i : i + size] for i in range(0, len(items), size)]
