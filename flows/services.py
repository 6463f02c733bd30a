"""The long-running processes of the local stack: started, waited for, watched, their output in `.run/NAME.log`."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flows import environment
from flows.process import Closed, Commands
from pipeline.workspace import paths
from pipeline.workspace.environment import for_commands

HOST = "127.0.0.1"
PATIENCE = 240.0  # seconds for a server to answer; the first start creates its database


class StartError(RuntimeError):
    """The stack cannot be started or has lost a service; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """One process: the module that runs it, and what it finds in its environment beyond ours.

    One with a port is a server: there is a page at `address`, and below it `health` says whether all is well.
    """

    name: str
    arguments: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    health: str = ""
    page: str = ""  # below `address`, what a person opens

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    def log(self, root: Path) -> Path:
        return paths.service_log(root, self.name)


def require_free(servers: Sequence[Service]) -> None:
    """Refuse ports that somebody listens on.

    Raises:
        StartError: a port is taken.
    """
    for server in servers:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else a server just stopped would count
            try:
                probe.bind((HOST, server.port or 0))
            except OSError as error:
                option = f"--{server.name.lower()}-port"
                raise StartError(f"port {server.port} is taken, choose another with {option} ({error})") from error


class Running:
    """A service and the thread that reads its output, alive for as long as it is."""

    def __init__(self, service: Service, root: Path, commands: Commands) -> None:
        self.service = service
        self._root = root
        self._started = time.monotonic()
        self._thread = threading.Thread(target=self._run, args=(commands,), daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait until the server answers.

        Raises:
            StartError: it ended, or does not answer in time.
        """
        deadline = time.monotonic() + PATIENCE
        while not environment.answers(self.service.address + self.service.health):
            self.require_alive()
            if time.monotonic() > deadline:
                log = self.service.log(self._root)
                raise StartError(f"{self.service.name} did not answer within {PATIENCE:.0f} s; see {log}")
            time.sleep(0.2)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started

    def require_alive(self) -> None:
        """Do nothing while it runs.

        Raises:
            StartError: it ended.
        """
        if not self.alive:
            log = self.service.log(self._root)
            lines = log.read_text(encoding="utf-8").splitlines()[-15:]
            raise StartError("\n".join([f"{self.service.name} ended; the last lines of {log}:", *lines]))

    def _run(self, commands: Commands) -> None:
        env = {**for_commands(), **self.service.env}
        command = [sys.executable, "-m", *self.service.arguments]
        with self.service.log(self._root).open("a", encoding="utf-8") as log:

            def on_line(line: str) -> None:
                print(line, file=log, flush=True)

            try:
                commands.run(command, on_line=on_line, env=env, cwd=self._root)
            except Closed:
                return
