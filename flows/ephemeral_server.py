"""Prefect's server for one run, where no UI runs: started with the run, ended with it.

Prefect would start the same server by itself, in our own process group. Ctrl-C in a terminal then ends it at once, and
the run, which asks it in vain how to end, takes minutes to do so; killed with -9, the run leaves it behind. Here it
leads a group of its own and ends with us, whatever ends us (see `flows.process`).
"""

from __future__ import annotations

import atexit
import os
import socket
from contextlib import ExitStack
from pathlib import Path

import prefect
from prefect.context import refresh_global_settings_context
from prefect.settings import PREFECT_API_URL

from flows.process import Commands
from flows.services import HOST, Running, Service
from pipeline.workspace.environment import PREFECT_API

APP = "prefect.server.api.server:create_app"


def provide(root: Path) -> None:
    """Start a server unless Prefect has been told of one; what this process starts, runs with it too.

    It goes when the interpreter exits, not before: Prefect delivers the last logs and events only then.

    Raises:
        StartError: it ended, or does not answer in time.
    """
    if PREFECT_API_URL.value():
        return
    stack = ExitStack()
    atexit.register(stack.close)
    running = Running(service(_free_port()), root, stack.enter_context(Commands()))
    running.wait()
    os.environ[PREFECT_API] = f"{running.service.address}/api"
    os.environ["PREFECT_UI_URL"] = ""  # it has no pages to link to
    refresh_global_settings_context()


def service(port: int) -> Service:
    """The server that Prefect starts where none is configured; a test compares the two."""
    arguments = ("uvicorn", "--app-dir", str(prefect.__module_path__.parent), "--factory", APP)
    listening = ("--host", HOST, "--port", str(port), "--log-level", "error", "--lifespan", "on")
    env = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
    return Service(name="Prefect-of-a-run", arguments=(*arguments, *listening), env=env, port=port, health="/api")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port
