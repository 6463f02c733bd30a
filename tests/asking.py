"""A Prefect server that is asked in tests, as Prefect's own client asks it: once more while its database is locked."""

from __future__ import annotations

import http.client
import json
import time
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from flows.leftovers import ATTEMPTS, BUSY


def ask(api: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """Status and answer of a server at `api`, which ends with `/api`; busy (503) only after every attempt."""
    for _ in range(ATTEMPTS - 1):
        status, answer = _once(api, method, path, body)
        if status != BUSY:
            return status, answer
        time.sleep(1.0)
    return _once(api, method, path, body)


def _once(api: str, method: str, path: str, body: object) -> tuple[int, Any]:
    address = urlsplit(api)
    with closing(http.client.HTTPConnection(address.netloc, timeout=60)) as connection:
        connection.request(method, address.path + path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read().decode()
    return response.status, json.loads(text) if text else None
