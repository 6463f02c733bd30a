"""Tracking that never costs a run: a stage writes to its spool, a uploader process carries it to MLflow.

Telling the tracker something is one appended line; no stage waits for MLflow, imports it or fails with
it. What the uploader cannot deliver stays in `.run/spool` until

    python -m pipeline.tracking sync

ROSPHERE_TRACKING=0 switches all of it off, ROSPHERE_SYSTEM_METRICS=0 the samples of the machine alone.
ROSPHERE_SWEEP=<name> puts the pipeline's run under a run of that name. See docs/tracking.md.
"""

import argparse
import json
import math
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.run import identity
from pipeline.run import settings as config
from pipeline.run.identity import Identity
from pipeline.run.signals import Stopped
from pipeline.tracking import naming, uploader
from pipeline.tracking.promotion import Champion
from pipeline.tracking.run_log import RunLog
from pipeline.workspace import dvc_yaml, git, numbers, paths, yaml_file
from pipeline.workspace.environment import COURIER, FLOW_RUN, SWEEP, SYSTEM_METRICS, TRACKING
from rosphere.errors import InputError

PATIENCE_SECONDS = 5.0  # how long a finished stage waits for its uploader, to say if something was left
SYNC = "`python -m pipeline.tracking sync` sends it"
PARAMS = Path("params.yaml")
CERTIFICATES = {"widen": (Path("reports/widen.json"), Path("models/widen/widening.json"))}  # of what comes after it


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """Section `tracking` of params.yaml: what MLflow is told besides parameters and metrics."""

    system_metrics: float = 10.0  # seconds from sample to sample; 0: none
    log_models: bool = True
    models: dict[str, Champion] = field(default_factory=dict)  # by the name they are registered under

    def __post_init__(self) -> None:
        if not (self.system_metrics == 0 or self.system_metrics >= 1):
            raise InputError(f"system_metrics: expected 0 or 1 second and more, got {self.system_metrics}")


class Tracker:
    """The stage's end: tell what happened, at the price of appending a line."""

    def __init__(
        self,
        name: str,
        spool: RunLog | None,
        process: "subprocess.Popen[bytes] | None",
        rules: Mapping[str, Champion] | None = None,
        certificates: tuple[Path, ...] = (),
    ) -> None:
        self._name, self._spool, self._process = name, spool, process
        self._rules, self._certificates = dict(rules or {}), certificates
        self._warned = False
        self._told: tuple[int, dict[str, float]] = (0, {})  # the last step, and the metrics told there

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """The values at one step of a loop."""
        if values:
            given = {key: float(value) for key, value in values.items()}
            self._told = (step, {**(self._told[1] if self._told[0] == step else {}), **given})
            self._tell(lambda spool: spool.write("metrics", step=step, values=given))

    def artifact(self, path: Path) -> None:
        """A file or folder as it is now."""
        self._tell(lambda spool: spool.artifact(path))

    def final(self, step: int, report: Mapping[str, Any]) -> None:
        """The stage's result: its numeric leaves become metrics of the run and of its parent."""
        values = numbers.flat(report)
        told = self._told[1] if self._told[0] == step else {}
        known = [key for key, value in values.items() if key in told and math.isclose(told[key], value, rel_tol=1e-5)]
        self._tell(lambda spool: spool.write("final", step=step, values=values, known=known))

    def models(self, place: Path) -> None:
        """The models below `place` that this stage has measured, if params.yaml wants them registered."""
        for name, rule in self._rules.items():
            folder = place / (rule.folder or name)
            if folder.is_dir() and any(folder.iterdir()):
                self._tell(
                    partial(RunLog.model, name=name, source=folder, certificates=self._certificates, rule=asdict(rule))
                )

    def end(self, status: str) -> None:
        """Close the run as FINISHED, FAILED or KILLED, and give the uploader a moment to deliver."""
        self._tell(lambda spool: spool.write("end", status=status))
        if self._spool is not None:
            self._spool.close()
            if status != "KILLED":  # who is told to leave does not wait; the uploader sees it go
                self._see_off(self._spool.path)

    def _tell(self, write: Callable[[RunLog], None]) -> None:
        if self._spool is None:
            return
        try:
            write(self._spool)
        except OSError as error:  # a full disk must not end a training run
            self._warn(f"not recorded: {error}")

    def _see_off(self, path: Path) -> None:
        if self._process is None:
            if _delivering():  # else it was asked for
                self._warn(f"mlflow is not installed: kept in {path}; {SYNC}")
            return
        try:
            self._process.communicate(b"over", timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:  # which is nothing to speak of, on a busy machine, unless it has complained
            if reason := uploader.complaint(path):
                self._warn(f"{reason}: not delivered yet; if it stays in {path}, {SYNC}")
            return
        if self._process.returncode:
            self._warn(f"{uploader.last_words(path)}: kept in {path}; {SYNC}")

    def _warn(self, message: str) -> None:
        if not self._warned:
            print(f"warning: {self._name}: tracking: {message}", file=sys.stderr, flush=True)
        self._warned = True


@contextmanager
def tracked(me: Identity, devices: tuple[str, ...]) -> Iterator[Tracker]:
    """Track the block as one run of the stage `me` on the GPUs `devices`."""
    tracker = _begin(me, devices)
    status = "FAILED"
    try:
        yield tracker
        status = "FINISHED"
    except Stopped:
        status = "KILLED"
        raise
    finally:
        tracker.end(status)


def _begin(me: Identity, devices: tuple[str, ...]) -> Tracker:
    if os.environ.get(TRACKING) == "0":
        return Tracker(me.name, None, None)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    name = f"{stamp}-{me.name.replace('@', '_')}-{me.stage_fp[:12]}-{os.getpid()}"
    try:
        settings = _settings()
        told = RunLog(paths.run_logs(me.home) / name)
        told.write("start", **_introduction(me, devices), system_metrics=settings.system_metrics)
        process = uploader.start(told.path) if _delivering() and find_spec("mlflow") else None
        wanted = settings.models if settings.log_models else {}
        rules = {name: rule for name, rule in wanted.items() if rule.measured_by == me.name}
        return Tracker(me.name, told, process, rules, _certificates(me))
    except (OSError, ValueError) as error:  # a full disk, an upstream report that is no JSON
        tracker = Tracker(me.name, None, None)
        tracker._warn(f"not recorded: {error}")
        return tracker


def _delivering() -> bool:
    return os.environ.get(COURIER) != "0"


def _settings() -> Tracking:
    """The section `tracking`, or its defaults where there is none."""
    known = PARAMS.is_file() and "tracking" in yaml_file.read(PARAMS)
    settings = config.load(PARAMS, "tracking", Tracking) if known else Tracking()
    off = os.environ.get(SYSTEM_METRICS) == "0"
    return replace(settings, system_metrics=0.0) if off else settings


def _certificates(me: Identity) -> tuple[Path, ...]:
    """The proofs that upstream stages left of what this stage's model has grown from."""
    return tuple(path for stage, proofs in CERTIFICATES.items() if stage in me.upstream for path in proofs)


def _introduction(me: Identity, devices: tuple[str, ...]) -> dict[str, Any]:
    upstream, unread = _upstream(me.upstream_metrics)
    data = {path: value for path, value in me.deps.items() if path.split("/")[0] == "data"}
    return {
        "stage": me.name,
        "stage_fp": me.stage_fp,
        "pipeline_fp": me.pipeline_fp,
        "params": me.params or me.pipeline_params,
        "pipeline_params": me.pipeline_params,
        "deps": me.deps,
        "data": data,
        "devices": devices,
        "sweep": os.environ.get(SWEEP, ""),
        "upstream": upstream,
        "unread": unread,
        "upstream_stages": {**me.upstream, **me.beside},
        "name": os.environ.get("MLFLOW_RUN_NAME") or os.environ.get("DVC_EXP_NAME", ""),
        "preset": naming.preset(me.pipeline_params),
        "committed": _committed(),
        "sources": _sources(me.sources),
        "tags": {
            "host": socket.gethostname(),
            "pid": str(os.getpid()),
            "device": "cuda:" + ",".join(devices) if devices else "cpu",
            **({"dataset.hash": identity.fingerprint(data)[:32]} if data else {}),
            **_flow_run(),
            **_source(me.name),
        },
    }


def _upstream(files: Mapping[str, tuple[str, ...]]) -> tuple[dict[str, float], dict[str, str]]:
    """The numbers of every upstream stage's JSON reports, under `<stage>/<key>`; and why, by file, of those unread."""
    found: dict[str, float] = {}
    unread: dict[str, str] = {}
    for stage, names in files.items():
        for path in map(Path, names):
            if path.suffix == ".json" and path.is_file():
                try:
                    report = json.loads(path.read_text(encoding="utf-8"))
                except ValueError as error:  # somebody else's report must not cost this run its own
                    unread[str(path)] = str(error)
                else:
                    found.update(numbers.flat({stage.replace("@", "/"): report}))
    return found, unread


def _committed() -> Any:
    """params.yaml as it was committed, if it was."""
    said = git.ask(Path.cwd(), "show", f"HEAD:./{PARAMS}")
    return yaml_file.parsed(said, PARAMS) if said else {}


def _sources(files: Mapping[str, str]) -> dict[str, str]:
    """What the pipeline starts from, as one hash of the data and one of all else."""
    data = {path: value for path, value in files.items() if path.split("/")[0] == "data"}
    code = {path: value for path, value in files.items() if path not in data}
    return {"sources.data": identity.fingerprint(data)[:32], "sources.code": identity.fingerprint(code)[:32]}


def _flow_run() -> dict[str, str]:
    """The Prefect flow run that this stage is part of, if it is."""
    return {"prefect.flow_run": run} if (run := os.environ.get(FLOW_RUN)) else {}


def _source(name: str) -> dict[str, str]:
    """Where the run comes from, as MLflow shows it: command and commit. `git.dirty`: sources differ from the commit;
    what the pipeline itself makes is none, and DVC has just deleted it."""
    here = Path.cwd()
    commit = git.head(here)
    command = dvc_yaml.declared(here, name).command or Path(sys.argv[0]).name
    source = {"mlflow.source.name": command, "mlflow.source.type": "LOCAL"}
    if commit is not None:
        dirty = git.dirty(here, dvc_yaml.made(here))
        source |= {"mlflow.source.git.commit": commit, "git.dirty": str(dirty).lower()}
    return source


def main(arguments: list[str] | None = None) -> int:
    """The command line: `sync` delivers what is left; 1 if something still is."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.tracking", description="Deliver runs to MLflow.")
    commands = parser.add_subparsers(required=True)
    commands.add_parser("sync", help="deliver what is left in .run/spool")
    parser.parse_args(arguments)
    return 1 if uploader.sync(paths.home(paths.workspace(Path.cwd()))) else 0
