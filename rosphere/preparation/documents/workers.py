"""The same function over many parts: in this process, on all cores of this machine, or on a cluster of Dask's.

What comes out is in the order of what goes in, whoever did it.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import connection
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar
from urllib.parse import urlsplit

from rosphere.errors import InputError, Interrupted, first_line

LOCAL = "local"
FEW = 4  # jobs that are not worth starting a process for
AHEAD = 2  # jobs handed out for each worker: one in work, one waiting
PATIENCE = 30.0  # seconds that a scheduler is given to answer
RETRIES = 3  # of a job whose worker was lost

J = TypeVar("J")
R = TypeVar("R")


class Result(Protocol):
    """What a future has once it is done."""

    def result(self) -> Any: ...

    def cancel(self) -> Any: ...


class Workers:
    """``engine`` is "local", with ``count`` processes, or the address of a Dask scheduler, ``tcp://host:8786``, whose
    workers see this machine's files under the same names and have rosphere installed.

    A local worker that was killed is an error, and what was finished is found again by whoever runs the same once more;
    on a cluster the job goes to another.
    """

    def __init__(
        self, engine: str = LOCAL, count: int | None = None, *, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self.engine, self.stopping = engine, stopping
        self.count = count or _cores()
        self._pool: ProcessPoolExecutor | None = None
        self._client = None if engine == LOCAL else _client(engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)  # what is in work ends first: nobody writes after us
        if self._client is not None:
            self._client.close()

    def map(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[R]:
        """``function(job)`` of all jobs, in order. Jobs are taken as there is room for them.

        Raises:
            Interrupted: it is time to stop.
            InputError: a worker was lost, or the cluster.
        """
        waiting = iter(jobs)
        first = list(itertools.islice(waiting, FEW))
        if self._client is None and (self.count == 1 or len(first) < FEW):
            for job in itertools.chain(first, waiting):
                self._look()
                yield function(job)
            return
        yield from self._spread(function, itertools.chain(first, waiting))

    def _spread(self, function: Callable[[J], R], jobs: Iterator[J]) -> Iterator[R]:
        submit, threads = self._submitting(function)
        pending: deque[Result] = deque()
        try:
            for job in jobs:
                self._look()
                pending.append(submit(job))
                if len(pending) >= AHEAD * threads:
                    yield self._result(pending.popleft())
            while pending:
                self._look()
                yield self._result(pending.popleft())
        finally:
            for each in pending:
                each.cancel()

    def _submitting(self, function: Callable[[J], R]) -> tuple[Callable[[J], Result], int]:
        client = self._client
        if client is not None:
            threads = sum(client.nthreads().values())
            if not threads:
                raise InputError(f"params.yaml: prepare.engine: the scheduler {self.engine} has no workers")
            return lambda job: client.submit(function, job, pure=False, retries=RETRIES), threads
        if self._pool is None:
            # "spawn": forking a process that already runs threads can hang.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.count, mp_context=context, initializer=begin)
        pool = self._pool
        return lambda job: pool.submit(function, job), self.count

    def _result(self, future: Result) -> Any:
        try:
            return future.result()
        except BrokenProcessPool as error:
            self._look()  # a signal to all of them is no want of memory
            raise InputError(
                "a worker process was killed, perhaps for want of memory: run again, what was finished is kept; "
                "fewer of them need less (params.yaml: prepare.workers)"
            ) from error
        except Exception as error:
            if self._client is not None and type(error).__module__.partition(".")[0] == "distributed":
                raise InputError(f"params.yaml: prepare.engine: {self.engine}: {first_line(error)}") from error
            raise

    def _look(self) -> None:
        if self.stopping():
            raise Interrupted


def begin() -> None:
    """Of a local worker: signals are its parent's to act upon, and without its parent it ends."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # every core has a worker
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    with suppress(OSError):
        connection.wait([sentinel])
    os._exit(1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def require_engine(engine: str) -> tuple[str, int]:
    """The host and port of a scheduler; of "local" neither. Raises InputError where it is no address of one."""
    if engine == LOCAL:
        return "", 0
    found = urlsplit(engine)
    try:
        host, port = found.hostname, found.port
    except ValueError:
        host, port = None, None
    if found.scheme not in ("tcp", "tls") or not host or not port:
        raise InputError(
            "params.yaml: prepare.engine: expected local or the address of a scheduler, tcp://host:8786, got"
            f" {engine!r}"
        )
    return host, port


def _client(address: str) -> Any:
    """Raises InputError where the scheduler is not there, or Dask."""
    place = require_engine(address)
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(f"params.yaml: prepare.engine: {address} needs Dask: pip install 'rosphere[dask]'") from error
    try:
        socket.create_connection(place, timeout=PATIENCE).close()  # a client that finds none waits, and complains late
        return Client(address, timeout=PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TypeError, ValueError) as error:
        raise InputError(f"params.yaml: prepare.engine: no scheduler at {address}: {first_line(error)}") from error
