"""What the output of one `dvc repro -s STAGE` says: how it went, how far it is, why it failed."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

PROGRESS = re.compile(r"::progress (\S+) (\d+)/(\d+)")
EXIT = re.compile(r"^ERROR: failed to reproduce .* exited with (-?\d+)")
UNSAVED = "ERROR: failed to transfer"
HOW = {
    "ran": re.compile(r"^Running stage "),
    "unchanged": re.compile(r"^Stage .* didn't change, skipping"),
    "run-cache": re.compile(r"^Stage .* is cached - skipping run"),
}
ADVICE = ("To track the changes", "To enable auto staging", "\tgit add", "\tdvc config", "Use `dvc push`")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """`::progress NAME DONE/TOTAL`, printed by a stage."""

    name: str
    done: int
    total: int

    @property
    def percent(self) -> float:
        return 100 * min(1.0, self.done / max(1, self.total))


class Transcript:
    """Reads the lines of one run of one stage.

    Attributes:
        how: "ran", "unchanged", "run-cache" (outputs restored), or "checked" if DVC said none of these.
        exit_code: of the stage's own command, if DVC reported one; DVC's is 255 whatever happened.
        unsaved: whether DVC could not put outputs into its cache; its exit code does not tell.
        tail: the last lines worth showing.
    """

    def __init__(self) -> None:
        self.how = "checked"
        self.exit_code: int | None = None
        self.unsaved = False
        self.tail: deque[str] = deque(maxlen=20)

    def read(self, line: str) -> Progress | str | None:
        """What is in this line for the reader: progress, a line to log, or nothing."""
        if found := PROGRESS.match(line):
            return Progress(name=found[1], done=int(found[2]), total=int(found[3]))
        if not line.strip() or line.startswith(ADVICE):
            return None
        self.how = next((how for how, pattern in HOW.items() if pattern.match(line)), self.how)
        if found := EXIT.match(line):
            self.exit_code = int(found[1])
        self.unsaved = self.unsaved or line.startswith(UNSAVED)
        self.tail.append(line)
        return line
