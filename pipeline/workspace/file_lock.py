"""A lock on an open file, taken at once or not at all. The kernel lets go of it when the file is closed or we end."""

from __future__ import annotations

import fcntl
from typing import IO, Any


def taken(file: IO[Any] | int, *, shared: bool = False) -> bool:
    """Whether the lock on a file or a descriptor could be taken, beside others who share it where it is ``shared``."""
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
