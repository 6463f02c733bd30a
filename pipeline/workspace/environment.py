"""The environment variables by which the packages speak to one another, and what the tools must find in them."""

from __future__ import annotations

import getpass
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from pipeline.workspace import git, paths
from rosphere.errors import InputError

# Passed on to stages.
FLOW_RUN = "ROSPHERE_FLOW_RUN"  # the id of the flow run that it is part of
STACK = "ROSPHERE_STACK"  # the process whose worker started this run
STACK_TMPDIR = "ROSPHERE_TMPDIR"  # what TMPDIR is for that process, empty for nothing: the worker has another one
SWEEP = "ROSPHERE_SWEEP"  # the name of the sweep that its experiment belongs to
FORECAST = "ROSPHERE_FORECAST"  # the file that says how long the run may take (pipeline/run/forecast.py)
UPLOADER = "ROSPHERE_UPLOADER"  # 0: the run log stays for `python -m pipeline.tracking sync`
# Set by whoever types a command.
WORKERS = "ROSPHERE_WORKERS"  # stages at once in a flow
GPUS = "ROSPHERE_GPUS"  # the devices to use, "0,1"
GPU_LOCKS = "ROSPHERE_GPU_LOCKS"  # the folder of the leases
PROCESSES = "ROSPHERE_PROCESSES"  # that train together in one stage
TRACKING = "ROSPHERE_TRACKING"  # 0: nothing is tracked
SYSTEM_METRICS = "ROSPHERE_SYSTEM_METRICS"  # 0: the machine is not sampled
UPLOADER_NICENESS = "ROSPHERE_UPLOADER_NICENESS"
MLFLOW_UI = "ROSPHERE_MLFLOW_UI"  # where MLflow's dashboard is looked at
# Of others.
CUDA_DEVICES = "CUDA_VISIBLE_DEVICES"
DVC_ROOT = "DVC_ROOT"  # set in what `dvc repro` started
DVC_STAGE = "DVC_STAGE"  # the name of the stage that DVC started
PREFECT_API = "PREFECT_API_URL"
TMPDIR = "TMPDIR"
TRACKING_URI = "MLFLOW_TRACKING_URI"
EXPERIMENT_NAME = "MLFLOW_EXPERIMENT_NAME"
STORE_URI = "MLFLOW_BACKEND_STORE_URI"  # what MLflow's server keeps its runs in

RENAMED = {"ROSPHERE_COURIER": UPLOADER, "ROSPHERE_COURIER_NICENESS": UPLOADER_NICENESS}
LOOPBACK = ("127.0.0.1", "localhost")


def refuse_renamed() -> None:
    """Raises InputError where a variable is set by the name that it once had: it would count for nothing."""
    for old, new in RENAMED.items():
        if old in os.environ:
            raise InputError(f"{old}: is called {new} now")


def settings(root: Path) -> dict[str, str]:
    """Defaults for the tools: their state under `.run`, nothing sent anywhere."""
    return {
        "PREFECT_HOME": str(paths.prefect_home(root)),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # 20 is too short on a busy laptop
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # by which the UI's server notices a run that was killed
        "DO_NOT_TRACK": "1",
        "DVC_NO_ANALYTICS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # 7 idle processes and 0.8 GB less
        "GOMP_SPINCOUNT": "10000",  # stages share the cores: threads that spin for long stop one another
        "USER": _user(),
    }


def _user() -> str:
    """The user's name, or one for a number that has none, as containers have them: DVC and Prefect insist on it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError from Python 3.13 on
        return "rosphere"


def git_identity(root: Path, around: Mapping[str, str]) -> dict[str, str]:
    """Who writes commits in `root`, where neither git's settings nor the environment `around` say it.

    DVC commits experiments, also to bring one back, and refuses to without a name.
    """
    missing: dict[str, str] = {}
    for key, variable, value in (
        ("user.name", "GIT_{}_NAME", "rosphere"),
        ("user.email", "GIT_{}_EMAIL", "rosphere@localhost"),
    ):
        if not (git.ask(root, "config", "--get", key, around=around) or "").strip():
            missing |= {variable.format(role): value for role in ("AUTHOR", "COMMITTER")}
    return {name: value for name, value in missing.items() if name not in around}


def without_proxy() -> dict[str, str]:
    """The variables that keep a proxy, wherever there is one, out of the way to servers on this machine."""
    names = ("no_proxy", "NO_PROXY")
    given = [host for name in names for host in os.environ.get(name, "").split(",") if host.strip()]
    return dict.fromkeys(names, ",".join(dict.fromkeys([*given, *LOOPBACK])))


def for_commands() -> dict[str, str]:
    """The environment of a stage's command: `python` is this interpreter, lines come as they are printed.

    DVC starts commands through $SHELL, which may be one that refuses service or that is not installed.
    """
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", "SHELL": shutil.which("bash") or "/bin/sh"}
