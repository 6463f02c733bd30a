"""The services around a run: killed, dead, or those of strangers."""

from __future__ import annotations

import random
import signal
import socket
import time
from typing import Any

from tests.asking import ask
from tests.faults.case import Ending, case
from tests.faults.ground import Place, hang, stale
from tests.faults.processes import Command, send, until
from tests.faults.signals import Fault, recovered, settle, to, to_all, to_terminal

DEAD = "http://127.0.0.1:1"
FLOW_SECONDS = 30.0  # of a flow on the toy, the start of its server included

FLOW_FAULTS: dict[str, Fault] = {
    "kill -9 of the flow": to("flow", signal.SIGKILL),
    "SIGTERM to the flow": to("flow", signal.SIGTERM),
    "SIGHUP to the flow": to("flow", signal.SIGHUP),
    "Ctrl-C in the flow": to_terminal(signal.SIGINT),
    "Ctrl-C twice in the flow": to_terminal(signal.SIGINT, times=2),
    "kill -9 of the flow's server": to("server", signal.SIGKILL),
    "kill -9 of the flow's guardian": to("guardian", signal.SIGKILL),
    "kill -9 of the flow and all": to_all,
}


def declare(name: str, fault: Fault) -> None:
    @case(name, "toy")
    def play(place: Place, source: random.Random, ending: Ending) -> None:
        stale(place)
        command = place.processes.start("flows.pipeline")
        wait = source.uniform(0.1, 0.9) * FLOW_SECONDS
        time.sleep(wait)
        ending.moment = f"after {wait:.0f} s{fault(place, command)}"
        next_flow(place, ending, command)


def next_flow(place: Place, ending: Ending, command: Command) -> None:
    """The flow has met its fault; the next one puts all right."""
    ending.exit = command.wait().code
    ending.lost += [f"still runs: {each}" for each in place.processes.end()]
    again = place.run("flows.pipeline")
    ending.seconds = again.seconds
    ending.expect(again.code == 0, f"the next flow: {again.output[-300:]}")
    ending.same = place.equal()
    settle(place, ending)


for title, each in FLOW_FAULTS.items():
    declare(title, each)


@case("kill -9 of the flow, a stage at work", "toy")
def flow_killed_late(place: Place, source: random.Random, ending: Ending) -> None:
    stale(place)
    hanging = hang(place)
    command = place.processes.start("flows.pipeline")
    until((lambda: "left" in place.begun()), "left runs")
    ending.moment = f"left runs{to('flow', signal.SIGKILL)(place, command)}"
    hanging.unlink()
    next_flow(place, ending, command)


@case("a dead PREFECT_API_URL", "toy")
def dead_api(place: Place, source: random.Random, ending: Ending) -> None:
    stale(place)
    done = place.run("flows.pipeline", PREFECT_API_URL=f"{DEAD}/api")
    ending.exit = done.code
    ending.expect(done.code == 1 and "Traceback" not in done.output, done.output[-300:])
    recovered(place, ending)


@case("a dead MLFLOW_TRACKING_URI", "ours")
def dead_tracking(place: Place, source: random.Random, ending: Ending) -> None:
    done = place.run(*place.repro(), MLFLOW_TRACKING_URI=DEAD)
    ending.exit = done.code
    ending.expect(done.code == 0, done.output[-300:])
    ending.expect(any((place.root / ".run" / "run_logs").glob("*")), "the run log is gone")
    recovered(place, ending)


@case("a tracking server that accepts and says nothing", "ours")
def mute_tracking(place: Place, source: random.Random, ending: Ending) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        done = place.run(*place.repro(), MLFLOW_TRACKING_URI=f"http://127.0.0.1:{mute.getsockname()[1]}")
        ending.exit = done.code
        ending.expect(done.code == 0, done.output[-300:])
        ending.lost += [f"still runs: {each}" for each in place.processes.end()]
    recovered(place, ending)


class Stack:
    """`make ui` of the place, and what can be asked of its server."""

    def __init__(self, place: Place) -> None:
        self.place, self.ports = place, (_free_port(), _free_port())
        self.command: Command = self.start()

    def start(self) -> Command:
        ports = ("--prefect-port", str(self.ports[0]), "--mlflow-port", str(self.ports[1]))
        self.command = self.place.processes.start("flows.ui", *ports)
        until(
            lambda: "prefect deployment run" in self.command.output or self.command.process.poll() is not None, "the UI"
        )
        assert self.command.process.poll() is None, self.command.output
        return self.command

    def ask(self, method: str, path: str, body: object = None) -> Any:
        status, answer = ask(f"http://127.0.0.1:{self.ports[0]}/api", method, path, body)
        assert status < 300, f"{method} {path}: {status} {str(answer)[:300]}"
        return answer

    def submit(self, **parameters: object) -> str:
        deployment = self.ask("GET", "/deployments/name/pipeline/pipeline")["id"]
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return str(self.ask("POST", f"/deployments/{deployment}/create_flow_run", body)["id"])

    def state(self, run: str) -> str:
        return str(self.ask("GET", f"/flow_runs/{run}")["state_type"])

    def stop(self, ending: Ending) -> None:
        self.command.process.send_signal(signal.SIGTERM)
        ending.expect(self.command.wait().code == 0, f"the UI: {self.command.output[-200:]}")
        ending.lost += [f"still runs: {each}" for each in self.place.processes.end()]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@case("kill -9 of the worker, a run Pending and one queued", "toy")
def worker_killed(place: Place, source: random.Random, ending: Ending) -> None:
    stale(place)
    stack = Stack(place)
    runs = [stack.submit(), stack.submit()]
    until(lambda: stack.state(runs[0]) == "PENDING", "Pending")
    time.sleep(source.uniform(0, 2))
    begun = time.monotonic()
    send(place.processes.alive("worker"), signal.SIGKILL)
    until(lambda: all(stack.state(run) == "COMPLETED" for run in runs), "both have run")
    ending.moment, ending.seconds, ending.same = "Pending", time.monotonic() - begun, place.equal()
    stack.stop(ending)
    settle(place, ending)


@case("kill -9 of the worker, a run at work", "toy")
def worker_killed_late(place: Place, source: random.Random, ending: Ending) -> None:
    stale(place)
    stack = Stack(place)
    hanging = hang(place)
    run = stack.submit()
    until((lambda: "left" in place.begun()), "left runs")
    send(place.processes.alive("worker"), signal.SIGKILL)
    begun = time.monotonic()
    until(lambda: stack.state(run) == "CRASHED", "Crashed")
    hanging.unlink()
    again = stack.submit()
    until(lambda: stack.state(again) == "COMPLETED", "the next one has run")
    ending.moment, ending.seconds, ending.same = "left runs", time.monotonic() - begun, place.equal()
    stack.stop(ending)
    settle(place, ending)


@case("a running flow run is deleted, one queued", "toy")
def deleted(place: Place, source: random.Random, ending: Ending) -> None:
    stale(place)
    stack = Stack(place)
    hanging = hang(place)
    runs = [stack.submit(), stack.submit()]
    until((lambda: "left" in place.begun()), "left runs")
    stack.ask("DELETE", f"/flow_runs/{runs[0]}")
    begun = time.monotonic()
    until(lambda: place.begun().count("left") == 2, "the first is gone, the second runs")
    hanging.unlink()
    until(lambda: stack.state(runs[1]) == "COMPLETED", "the queued one has run")
    ending.moment, ending.seconds, ending.same = "left runs", time.monotonic() - begun, place.equal()
    stack.stop(ending)
    settle(place, ending)


@case("kill -9 of `make ui`, a stranger's on its port", "toy")
def stranger(place: Place, source: random.Random, ending: Ending) -> None:
    mine = Stack(place)
    mine.command.process.kill()
    mine.command.wait()
    ending.exit = mine.command.process.returncode
    ending.lost += [f"still runs: {each}" for each in place.processes.end()]
    other = place.root.parent / "other"
    place.git("clone", "--quiet", str(place.root), str(other))
    ports = ("--prefect-port", str(mine.ports[0]), "--mlflow-port", str(mine.ports[1]))
    theirs = place.processes.start("flows.ui", *ports, cwd=other)
    until(lambda: "prefect deployment run" in theirs.output, "the other UI")
    stale(place)
    done = place.run("flows.pipeline")
    ending.seconds = done.seconds
    ending.expect(done.code == 0, done.output[-300:])
    ending.expect(mine.ask("POST", "/flow_runs/filter", {}) == [], "the run appears at the stranger's")
    ending.same = place.equal()
    theirs.process.send_signal(signal.SIGTERM)
    theirs.wait()
    settle(place, ending)
