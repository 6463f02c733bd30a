"""A run that was deleted ends as a cancelled one does: in no list any more, nobody could stop it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect import runtime

EVERY = 10.0  # seconds between two looks


@contextmanager
def required() -> Iterator[None]:
    """Tell this process to end (SIGTERM) if the server does not know its flow run any more, while the block lasts."""
    over = threading.Event()
    if run := runtime.flow_run.id:
        threading.Thread(target=watch, args=(UUID(run), over), name="presence", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def watch(run: UUID, over: threading.Event) -> None:
    """Look for the flow run `run` every now and then, until `over` is set."""
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        while not over.wait(EVERY):
            try:
                client.read_flow_run(run)
            except ObjectNotFound:
                print("this flow run has been deleted: stopping", file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGTERM)
                return
            except httpx.HTTPError:  # a server that is away has deleted nothing
                continue
