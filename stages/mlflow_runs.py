"""The MLflow side of a spool: runs found or created, filled, closed. The only importer of mlflow.

One experiment; one parent run per pipeline configuration, found by its tag `pipeline.fp`; one child
run per stage execution, tagged `stage.fp`. Nothing is handed over between processes: `dvc repro`, a
flow and an experiment queue meet in the same parent because they compute the same fingerprint.
"""

import fcntl
import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag

from stages import spool
from stages.spool import Event, Sent

T = TypeVar("T")

METRICS_A_BATCH = 1000  # MLflow's own limits
OTHERS_A_BATCH = 100


def tracking_uri(home: Path) -> str:
    """MLFLOW_TRACKING_URI, or the SQLite file `home`/mlflow.db; relative SQLite paths start at `home`."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    prefix, path = "sqlite:///", uri.removeprefix("sqlite:///")
    return f"{prefix}{home / path}" if uri.startswith(prefix) else uri


class Store:
    """The tracking store of the workspace `home`, opened."""

    def __init__(self, home: Path) -> None:
        self._lock = home / ".run" / "mlflow.lock"
        self._uri = tracking_uri(home)
        with _locked(self._lock):  # two processes creating one SQLite store break it for good
            self._client = MlflowClient(self._uri)
            self._experiment = self._find_experiment(home)

    def deliver(self, path: Path, over: bool) -> bool:
        """Send the new events of the spool `path`; whether its run is now closed.

        With `over` the trainer will write no more: without an `end` event it was killed, and its run
        ends as FAILED. May be called again after any error: MLflow keeps one copy of a point sent twice.
        """
        start = spool.start_event(path)
        if start is None:
            return over  # killed before its first word
        sent = spool.read_sent(path)
        if sent.uri != self._uri:
            sent = Sent(uri=self._uri)  # another store knows nothing of what the first one was sent
        if not sent.run:
            sent = self._open(start, sent)
            spool.write_sent(path, sent)
        while True:
            events, offset = spool.read_events(path, sent.offset)
            if not events:
                break
            self._send(start, events, sent, path)
            status = events[-1].get("status", "")  # an `end` has one, and is the last
            sent = replace(sent, offset=offset, time=events[-1]["time"], status=status)
            spool.write_sent(path, sent)
        if over:
            self._close(start, sent)
        return over

    def _find_experiment(self, home: Path) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "rosphere")
        if found := self._client.get_experiment_by_name(name):
            return str(found.experiment_id)
        # Left to itself MLflow puts a SQLite store's artifacts below the current directory.
        place = (home / "mlartifacts").as_uri() if self._uri.startswith("sqlite:") else None
        return str(self._client.create_experiment(name, artifact_location=place))

    def _search(self, query: str) -> list[Run]:
        order = ["attributes.start_time DESC"]
        return list(self._client.search_runs([self._experiment], query, max_results=1000, order_by=order))

    def _open(self, start: Event, sent: Sent) -> Sent:
        with _locked(self._lock):  # finding or creating is not atomic in MLflow
            self._reap()
            parent = self._open_parent(start)
            return replace(sent, parent=parent, run=self._open_child(start, parent))

    def _reap(self) -> None:
        """Close the runs whose processes died on this machine with no courier left to say so."""
        here = f"tags.role = 'stage' and tags.host = '{socket.gethostname()}'"
        for run in self._search(f"{here} and attributes.status = 'RUNNING'"):
            if not spool.alive(int(run.data.tags["pid"])):
                self._client.set_terminated(run.info.run_id, "FAILED")
                self._settle(run.data.tags["mlflow.parentRunId"], "FAILED")

    def _open_parent(self, start: Event) -> str:
        fingerprint = start["pipeline_fp"]
        found = self._search(f"tags.`pipeline.fp` = '{fingerprint}'")
        if found:
            parent = found[0]
            self._client.update_run(parent.info.run_id, status="RUNNING")
        else:
            tags = {"role": "pipeline", "pipeline.fp": fingerprint, **_commit(start["tags"])}
            parent = self._create(f"pipeline {fingerprint[:8]}", start, tags)
        self._log_params(parent, flat(start["pipeline_params"]))
        known = parent.data.metrics
        news = {key: value for key, value in start["upstream"].items() if known.get(_key(key)) != value}
        self._log_metrics(parent.info.run_id, _metrics(news, start, 0))
        return str(parent.info.run_id)

    def _open_child(self, start: Event, parent: str) -> str:
        same = f"tags.`mlflow.parentRunId` = '{parent}' and tags.`stage.fp` = '{start['stage_fp']}'"
        left = [run for run in self._search(same) if run.info.status in ("FAILED", "KILLED")]
        if left:
            run = left[0]
            self._client.update_run(run.info.run_id, status="RUNNING")
            times = int(run.data.tags.get("resumed", "0")) + 1
            for key, value in {**start["tags"], "resumed": str(times)}.items():
                self._client.set_tag(run.info.run_id, key, value)
        else:
            tags = {"role": "stage", "stage": start["stage"], "stage.fp": start["stage_fp"], **start["tags"]}
            run = self._create(start["stage"], start, {"mlflow.parentRunId": parent, **tags})
        self._log_params(run, flat(start["params"]))
        deps = [RunTag(f"dep.{path}"[:250], value) for path, value in start["deps"].items()]
        for some in _chunks(deps, OTHERS_A_BATCH):
            self._client.log_batch(run.info.run_id, tags=some)
        return str(run.info.run_id)

    def _create(self, name: str, start: Event, tags: Mapping[str, str]) -> Run:
        begun = int(start["time"] * 1000)
        return self._client.create_run(self._experiment, start_time=begun, tags=dict(tags), run_name=name)

    def _log_params(self, run: Run, params: Mapping[str, str]) -> None:
        new = [Param(key, value) for key, value in params.items() if key not in run.data.params]
        for some in _chunks(new, OTHERS_A_BATCH):
            self._client.log_batch(run.info.run_id, params=some)

    def _log_metrics(self, run: str, metrics: list[Metric]) -> None:
        for some in _chunks(metrics, METRICS_A_BATCH):
            self._client.log_batch(run, metrics=some)

    def _send(self, start: Event, events: list[Event], sent: Sent, path: Path) -> None:
        points = [event for event in events if event["kind"] in ("metrics", "final")]
        metrics = [metric for event in points for metric in _metrics(event["values"], event, event["step"])]
        self._log_metrics(sent.run, metrics)
        for event in events:
            if event["kind"] == "final":
                stage = start["stage"].replace("@", "/")
                named = {f"{stage}/{key}": value for key, value in event["values"].items()}
                self._log_metrics(sent.parent, _metrics(named, event, 0))
            elif event["kind"] == "artifact":
                self._log_artifact(sent.run, path / event["path"])

    def _log_artifact(self, run: str, kept: Path) -> None:
        if kept.is_dir():
            self._client.log_artifacts(run, str(kept), kept.name)
        else:
            self._client.log_artifact(run, str(kept))

    def _close(self, start: Event, sent: Sent) -> None:
        status = sent.status or "FAILED"
        with _locked(self._lock):
            run = self._client.get_run(sent.run)
            if run.data.tags["pid"] == start["tags"]["pid"]:  # else a successor has taken the run over
                self._client.set_terminated(sent.run, status, int(sent.time * 1000))
            self._settle(sent.parent, status)

    def _settle(self, parent: str, status: str) -> None:
        """The parent runs while a child does, and ends as the last of them."""
        if not self._search(f"tags.`mlflow.parentRunId` = '{parent}' and attributes.status = 'RUNNING'"):
            self._client.set_terminated(parent, status)


def flat(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested params as MLflow's flat ones: dotted keys, values as text."""
    found: dict[str, str] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            found.update(flat(value, f"{prefix}{key}."))
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            found[_key(f"{prefix}{key}")] = text
    return found


def _metrics(values: Mapping[str, float], event: Event, step: int) -> list[Metric]:
    time = int(event["time"] * 1000)
    return [Metric(_key(key), value, time, step) for key, value in values.items()]


def _key(name: str) -> str:
    """`name` as MLflow takes it: word characters and `_ / - . : space`, and no path tricks."""
    parts = re.sub(r"[^/\w.\- :]", "_", name).split("/")
    safe = (f"_{part}" if part in ("", ".") or part.startswith("..") else part for part in parts)
    return "/".join(safe)[:250]


def _commit(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: tags[key] for key in ("mlflow.source.git.commit", "git.dirty") if key in tags}


def _chunks(items: list[T], size: int) -> list[list[T]]:
    return [items[i : i + size] for i in range(0, len(items), size)]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
