"""What a stage ends with is what a flow takes for killed."""

from __future__ import annotations

import signal

from pipeline.run.signals import Stopped
from pipeline.workspace import exit_codes


def test_the_codes_are_those_of_a_shell_and_of_sysexits() -> None:
    assert exit_codes.INTERRUPTED == 128 + signal.SIGINT
    assert exit_codes.KILLED_OUTRIGHT == 128 + signal.SIGKILL
    assert exit_codes.TERMINATED == 128 + signal.SIGTERM
    assert exit_codes.AGAIN == 75


def test_a_stage_that_was_stopped_or_may_be_tried_again_was_killed_and_a_broken_one_was_not() -> None:
    assert {Stopped().code, exit_codes.AGAIN, -signal.SIGKILL, -signal.SIGTERM} <= exit_codes.KILLED
    assert not {0, 1, 2, exit_codes.INTERRUPTED} & exit_codes.KILLED
