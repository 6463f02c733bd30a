"""A toy DVC repository, and a real Prefect server that ends with the test session."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows import environment
from flows.process import Commands
from pipeline.workspace.environment import for_commands, settings
from tests.asking import ask
from tests.waiting import eventually

HOUSE = Path(__file__).resolve().parents[2]
PATIENCE = 30.0  # seconds that a command is given to end

DVC_YAML = """
stages:
  prepare:
    desc: first
    cmd: python work.py prepare source.txt prepared.txt
    deps: [source.txt]
    outs: [prepared.txt]
  left:
    cmd: python work.py left prepared.txt left.txt
    deps: [prepared.txt]
    params: [left]
    outs: [left.txt]
    meta: {resources: {gpu: 1}}
  score:
    matrix: {task: [a, b]}
    cmd: python work.py score@${item.task} prepared.txt score_${item.task}.txt reports/${item.task}.json
    deps: [prepared.txt]
    outs: ["score_${item.task}.txt"]
    metrics: ["reports/${item.task}.json": {cache: false}]
  total:
    cmd: python work.py total left.txt total.txt
    deps: [left.txt, score_a.txt, score_b.txt]
    outs: [total.txt]
"""

# What a stage does is told by files beside it, so that DVC sees no difference.
WORK_PY = """
import json, os, pathlib, signal, sys, time

name, source, target, *reports = sys.argv[1:]
with open("started", "a") as log:
    print(name, file=log)
pathlib.Path(f"pid-{name}").write_text(str(os.getpid()))
print("interpreter", sys.executable)
print(f"::progress {name} 1/2")
if (peer := pathlib.Path(f"meet-{name}")).exists():
    deadline = time.monotonic() + 60
    while peer.read_text() not in pathlib.Path("started").read_text().split():
        if time.monotonic() > deadline:
            sys.exit("the other stage never started")
        time.sleep(0.05)
if (killed := pathlib.Path(f"kill-{name}")).exists():
    killed.unlink()
    os.kill(os.getpid(), signal.SIGKILL)
if pathlib.Path(f"fail-{name}").exists():
    sys.exit("there is no such corpus")
while pathlib.Path(f"hang-{name}").exists():
    time.sleep(0.05)
text = pathlib.Path(source).read_text() + name
pathlib.Path(target).write_text(text)
for report in reports:
    pathlib.Path(report).parent.mkdir(exist_ok=True)
    pathlib.Path(report).write_text(json.dumps({"size": {"characters": len(text)}}))
print(f"::progress {name} 2/2")
"""


class Started(subprocess.Popen[str]):
    """A command that ends with the block it was started for, so that what failed there is what is reported."""

    def __exit__(self, kind: Any, *more: Any) -> None:
        if kind is not None and self.poll() is None:
            self.terminate()  # a run ends its stages
            with suppress(subprocess.TimeoutExpired):
                self.communicate(timeout=PATIENCE)
            if self.poll() is None:
                os.killpg(self.pid, signal.SIGKILL)
        super().__exit__(kind, *more)


@dataclass(frozen=True, kw_only=True)
class Toy:
    """A repository of five small stages: prepare -> left, score@a, score@b -> total."""

    root: Path

    def start(self, *arguments: str, module: str = "flows.pipeline", by: Sequence[str] = ()) -> Started:
        """Start `python -m MODULE` here, `by` a command that takes it. What the tests' own shell configured is not
        passed on."""
        mine = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "ROSPHERE_"))}
        return Started(
            [*by, sys.executable, "-m", module, *arguments],
            cwd=self.root,
            env={**mine, "PYTHONPATH": str(HOUSE), "ROSPHERE_WORKERS": "2"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, module: str = "flows.pipeline") -> tuple[int, str]:
        """Exit code and output of a whole run."""
        with self.start(*arguments, module=module) as run:
            output, _ = run.communicate(timeout=240)
        return run.returncode, output

    def started(self) -> list[str]:
        """The stages whose command was started since the last call, in that order."""
        log = self.root / "started"
        names = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return names

    def tell(self, what: str, text: str = "") -> Path:
        """`fail-left`, `hang-left`, `kill-left`, `meet-left` (with the name of the peer)."""
        (self.root / what).write_text(text)
        return self.root / what


@dataclass(frozen=True, kw_only=True)
class PrefectServer:
    """A server for these tests alone."""

    port: int

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and answer; asked once more while the server's database is locked."""
        return ask(self.api, method, path, body)

    def post(self, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        """The answer to a filter, such as `/task_runs/filter`."""
        status, answer = self.ask("POST", path, body)
        assert status == 200, f"{path}: {status} {str(answer)[:500]}"
        found: list[dict[str, Any]] = answer
        return found


@pytest.fixture(name="eventually")
def _eventually() -> Callable[..., None]:
    return eventually


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    root = tmp_path / "toy"
    root.mkdir()
    command = [sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"]
    subprocess.run(command, cwd=root, check=True, env={**os.environ, "DVC_NO_ANALYTICS": "1"})
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "params.yaml").write_text("left: 1\n")
    (root / "work.py").write_text(WORK_PY)
    (root / "source.txt").write_text("source")
    return Toy(root=root)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    home = tmp_path_factory.mktemp("prefect")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        server = PrefectServer(port=probe.getsockname()[1])
    env = {
        **os.environ,
        **settings(home),
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": server.api,
    }
    command = [
        sys.executable,
        "-m",
        "prefect",
        "server",
        "start",
        "--host",
        "127.0.0.1",
        "--port",
        str(server.port),
    ]
    lines: list[str] = []
    with Commands() as commands:  # which ends the server even if this process is killed
        thread = threading.Thread(
            target=commands.run, args=(command,), kwargs={"on_line": lines.append, "env": env, "cwd": home}
        )
        thread.start()
        eventually(
            lambda: environment.answers(server.api) or not thread.is_alive(),
            "the Prefect server answers",
            300,
        )
        assert thread.is_alive(), "the Prefect server ended:\n" + "\n".join(lines[-40:])
        yield server


@pytest.fixture
def served_toy(toy: Toy, prefect_server: PrefectServer) -> Iterator[Toy]:
    """The toy with a UI's server to report to, found the way a run finds it: by its announced address."""
    with environment.announce(toy.root, prefect_server.api):
        yield toy


@pytest.fixture
def kept_toy(served_toy: Toy) -> Toy:
    """The toy in git with a server to report to."""
    return _in_git(served_toy)


@pytest.fixture
def in_git(toy: Toy) -> Toy:
    """The toy in git."""
    return _in_git(toy)


def _in_git(toy: Toy) -> Toy:
    """As DVC leaves it to be committed, up to date."""
    root = toy.root
    (root / ".gitignore").write_text("/*.txt\n!/source.txt\n/started\n/pid-*\n/.run/\n")
    me = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    (root / ".dvc" / "config").write_text("[core]\n    analytics = false\n")  # no longer without git
    subprocess.run(["git", "add", "."], cwd=root, check=True)
    subprocess.run(["git", *me, "commit", "--quiet", "--message", "toy"], cwd=root, check=True)
    command = [sys.executable, "-m", "dvc", "repro", "--quiet"]
    subprocess.run(command, cwd=root, check=True, env=for_commands())
    toy.started()
    return toy
