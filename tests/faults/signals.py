"""Signals to each process of a training, at random moments."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from tests.faults.case import Ending, case
from tests.faults.ground import Place, leftovers, stale
from tests.faults.processes import Command, Stuck, send

Fault = Callable[[Place, Command], str]


def moment(place: Place, source: random.Random, command: Command) -> str:
    """Wait for a random moment of the command; which one that was."""
    share = source.uniform(0.05, 0.95)
    with suppress(Stuck):
        deadline = time.monotonic() + share * place.seconds
        while command.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
    return f"{share:.0%}"


def to(role: str, number: signal.Signals) -> Fault:
    """A signal to the processes of one role, as soon as there is one."""

    def fault(place: Place, command: Command) -> str:
        while command.process.poll() is None:
            if send(place.processes.alive(role), number):
                return ""
            time.sleep(0.02)
        return ", too late"

    return fault


def to_terminal(number: signal.Signals, times: int = 1) -> Fault:
    """A signal to the whole group, as a terminal gives it."""

    def fault(place: Place, command: Command) -> str:
        for _ in range(times):
            with suppress(ProcessLookupError):
                os.killpg(command.group, number)
            time.sleep(0.7 if times > 1 else 0)
        return ""

    return fault


def to_all(place: Place, command: Command) -> str:
    """As when the power fails."""
    send(place.processes.alive(), signal.SIGKILL)
    return ""


def recovered(place: Place, ending: Ending) -> None:
    """One further run puts all right: the bytes are those of an undisturbed one, and nothing is left behind."""
    ending.lost += [f"still runs: {each}" for each in place.processes.end()]
    done = place.run(*place.repro())
    ending.seconds = done.seconds
    ending.expect(done.code == 0, f"the next run: exit {done.code}: {done.output[-200:]}")
    ending.same = place.equal()
    settle(place, ending)


def settle(place: Place, ending: Ending) -> None:
    """What is still to be delivered to MLflow, and then nothing may be left."""
    ending.lost += [f"still runs: {each}" for each in place.processes.end()]
    if any((place.root / ".run" / "run_logs").glob("*")) or "MLflow" in str(leftovers(place)):
        done = place.run("pipeline.tracking", "sync")
        ending.expect(done.code == 0, f"sync: {done.output[-200:]}")
    ending.lost += leftovers(place)


def disturbed(place: Place, source: random.Random, ending: Ending, fault: Fault) -> None:
    stale(place)
    command = place.processes.start(*place.repro())
    ending.moment = moment(place, source, command)
    ending.moment += fault(place, command)
    ending.exit = command.wait().code
    recovered(place, ending)


FAULTS: dict[str, Fault] = {
    "kill -9 of dvc": to("dvc", signal.SIGKILL),
    "SIGTERM to dvc": to("dvc", signal.SIGTERM),
    "kill -9 of the stage": to("stage", signal.SIGKILL),
    "SIGTERM to the stage": to("stage", signal.SIGTERM),
    "SIGHUP to the stage": to("stage", signal.SIGHUP),
    "Ctrl-C": to_terminal(signal.SIGINT),
    "Ctrl-C twice": to_terminal(signal.SIGINT, times=2),
    "a closed terminal": to_terminal(signal.SIGHUP),
    "SIGTERM to all of it": to_terminal(signal.SIGTERM),
    "kill -9 of everything": to_all,
}


def declare(name: str, ground: str, fault: Fault) -> None:
    @case(name, ground)
    def play(place: Place, source: random.Random, ending: Ending) -> None:
        disturbed(place, source, ending, fault)


for title, each in FAULTS.items():
    declare(f"{title}, training", "ours", each)
    declare(f"{title}, between stages", "toy", each)
declare("kill -9 of the uploader, training", "ours", to("uploader", signal.SIGKILL))
