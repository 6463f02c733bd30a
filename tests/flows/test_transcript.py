"""What DVC says about a stage, read line by line; the lines are DVC's own."""

from __future__ import annotations

import pytest

from flows.transcript import Progress, Transcript


@pytest.mark.parametrize(
    ("lines", "how"),
    [
        (["Running stage 'left':", "> python work.py left"], "ran"),
        (["Stage 'left' didn't change, skipping"], "unchanged"),
        (["Stage 'left' is cached - skipping run, checking out outputs"], "run-cache"),
        (["Data and pipelines are up to date."], "checked"),
    ],
)
def test_how(lines: list[str], how: str) -> None:
    transcript = Transcript()
    assert [transcript.read(line) for line in lines] == lines
    assert transcript.how == how


def test_the_exit_code_is_dvc_s_word_not_the_stage_s() -> None:
    transcript = Transcript()
    transcript.read("worker exited with 7")
    assert transcript.exit_code is None
    transcript.read("ERROR: failed to reproduce 'left': failed to run: python work.py left, exited with -9")
    assert transcript.exit_code == -9


def test_progress_is_not_a_line() -> None:
    transcript = Transcript()
    found = transcript.read("::progress pretrain 30/120 loss=2.5")
    assert found == Progress(name="pretrain", done=30, total=120) and found.percent == 25.0
    assert not transcript.tail


def test_progress_stays_within_its_bar() -> None:
    assert Progress(name="x", done=3, total=2).percent == 100.0
    assert Progress(name="x", done=0, total=0).percent == 0.0


@pytest.mark.parametrize("line", ["", "   ", "To track the changes with git, run:", "\tgit add dvc.lock"])
def test_advice_and_blank_lines_are_dropped(line: str) -> None:
    assert Transcript().read(line) is None


def test_the_tail_is_the_end() -> None:
    transcript = Transcript()
    for number in range(100):
        transcript.read(str(number))
    assert list(transcript.tail) == [str(number) for number in range(80, 100)]


def test_outputs_that_the_cache_has_no_room_for_are_noticed() -> None:
    transcript = Transcript()
    transcript.read("Running stage 'left':")
    assert not transcript.unsaved
    transcript.read("ERROR: failed to transfer '08d6' - [Errno 28] No space left on device: 'out' -> 'cache'")
    transcript.read("Updating lock file 'dvc.lock'")
    assert transcript.unsaved and transcript.exit_code is None
