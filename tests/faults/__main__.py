"""Faults, one after the other, and what comes of them: python -m tests.faults [--list] [--json FILE] [WORD ...]

A case begins with a workspace of its own, meets its fault at a random moment, and must end with the bytes of an
undisturbed run, with nothing lost and nothing left: no process, lock, lease, temporary file or run that is still
Running. Each finished case is a line of FILE; those that are there already are not played again. Needs Linux, and root
for the cases that mount something.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from tests.faults import machine, services, sharing, signals, values  # noqa: F401 - they declare the cases
from tests.faults.case import CASES, Case, Ending, chosen, finished
from tests.faults.ground import Grounds, Place
from tests.faults.processes import MARK, Stuck
from tests.faults.table import table

GIVEN_UP = (
    AssertionError,
    OSError,
    Stuck,
    KeyError,
    subprocess.CalledProcessError,
)  # by which a case says that it could not go on


def played(case: Case, place: Place, seed: int) -> dict[str, Any]:
    """The row of one case."""
    ending, begun = Ending(), time.monotonic()
    try:
        case.play(place, random.Random(f"{seed} {case.name}"), ending)
    except GIVEN_UP as error:
        ending.lost.append(f"{type(error).__name__}: {' '.join(str(error).split())[:400]}")
    ending.lost += [f"still runs: {each}" for each in place.processes.end(10)]
    took = round(time.monotonic() - begun, 1)
    return {"fault": case.name, "ground": case.ground, **asdict(ending), "sound": ending.sound, "took": took}


def left(folder: Path) -> list[str]:
    """Processes of any case that still run, and folders of cases that are still there."""
    found = [f"folder {path.name}" for path in folder.glob("case-*")]
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK, "").startswith(str(folder)) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"process {process.pid}: {' '.join(process.cmdline())[:100]}")
        except (psutil.Error, ProcessLookupError):
            continue
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD", help="only cases with one of these in their name or ground")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--json", type=Path, default=Path(".run/faults.jsonl"))
    parser.add_argument("--folder", type=Path, help="for the workspaces; kept, so that a second drill begins sooner")
    given = parser.parse_args()
    if given.list:
        print("\n".join(f"{case.ground:6}{case.name}" for case in chosen(given.words)))
        return 0
    folder = (given.folder or Path(tempfile.mkdtemp(prefix="faults-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    given.json.parent.mkdir(parents=True, exist_ok=True)
    grounds, rows = Grounds(folder), finished(given.json)
    for case in chosen(given.words):
        if case.name not in rows:
            with grounds.copy(case.ground, list(CASES).index(case.name)) as place:
                rows[case.name] = played(case, place, given.seed)
            with given.json.open("a", encoding="utf-8") as file:
                print(json.dumps(rows[case.name], ensure_ascii=False), file=file, flush=True)
            print(
                f"{rows[case.name]['took']:6.0f} s  {'' if rows[case.name]['sound'] else 'NOT SOUND '}{case.name}",
                flush=True,
            )
    mine = [rows[case.name] for case in chosen(given.words)]
    rest, sound = left(folder), sum(row["sound"] for row in mine)
    print(table(mine), f"{len(mine)} cases, {sound} sound; left: {', '.join(rest) or 'nothing'}", sep="\n\n")
    return 0 if sound == len(mine) and not rest else 1


if __name__ == "__main__":
    sys.exit(main())
