"""Several processes for one stage on one machine: the stage's own process leads, followers run the same command.

Not by way of torchrun: it would stand between the trainer and whoever signals it, answer 1 whatever the exit code was,
and end every mistake of a user in a traceback of its own. Where torchrun itself started the processes, on one machine
or on several, a stage finds its place in the same variables and starts nobody.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.run.lease import lease, visible
from pipeline.workspace.environment import PROCESSES
from pipeline.workspace.gpus import devices
from rosphere.errors import InputError

WATCH_SECONDS = 0.5  # for the watch over a follower to say that it was killed
LAST_WORDS_SECONDS = 10.0  # for the leader to find out, and say, what made a follower fail
LEADER = "ROSPHERE_LEADER"  # in a follower's environment: the process it lives and dies with


@dataclass(frozen=True, kw_only=True)
class Place:
    """This process among all of its group, and among those on this machine."""

    rank: int
    count: int
    local_rank: int
    local_count: int
    started_in: Path  # the folder in which its command can be given again

    @property
    def led(self) -> bool:
        """Whether this is a follower of a stage, which speaks for it and ends it, and not of torchrun."""
        return LEADER in os.environ

    @property
    def ending(self) -> signal.Signals:
        """What the death of the parent means: a led follower has nothing to save and nobody to go on with."""
        return signal.SIGKILL if self.led else signal.SIGTERM


def place() -> Place:
    """From the variables that torchrun sets, alone without them; to be asked before the folder is changed."""
    count = _number("WORLD_SIZE", 1)
    if count <= 1:  # whatever else was left behind
        return Place(rank=0, count=1, local_rank=0, local_count=1, started_in=Path.cwd())
    return Place(
        rank=_number("RANK", 0),
        count=count,
        local_rank=_number("LOCAL_RANK", 0),
        local_count=_number("LOCAL_WORLD_SIZE", count),
        started_in=Path.cwd(),
    )


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable, "").strip()
    if text and not text.isdecimal():
        raise InputError(f"{variable}: expected a number, got {text!r}")
    return int(text) if text else default


@contextmanager
def leased(gpus: int, place: Place, divides: bool = True) -> Iterator[tuple[str, ...]]:
    """The devices of a stage that asks for ``gpus``, held by the first process of the group on this machine.

    Under torchrun they are the machine's first ones, which the others can know without being told.
    """
    first = devices()[: place.local_count]
    if place.led:
        yield ()  # the environment came from the leader, who holds them
    elif place.local_rank > 0:
        with visible(first):
            yield first
    elif place.count > 1:
        with lease(place.local_count, among=first) as names:
            yield names
    else:
        with lease(gpus and ((divides and _asked()) or gpus)) as names:
            yield names


def size(gpus: int, place: Place, leased: Sequence[str], divides: bool = True) -> int:
    """How many processes this one should lead, itself counted: ROSPHERE_PROCESSES, else one for each leased device.

    Only one for a stage that asks for no GPU, since it hardly trains, and one where torchrun started the others.
    ROSPHERE_PROCESSES is not meant for a stage that does not divide its batches.
    """
    return 1 if place.count > 1 or not gpus else (divides and _asked()) or max(1, len(leased))


def _asked() -> int | None:
    text = os.environ.get(PROCESSES)
    if text is None:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"{PROCESSES}: expected a number of processes, 1 or more, got {text!r}")
    return int(text)


@contextmanager
def followers(count: int, started_in: Path) -> Iterator[None]:
    """Processes 1 to ``count`` - 1 of a group that this process leads, until the block ends.

    They run this process's own command in the folder it was started in, and in a session of their own: a Ctrl-C reaches
    the leader alone, which tells them. When one fails, the leader ends too.
    """
    if count == 1:
        yield
        return
    listening = socket.create_server(("127.0.0.1", 0))
    with _environment(_variables(count, listening.getsockname()[1])):
        store = _store(listening)
        over = threading.Event()
        team = [_start(rank, started_in) for rank in range(1, count)]
        for rank, process in enumerate(team, 1):
            threading.Thread(target=_watch, args=(f"process {rank} of {count}", process, over), daemon=True).start()
        try:
            yield
        except Exception:
            # A follower's death may show first as a broken connection; its watch says what it was.
            time.sleep(WATCH_SECONDS)
            raise
        finally:
            over.set()
            for process in team:
                process.kill()
                process.wait()
            del store


def threads(count: int) -> int:
    """Cores for each of ``count`` processes."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, cores // count)


def _variables(count: int, port: int) -> dict[str, str]:
    """What torch.distributed asks of the environment, with the leader's place; what a user has set stays."""
    loopback = "lo" if sys.platform == "linux" else "lo0"
    choices = {
        "OMP_NUM_THREADS": str(threads(count)),
        "GLOO_SOCKET_IFNAME": loopback,
        "NCCL_SOCKET_IFNAME": loopback,
    }
    return {
        **{name: os.environ.get(name, value) for name, value in choices.items()},
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # there is a store at that port: nobody need open one
    }


def _store(listening: socket.socket) -> Any:
    """Where the processes find one another, on a port that the kernel chose and nobody can take meanwhile."""
    import torch
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    most = os.environ["OMP_NUM_THREADS"].partition(",")[0]  # the first of a list is for the outermost level
    if most.isdecimal() and int(most):
        torch.set_num_threads(int(most))  # OpenMP has read the variable already
    host, port = listening.getsockname()
    return TCPStore(host, port, is_master=True, wait_for_workers=False, master_listen_fd=listening.detach())


def _start(rank: int, started_in: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, *sys.orig_argv[1:]],
        env={**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), LEADER: str(os.getpid())},
        cwd=started_in,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def _watch(name: str, process: "subprocess.Popen[bytes]", over: threading.Event) -> None:
    """End this process when a follower fails; one that was killed (for its memory?) cannot have said so itself."""
    code = process.wait()
    if code < 0 and not over.is_set():
        print(f"error: {name} was ended by {signal.Signals(-code).name}", file=sys.stderr, flush=True)
    if code and not over.wait(LAST_WORDS_SECONDS):
        print(f"error: {name} is gone, exit code {code}", file=sys.stderr, flush=True)
        os._exit(1)  # the main thread waits for the follower's share, where no signal reaches it


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
