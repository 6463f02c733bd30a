"""SIGHUP, by which a terminal says that it was closed: a stop like others, after which nobody can be told anything."""

from __future__ import annotations

import os
import signal

OUTPUTS = (1, 2)  # standard output and error


def stop_signals() -> tuple[signal.Signals, ...]:
    """The signals that ask to stop. Not SIGHUP where whoever started us had it ignored, as `nohup` has."""
    asked = (signal.SIGINT, signal.SIGTERM)
    return asked if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (*asked, signal.SIGHUP)


def terminals() -> tuple[int, ...]:
    """Those of our outputs that are a terminal now; once it is closed nobody can tell any more."""
    return tuple(output for output in OUTPUTS if os.isatty(output))


def let_go(closed: tuple[int, ...]) -> None:
    """Lead the outputs of a closed terminal nowhere: every line written there would be an error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in closed:
        os.dup2(nowhere, output)
    os.close(nowhere)
