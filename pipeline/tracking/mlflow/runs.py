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

from pipeline.tracking import export, headline, run_log
from pipeline.tracking.mlflow import parents, registry
from pipeline.tracking.mlflow.parents import PARENT
from pipeline.tracking.mlflow.store import Connection
from pipeline.tracking.mlflow.values import LONGEST_TAG, as_metrics, as_params, key, stage_key
from pipeline.tracking.run_log import Event, Sent
from pipeline.workspace import links, paths

TABLE_NAME = 80  # characters: a file's name takes 255 bytes, and a Chinese character three of them


class Store:
    """The tracking store of the workspace `home`, opened."""

    def __init__(self, home: Path) -> None:
        self._home, self._store = home, Connection(home)
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
        if not self._is_ours(sent):
            sent = Sent(uri=self._store.name)  # another store knows nothing of what the first one was sent
        if not sent.run:
            sent = self._open(start, sent, path.name)
            run_log.write_sent(path, sent)
        if over and self._store.deleted(sent.run):
            return True  # somebody has thrown the run away, and what is left of it with it
        sent = self._send_system(path, self._send_events(path, start, sent))
        if over:
            self._close(start, sent)
            self._send_waiting(path, sent)
            if sent.status == "FINISHED":
                for model in sent.models:
                    with self._store.sparing(sent.run, f"model {Path(model['path']).name}"):
                        registry.register(self._store, sent.run, start, path, model)
        return over

    def _is_ours(self, sent: Sent) -> bool:
        """Whether this store was sent it; an earlier version noted where that lay, perhaps before a move."""
        if sent.uri in (self._store.name, self._store.uri):
            return True
        moved = self._store.own and sent.uri.endswith(f"/{paths.mlflow_database(self._home).name}")
        return bool(moved and sent.run) and not self._store.deleted(sent.run)

    def mend(self) -> list[str]:
        """Put right what nobody is left to put right; a line for each thing that was."""
        with self._store.locked():
            self._close_orphans()
            brought = registry.bring_along(self._store, self._home)
            return [f"{name}: leads to its files in this folder again" for name in brought]

    def _send_events(self, path: Path, start: Event, sent: Sent) -> Sent:
        while True:
            events, offset = run_log.read_events(path, sent.offset)
            if not events:
                return sent
            waiting = sent.waiting + self._send(start, events, sent, path)
            status = events[-1].get("status", "")  # an `end` has one, and is the last
            models = sent.models + [event for event in events if event["kind"] == "model"]
            sent = replace(sent, offset=offset, time=events[-1]["time"], status=status, models=models, waiting=waiting)
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

    def _open(self, start: Event, sent: Sent, log: str) -> Sent:
        """States come last: what is not sure to be delivered must not look as if it ran."""
        with self._store.locked():
            self._close_orphans()
            parent = parents.opened(self._store, start)
            links.note_pipeline(self._home, parent, start["tags"].get("prefect.flow_run", ""))
            child = self._open_child(start, parent, log)
            parents.begin(self._store, parent)
            return replace(sent, parent=parent, run=child)

    def _close_orphans(self) -> None:
        """Close the runs whose processes died on this machine with no uploader left to close them."""
        here = f"tags.role = 'stage' and tags.host = '{socket.gethostname()}'"
        for run in self._store.search(f"{here} and attributes.status = 'RUNNING'"):
            if not run_log.alive(int(run.data.tags["pid"])):
                self._client.set_terminated(run.info.run_id, "FAILED", self._last_sign(run))
                parents.finalize(self._store, run.data.tags[PARENT], "FAILED")
        parents.close_orphans(self._store)

    def _last_sign(self, run: Run) -> int:
        """When the run was last heard of, in ms: by the samples of its machine, or else by a few of its curves."""
        names = sorted(run.data.metrics, key=lambda name: (not name.startswith("system/"), name))[:3]
        points = (point for name in names for point in self._client.get_metric_history(run.info.run_id, name))
        return max((int(point.timestamp) for point in points), default=int(run.info.start_time))

    def _open_child(self, start: Event, parent: str, log: str) -> str:
        """The run of this very run log, if an attempt to open it broke off; else one to resume, or a new one."""
        begun = self._store.search(f"tags.run_log = '{log}'")
        same = f"tags.`{PARENT}` = '{parent}' and tags.`stage.fp` = '{start['stage_fp']}'"
        left = [run for run in self._store.search(same) if run.info.status in ("FAILED", "KILLED")]
        if begun:
            run = begun[0]
        elif left:
            run = left[0]
            times = int(run.data.tags.get("resumed", "0")) + 1
            self._store.log_tags(run.info.run_id, {**start["tags"], "run_log": log, "resumed": str(times)})
        else:
            tags = {"role": "stage", "stage": start["stage"], "stage.fp": start["stage_fp"], "run_log": log}
            run = self._store.create(start["stage"], start, {PARENT: parent, **tags, **start["tags"]})
        self._store.log_params(run, as_params(start["params"]))
        self._store.log_tags(run.info.run_id, {f"dep.{path}": value for path, value in start["deps"].items()})
        self._store.log_data(run.info.run_id, start["data"])
        for name, why in start.get("unread", {}).items():
            self._store.leave_out(run.info.run_id, name, ValueError(why))
        self._client.update_run(run.info.run_id, status="RUNNING")
        return str(run.info.run_id)

    def _send(self, start: Event, events: list[Event], sent: Sent, path: Path) -> list[Event]:
        """Metrics and artifacts of the events; returned are those of artifacts that did not get through this time."""
        points = [event for event in events if event["kind"] in ("metrics", "final")]
        found = [metric for event in points for metric in as_metrics(_new(event), event, event["step"])]
        self._store.log_metrics(sent.run, found)
        waiting = []
        for event in events:
            if event["kind"] == "final":
                named = {f"{stage_key(start['stage'])}/{name}": value for name, value in event["values"].items()}
                named |= event.get("headline", {})  # which a run log of an older version has not, nor what it took
                named |= headline.cost(start["seconds"] + event["seconds"]) if "seconds" in event else {}
                self._store.log_metrics(sent.parent, as_metrics(named, event, 0))
            elif event["kind"] == "artifact":
                try:
                    self._send_artifact(sent.run, path / event["path"])
                except Exception as error:  # wherever artifacts go is not where curves and the run's end go
                    print(f"later: {event['path']}: {type(error).__name__}: {error}", flush=True)
                    waiting.append(event)
        return waiting

    def _send_waiting(self, path: Path, sent: Sent) -> None:
        for number, event in enumerate(sent.waiting, 1):
            self._send_artifact(sent.run, path / event["path"])
            run_log.write_sent(path, replace(sent, waiting=sent.waiting[number:]))

    def _send_artifact(self, run: str, kept: Path) -> None:
        with self._store.sparing(run, kept.name):
            self._log_artifact(run, kept)
        self._log_tables(run, kept)

    def _log_artifact(self, run: str, kept: Path) -> None:
        if kept.is_dir():
            self._client.log_artifacts(run, str(kept), kept.name)
        else:
            self._client.log_artifact(run, str(kept))

    def _log_tables(self, run: str, kept: Path) -> None:
        """The tables in it, each file by itself: one that cannot be shown as a table lies there as it is."""
        shown: list[str] = []
        for file in export.files(kept):
            with self._store.sparing(run, f"tables of {file.name}"):
                for name, text in export.tables(file):
                    place = f"tables/{key(name, TABLE_NAME)}.json"
                    self._client.log_text(run, text, place)
                    shown.append(place)
        self._announce(self._client.get_run(run), shown)

    def _announce(self, run: Run, tables: list[str]) -> None:
        """Tell MLflow's pages that these artifacts are tables, as its own `log_table` does; as many as a tag holds.

        That one appends to the table there is: sent twice, it would double the rows.
        """
        known = json.loads(run.data.tags.get(MLFLOW_LOGGED_ARTIFACTS, "[]"))
        announced = list(known)
        for name in tables:
            entry = {"path": name, "type": "table"}
            if entry not in announced and len(json.dumps([*announced, entry])) <= LONGEST_TAG:
                announced.append(entry)
        if announced != known:
            self._client.set_tag(run.info.run_id, MLFLOW_LOGGED_ARTIFACTS, json.dumps(announced))

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
