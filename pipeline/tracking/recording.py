"""Tracking that never costs a run: a stage writes a run log, an uploader process delivers it to MLflow.

To record something is to append one line; no stage waits for MLflow, imports it or fails with it. What
the uploader cannot deliver stays in `.run/run_logs` until

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
from pipeline.tracking import former_folder, headline, naming, uploader
from pipeline.tracking.promotion import Champion, directed
from pipeline.tracking.run_log import RunLog
from pipeline.workspace import declaration, dvc_yaml, git, numbers, paths, yaml_file
from pipeline.workspace.declaration import Declaration
from pipeline.workspace.environment import FLOW_RUN, SWEEP, SYSTEM_METRICS, TRACKING, UPLOADER
from rosphere.errors import InputError

PATIENCE_SECONDS = 5.0  # how long a finished stage waits for its uploader, to warn if something was left
SYNC = "`python -m pipeline.tracking sync` sends it"
PARAMS = Path("params.yaml")
STAGES = Path("stages")  # whose declarations say which metrics are better how, and which files prove something


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """Section `tracking` of params.yaml: what MLflow gets besides parameters and metrics."""

    system_metrics: float = 10.0  # seconds from sample to sample; 0: none
    log_models: bool = True
    models: dict[str, Champion] = field(default_factory=dict)  # by the name they are registered under

    def __post_init__(self) -> None:
        if not (self.system_metrics == 0 or self.system_metrics >= 1):
            raise InputError(f"system_metrics: expected 0 or 1 second and more, got {self.system_metrics}")


class Tracker:
    """Records what happens in a stage, at the price of appending a line."""

    def __init__(
        self,
        name: str,
        log: RunLog | None,
        process: "subprocess.Popen[bytes] | None",
        rules: Mapping[str, Champion] | None = None,
        certificates: tuple[Path, ...] = (),
        declared: Mapping[str, Declaration] | None = None,
    ) -> None:
        self._name, self._log, self._process = name, log, process
        self._rules, self._certificates = dict(rules or {}), certificates
        self._declared = dict(declared or {})
        self._warned = False
        self._last: tuple[int, dict[str, float]] = (0, {})  # the last step, and the metrics recorded there

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """The values at one step of a loop."""
        if values:
            given = {key: float(value) for key, value in values.items()}
            self._last = (step, {**(self._last[1] if self._last[0] == step else {}), **given})
            self._record(lambda log: log.write("metrics", step=step, values=given))

    def artifact(self, path: Path) -> None:
        """A file or folder as it is now."""
        self._record(lambda log: log.artifact(path))

    def final(self, step: int, report: Mapping[str, Any], seconds: float = 0.0) -> None:
        """The stage's result: its numeric leaves become metrics of the run and of its parent; and what it took."""
        values = numbers.flat(report)
        last = self._last[1] if self._last[0] == step else {}
        known = [key for key, value in values.items() if key in last and math.isclose(last[key], value, rel_tol=1e-5)]
        first = headline.of(self._name, report, self._declared)
        self._record(
            lambda log: log.write("final", step=step, values=values, known=known, headline=first, seconds=seconds)
        )

    def models(self, place: Path) -> None:
        """The models below `place` that this stage has measured, if params.yaml wants them registered."""
        for name, rule in self._rules.items():
            folder = place / (rule.folder or name)
            if folder.is_dir() and any(folder.iterdir()):
                self._record(
                    partial(RunLog.model, name=name, source=folder, certificates=self._certificates, rule=asdict(rule))
                )

    def end(self, status: str) -> None:
        """Close the run as FINISHED, FAILED or KILLED, and give the uploader a moment to deliver."""
        self._record(lambda log: log.write("end", status=status))
        if self._log is not None:
            self._log.close()
            if status != "KILLED":  # a stage that was stopped does not wait; the uploader sees it go
                self._see_off(self._log.path)

    def _record(self, write: Callable[[RunLog], None]) -> None:
        if self._log is None:
            return
        try:
            write(self._log)
        except OSError as error:  # a full disk must not end a training run
            self._warn(f"not recorded: {error}")

    def _see_off(self, path: Path) -> None:
        if self._process is None:
            if _delivering():  # else it was asked for
                self._warn(f"mlflow is not installed: kept in {path}; {SYNC}")
            return
        try:
            self._process.communicate(b"over", timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:  # no reason to warn, on a busy machine, unless it has met an error
            if reason := uploader.last_error(path):
                self._warn(f"{reason}: not delivered yet; if it stays in {path}, {SYNC}")
            return
        if self._process.returncode:
            self._warn(f"{uploader.failure(path)}: kept in {path}; {SYNC}")

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
        former_folder.move(me.home)
        log, declared = RunLog(paths.run_logs(me.home) / name), declaration.read(STAGES)
        log.write("start", **_introduction(me, devices, declared), system_metrics=settings.system_metrics)
        process = uploader.start(log.path) if _delivering() and find_spec("mlflow") else None
        wanted = settings.models if settings.log_models else {}
        mine = {name: rule for name, rule in wanted.items() if rule.measured_by == me.name}
        rules = {name: directed(rule, declared) for name, rule in mine.items()}
        return Tracker(me.name, log, process, rules, _certificates(me, declared), declared)
    except (OSError, ValueError) as error:  # a full disk, an upstream report that is no JSON
        tracker = Tracker(me.name, None, None)
        tracker._warn(f"not recorded: {error}")
        return tracker


def _delivering() -> bool:
    return os.environ.get(UPLOADER) != "0"


def _settings() -> Tracking:
    """The section `tracking`, or its defaults where there is none."""
    known = PARAMS.is_file() and "tracking" in yaml_file.read(PARAMS)
    settings = config.load(PARAMS, "tracking", Tracking) if known else Tracking()
    off = os.environ.get(SYSTEM_METRICS) == "0"
    return replace(settings, system_metrics=0.0) if off else settings


def _certificates(me: Identity, declared: Mapping[str, Declaration]) -> tuple[Path, ...]:
    """The proofs that upstream stages left of what this stage's model has grown from."""
    above = dict.fromkeys(name.partition("@")[0] for name in me.upstream)
    return tuple(Path(proof) for word in above if word in declared for proof in declared[word].certificates)


def _introduction(me: Identity, devices: tuple[str, ...], declared: Mapping[str, Declaration]) -> dict[str, Any]:
    upstream, unread, seconds = _upstream(me.upstream_metrics, declared)
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
        "seconds": seconds,
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


def _upstream(
    files: Mapping[str, tuple[str, ...]], declared: Mapping[str, Declaration]
) -> tuple[dict[str, float], dict[str, str], float]:
    """The numbers of every upstream stage's JSON reports, under `<stage>/<key>`; why, by file, of those unread; and the
    seconds that all of them took."""
    found: dict[str, float] = {}
    unread: dict[str, str] = {}
    seconds = 0.0
    for stage, names in files.items():
        for path in map(Path, names):
            if path.suffix == ".json" and path.is_file():
                try:
                    report = json.loads(path.read_text(encoding="utf-8"))
                except ValueError as error:  # somebody else's report must not cost this run its own
                    unread[str(path)] = str(error)
                else:
                    found.update(numbers.flat({stage.replace("@", "/"): report}))
                    found.update(headline.of(stage, report, declared))
                    seconds += numbers.flat(report).get("seconds", 0.0) if path == paths.speed(stage) else 0.0
    return found, unread, seconds


def _committed() -> Any:
    """params.yaml as it was committed, if it was."""
    committed = git.ask(Path.cwd(), "show", f"HEAD:./{PARAMS}")
    return yaml_file.parsed(committed, PARAMS) if committed else {}


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
    commands.add_parser("sync", help="deliver what is left in .run/run_logs")
    parser.parse_args(arguments)
    return 1 if uploader.sync(paths.home(paths.workspace(Path.cwd()))) else 0
