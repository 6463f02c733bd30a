"""MLflow's store, opened: the experiment, searches, and values in the portions that it takes."""

import errno
import fcntl
import importlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LifecycleStage, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

from pipeline.tracking.mlflow import artifacts, moved, values
from pipeline.tracking.run_log import Event
from pipeline.workspace import links, paths
from pipeline.workspace.environment import EXPERIMENT_NAME, TRACKING_URI

T = TypeVar("T")

METRICS_A_BATCH = 1000  # MLflow's own limits
OTHERS_A_BATCH = 100
LEFT_OUT = "left_out"  # tag of a run: how much of it could not be shown, and what


class Connection:
    """One experiment of the tracking store of the workspace `home`."""

    def __init__(self, home: Path) -> None:
        self._lock = paths.mlflow_lock(home)
        self.uri = links.tracking_uri(home)
        self.name = self.uri.replace(f"{home}/", "")  # wherever the workspace lies
        self.own = self.uri == f"{links.SQLITE}{paths.mlflow_database(home)}"  # the one that moves with the workspace
        artifacts.make_known()
        if not self.uri.startswith("http"):  # before others wait for us: on a busy machine this takes us minutes
            importlib.import_module("mlflow.store.tracking.sqlalchemy_store")
        with self.locked():  # two processes creating one SQLite store break it for good
            self.client = MlflowClient(self.uri)
            self.experiment = self._find_experiment(home)
            links.note_experiment(home, self.experiment)

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
        name = os.environ.get(EXPERIMENT_NAME, links.EXPERIMENT)
        found = self.client.get_experiment_by_name(name)
        if found and found.lifecycle_stage == LifecycleStage.DELETED:
            self.client.restore_experiment(found.experiment_id)  # MLflow lets nobody else have its name
        if found and not (self.own and artifacts.left_behind(found.artifact_location, home)):
            return str(found.experiment_id)
        if found:
            moved.put_aside(self.client, found)
        place = os.environ.get("MLFLOW_DEFAULT_ARTIFACT_ROOT")
        if place is None and not self.uri.startswith("http"):
            # Left to itself MLflow puts a database's artifacts below the current directory, for good.
            beside = artifacts.folder_of(self.uri) is not None
            place = links.BESIDE if beside else paths.mlflow_artifacts(home).as_uri()
        return str(self.client.create_experiment(name, artifact_location=place))

    def search(self, query: str, limit: int = 1000) -> list[Run]:
        """The runs of the experiment, latest first."""
        order = ["attributes.start_time DESC"]
        return list(self.client.search_runs([self.experiment], query, max_results=limit, order_by=order))

    def create(self, name: str, start: Event, tags: Mapping[str, str]) -> Run:
        """A new run that began with the event `start`."""
        begun, called = int(start["time"] * 1000), values.text(name, values.LONGEST_KEY)
        return self.client.create_run(self.experiment, start_time=begun, tags=values.as_tags(tags), run_name=called)

    def log_params(self, run: Run, params: Mapping[str, str]) -> None:
        new = [Param(key, value) for key, value in params.items() if key not in run.data.params]
        self._log(run.info.run_id, "params", new, OTHERS_A_BATCH)

    def log_metrics(self, run: str, metrics: list[Metric]) -> None:
        self._log(run, "metrics", metrics, METRICS_A_BATCH)

    def log_tags(self, run: str, tags: Mapping[str, str]) -> None:
        new = [RunTag(name, value) for name, value in values.as_tags(tags).items()]
        self._log(run, "tags", new, OTHERS_A_BATCH)

    def _log(self, run: str, kind: str, items: list[Any], size: int) -> None:
        """Batch by batch; of one that MLflow refuses each half, down to the item that is wrong, which is left out."""
        for some in chunks(items, size):
            try:
                batch: dict[str, Any] = {kind: some}
                self.client.log_batch(run, **batch)
            except MlflowException as error:
                if not refused(error):
                    raise
                if len(some) > 1:
                    self._log(run, kind, some, len(some) // 2)
                else:
                    self.leave_out(run, f"{kind} {some[0].key}", error)

    @contextmanager
    def sparing(self, run: str, name: str) -> Iterator[None]:
        """What the block sends is left out of the run, and named there, if it can never be sent."""
        try:
            yield
        except Exception as error:
            if not refused(error):
                raise
            self.leave_out(run, name, error)

    def leave_out(self, run: str, name: str, error: Exception) -> None:
        """Count and name in the run's tag `left_out` what could not be sent; the uploader's output names it too."""
        why = f"{name}: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        print(f"left out: {why}", flush=True)
        lines = self.client.get_run(run).data.tags.get(LEFT_OUT, "").splitlines()[1:]
        if not any(line.startswith(f"- {name}: ") for line in lines):  # else it was sent twice
            lines.append(f"- {why}")
        self.client.set_tag(run, LEFT_OUT, values.text("\n".join([str(len(lines)), *lines]), values.LONGEST_TAG))

    def deleted(self, run: str) -> bool:
        """Whether somebody has deleted the run, perhaps for good."""
        try:
            return bool(self.client.get_run(run).info.lifecycle_stage == LifecycleStage.DELETED)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return True

    def log_data(self, run: str, data: Mapping[str, str]) -> None:
        """The data a run reads as its dataset inputs: path, DVC's hash as the digest, place in the workspace."""
        sets = [
            Dataset(
                name=values.text(path, 500), digest=digest[:36], source_type="local", source=json.dumps({"uri": path})
            )
            for path, digest in data.items()
        ]
        if sets:
            context = [InputTag("mlflow.data.context", "input")]
            with self.sparing(run, "data"):
                self.client.log_inputs(run, [DatasetInput(each, context) for each in sets])


def refused(error: Exception) -> bool:
    """Whether it is the fault of what was sent, and so would be the same at every further attempt."""
    if isinstance(error, MlflowException):
        return error.error_code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")
    if isinstance(error, OSError):
        return error.errno in (errno.ENOENT, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
    return isinstance(error, (ValueError, TypeError, LookupError, RecursionError))


def chunks(items: list[T], size: int) -> list[list[T]]:
    return [items[i : i + size] for i in range(0, len(items), size)]
