"""The MLflow side of a run log: runs found or created, filled, closed.

One experiment; one parent run per pipeline configuration, found by its tag `pipeline.fp`; one child
run per stage execution, tagged `stage.fp`. Only the modules mlflow_* import mlflow, and only the uploader imports them.
"""

import json
import socket
from dataclasses import replace
from pathlib import Path

from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS

from pipeline.tracking import export, run_log
from pipeline.tracking.mlflow import parents, registry
from pipeline.tracking.mlflow.parents import PARENT
from pipeline.tracking.mlflow.store import Connection, as_metrics, as_params
from pipeline.tracking.run_log import Event, Sent


class Store:
    """The tracking store of the workspace `home`, opened."""

    def __init__(self, home: Path) -> None:
        self._store = Connection(home)
        self._client = self._store.client

    def deliver(self, path: Path, over: bool) -> bool:
        """Send the new events of the run log `path`; whether its run is now closed, and its model registered.

        With `over` the trainer will write no more: without an `end` event it was killed, and its run
        ends as FAILED. May be called again after any error: MLflow keeps one copy of a point sent twice.
        """
        start = run_log.start_event(path)
        if start is None:
            return over  # killed before its first event
        sent = run_log.read_sent(path)
        if sent.uri != self._store.uri:
            sent = Sent(uri=self._store.uri)  # another store knows nothing of what the first one was sent
        if not sent.run:
            sent = self._open(start, sent)
            run_log.write_sent(path, sent)
        sent = self._send_system(path, self._send_events(path, start, sent))
        if over:
            self._close(start, sent)
            if sent.status == "FINISHED":
                for model in sent.models:
                    registry.register(self._store, sent.run, start, path, model)
        return over

    def _send_events(self, path: Path, start: Event, sent: Sent) -> Sent:
        while True:
            events, offset = run_log.read_events(path, sent.offset)
            if not events:
                return sent
            self._send(start, events, sent, path)
            status = events[-1].get("status", "")  # an `end` has one, and is the last
            models = sent.models + [event for event in events if event["kind"] == "model"]
            sent = replace(sent, offset=offset, time=events[-1]["time"], status=status, models=models)
            run_log.write_sent(path, sent)

    def _send_system(self, path: Path, sent: Sent) -> Sent:
        if not (path / run_log.SYSTEM).is_file():
            return sent
        while True:
            samples, offset = run_log.read_events(path, sent.system, name=run_log.SYSTEM)
            if not samples:
                return sent
            each = [as_metrics(sample["values"], sample, sample["step"]) for sample in samples]
            self._store.log_metrics(sent.run, [metric for some in each for metric in some])
            sent = replace(sent, system=offset)
            run_log.write_sent(path, sent)

    def _open(self, start: Event, sent: Sent) -> Sent:
        with self._store.locked():
            self._close_orphans()
            parent = parents.opened(self._store, start)
            return replace(sent, parent=parent, run=self._open_child(start, parent))

    def _close_orphans(self) -> None:
        """Close the runs whose processes died on this machine with no uploader left to close them."""
        here = f"tags.role = 'stage' and tags.host = '{socket.gethostname()}'"
        for run in self._store.search(f"{here} and attributes.status = 'RUNNING'"):
            if not run_log.alive(int(run.data.tags["pid"])):
                self._client.set_terminated(run.info.run_id, "FAILED")
                parents.finalize(self._store, run.data.tags[PARENT], "FAILED")

    def _open_child(self, start: Event, parent: str) -> str:
        same = f"tags.`{PARENT}` = '{parent}' and tags.`stage.fp` = '{start['stage_fp']}'"
        left = [run for run in self._store.search(same) if run.info.status in ("FAILED", "KILLED")]
        if left:
            run = left[0]
            self._client.update_run(run.info.run_id, status="RUNNING")
            times = int(run.data.tags.get("resumed", "0")) + 1
            self._store.log_tags(run.info.run_id, {**start["tags"], "resumed": str(times)})
        else:
            tags = {"role": "stage", "stage": start["stage"], "stage.fp": start["stage_fp"], **start["tags"]}
            run = self._store.create(start["stage"], start, {PARENT: parent, **tags})
        self._store.log_params(run, as_params(start["params"]))
        self._store.log_tags(run.info.run_id, {f"dep.{path}": value for path, value in start["deps"].items()})
        self._store.log_data(run.info.run_id, start["data"], start["home"])
        return str(run.info.run_id)

    def _send(self, start: Event, events: list[Event], sent: Sent, path: Path) -> None:
        points = [event for event in events if event["kind"] in ("metrics", "final")]
        found = [metric for event in points for metric in as_metrics(_new(event), event, event["step"])]
        self._store.log_metrics(sent.run, found)
        for event in events:
            if event["kind"] == "final":
                stage = start["stage"].replace("@", "/")
                named = {f"{stage}/{key}": value for key, value in event["values"].items()}
                self._store.log_metrics(sent.parent, as_metrics(named, event, 0))
            elif event["kind"] == "artifact":
                self._log_artifact(sent.run, path / event["path"])

    def _log_artifact(self, run: str, kept: Path) -> None:
        if kept.is_dir():
            self._client.log_artifacts(run, str(kept), kept.name)
        else:
            self._client.log_artifact(run, str(kept))
        named = {f"tables/{name}.json": text for name, text in export.tables(kept)}
        for name, text in named.items():
            self._client.log_text(run, text, name)
        self._announce(self._client.get_run(run), list(named))

    def _announce(self, run: Run, tables: list[str]) -> None:
        """Tell MLflow's pages that these artifacts are tables, as its own `log_table` does.

        That one appends to the table there is: sent twice, it would double the rows.
        """
        known = json.loads(run.data.tags.get(MLFLOW_LOGGED_ARTIFACTS, "[]"))
        new = [entry for name in tables if (entry := {"path": name, "type": "table"}) not in known]
        if new:
            self._client.set_tag(run.info.run_id, MLFLOW_LOGGED_ARTIFACTS, json.dumps(known + new))

    def _close(self, start: Event, sent: Sent) -> None:
        status = sent.status or "FAILED"
        with self._store.locked():
            run = self._client.get_run(sent.run)
            if run.data.tags["pid"] == start["tags"]["pid"]:  # else a successor has taken the run over
                self._client.set_terminated(sent.run, status, int(sent.time * 1000))
            parents.finalize(self._store, sent.parent, status)


def _new(event: Event) -> dict[str, float]:
    """The values but those that the run's curves have at this very step, in full where a report has them rounded."""
    return {key: value for key, value in event["values"].items() if key not in event.get("known", ())}
