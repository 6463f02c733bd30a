"""What a case of the drill is: a fault at a moment, what was done about it, and how it ended."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(kw_only=True)
class Ending:
    """How a case ended; what is empty here was as it should be.

    `exit` is that of the command that met the fault, `seconds` how long the next one took to put all right.
    """

    moment: str = "-"
    exit: int | None = None
    seconds: float | None = None
    lost: list[str] = field(default_factory=list)
    same: bool | None = None  # bytes, as of a run that nothing disturbed; None where nothing is to compare

    @property
    def sound(self) -> bool:
        return not self.lost and self.same is not False

    def expect(self, holds: bool, what: str) -> None:
        """Note as lost what does not hold."""
        if not holds:
            self.lost.append(what)


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str  # the fault
    ground: str  # which workspace it is played on
    play: Callable[[Any, random.Random, Ending], None]


CASES: dict[str, Case] = {}


def case(name: str, ground: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Declares a function (place, source of random numbers, ending to fill) as the case of this name."""

    def declared(play: Callable[..., None]) -> Callable[..., None]:
        assert name not in CASES, f"two cases are called {name!r}"
        CASES[name] = Case(name=name, ground=ground, play=play)
        return play

    return declared


def chosen(words: list[str]) -> Iterator[Case]:
    """The cases whose name or ground has one of the words in it; all without words."""
    for each in CASES.values():
        if not words or any(word in f"{each.name} {each.ground}" for word in words):
            yield each


def finished(path: Path) -> dict[str, dict[str, Any]]:
    """The cases that a file of JSON lines holds, by name; a line that was cut off is not one."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        found[row["fault"]] = row
    return found
