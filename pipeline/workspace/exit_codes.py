"""What a stage's exit code says to whoever started it."""

from __future__ import annotations

AGAIN = 75  # EX_TEMPFAIL of sysexits.h: nothing is wrong, try again
# As a shell reports them: 128 and the number of the signal.
INTERRUPTED = 130  # SIGINT
KILLED_OUTRIGHT = 137  # SIGKILL, by the kernel when memory is out
TERMINATED = 143  # SIGTERM: saved and left

# Killed, not broken: by SIGKILL (out of memory), by SIGTERM (saved and left), or "try again later".
KILLED = frozenset({-9, KILLED_OUTRIGHT, -15, TERMINATED, AGAIN})
