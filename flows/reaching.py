"""A Prefect server that is out of reach, of another version or that refuses us: one line instead of a traceback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from flows.services import StartError
from pipeline.workspace.environment import PREFECT_API

UNUSABLE = ("Failed to reach API", "Found incompatible versions")  # how Prefect's own RuntimeErrors begin


@contextmanager
def required() -> Iterator[None]:
    """Raises StartError where the block finds no server that it can use."""
    import httpx  # which Prefect imports anyway

    try:
        yield
    except httpx.HTTPStatusError as error:
        refused = f"{error.request.url} answers {error.response.status_code}"
        hint = "; is PREFECT_API_AUTH_STRING the server's?" if error.response.status_code == 401 else ""
        raise StartError(f"{refused}{hint}") from error
    except httpx.TransportError as error:
        at = os.environ.get(PREFECT_API)
        raise StartError(f"Failed to reach API at {at}: {error or type(error).__name__}; start that server") from error
    except RuntimeError as error:
        if not str(error).startswith(UNUSABLE):
            raise
        raise StartError(f"{error}; start that server, or unset PREFECT_API_URL to run without one") from error
