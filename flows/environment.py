"""What Prefect, DVC and MLflow must find in the environment, and where a running UI left its address."""

from __future__ import annotations

import getpass
import http.client
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from flows import leash
from pipeline.workspace import paths

FLOW_RUN = "ROSPHERE_FLOW_RUN"  # told to every stage: the id of the flow run that it is part of
MLFLOW_UI = "ROSPHERE_MLFLOW_UI"  # where MLflow's dashboard is looked at
LOOPBACK = ("127.0.0.1", "localhost")
SWEEP = "ROSPHERE_SWEEP"  # told to every stage of a sweep's experiments: the sweep's name


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
        told = subprocess.run(["git", "config", "--get", key], cwd=root, env=around, capture_output=True, text=True)
        if not told.stdout.strip():
            missing |= {variable.format(role): value for role in ("AUTHOR", "COMMITTER")}
    return {name: value for name, value in missing.items() if name not in around}


def without_proxy() -> dict[str, str]:
    """The variables that keep a proxy, wherever there is one, out of the way to servers on this machine."""
    names = ("no_proxy", "NO_PROXY")
    given = [host for name in names for host in os.environ.get(name, "").split(",") if host.strip()]
    return dict.fromkeys(names, ",".join(dict.fromkeys([*given, *LOOPBACK])))


def prepare(root: Path) -> None:
    """Set those defaults for this process, and use the UI's server if it runs. What is set already stays.

    The process of a run calls this first of all; if a worker started it, it ends with that worker from now on.
    """
    leash.hold(root)
    for key, value in settings(root).items():
        os.environ.setdefault(key, value)
    os.environ.update(without_proxy())
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)  # Prefect makes the last folder only
    if "PREFECT_API_URL" not in os.environ and (url := announced_api(root)):
        os.environ["PREFECT_API_URL"] = url


def for_commands() -> dict[str, str]:
    """The environment of a stage's command: `python` is this interpreter, lines come as they are printed.

    DVC starts commands through $SHELL, which may be one that refuses service or that is not installed.
    """
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", "SHELL": shutil.which("bash") or "/bin/sh"}


def workers() -> int:
    """Stages at once: `ROSPHERE_WORKERS`, else 2 on a CPU-only machine, else 8.

    On a GPU machine the device leases decide who trains; the rest must not queue behind those who wait.

    Raises:
        ValueError: `ROSPHERE_WORKERS` is not a positive integer.
    """
    given = os.environ.get("ROSPHERE_WORKERS")
    if given is None:
        return 8 if any(Path("/dev").glob("nvidia[0-9]*")) else 2
    if not given.isdecimal() or int(given) < 1:
        raise ValueError(f"ROSPHERE_WORKERS must be a positive integer, got {given!r}")
    return int(given)


def gpus() -> int:
    """GPUs that the stages' leases will find, by the rule of `pipeline.run.lease.devices`; a test compares the two."""
    for variable in ("ROSPHERE_GPUS", "CUDA_VISIBLE_DEVICES"):
        if variable in os.environ:
            return sum(name.strip() not in ("", "-1") for name in os.environ[variable].split(","))
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def answers(url: str) -> bool:
    """Whether a server says it is healthy; no proxy is asked, the answer must come within a second."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=1.0)
    try:
        connection.request("GET", f"{parts.path}/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def announced_api(root: Path) -> str | None:
    """The address of the UI's Prefect server, if there is one and it answers."""
    try:
        url = paths.prefect_address(root).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    return url if answers(url) else None


@contextmanager
def announce(root: Path, url: str) -> Iterator[None]:
    """Let pipeline runs in this workspace find the server at `url` for as long as the block lasts."""
    file = paths.prefect_address(root)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(url + "\n", encoding="utf-8")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
