"""Some stages on a machine that keeps nothing: for so many minutes, then all that was made packed to be carried home.

    python -m pipeline.run.bundle run --minutes 9 --out DIR STAGE ...    STAGE: pretrain, widen, evaluate@tnews, ...
    python -m pipeline.run.bundle take DIR                               unpacks what was packed, here or there

Neither DVC nor Prefect nor MLflow is needed. Stages run in the order given, by their commands in dvc.yaml. When time is
up, or when it is told to stop, the one that runs saves its state and is packed with its checkpoint: take the folder in
at the next machine, give the same command, and it goes on where it was; what was finished is not done again while
params.yaml stays as it is. At home `python -m pipeline.tracking sync` delivers the metrics to MLflow, and
`dvc commit -f STAGE ...` tells DVC that the outputs are those of their stages.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.run import archive
from pipeline.run.identity import fingerprint, read_by
from pipeline.tracking import former_folder
from pipeline.workspace import dvc_yaml, hangup, paths
from pipeline.workspace.dvc_yaml import Declared
from pipeline.workspace.environment import DVC_STAGE, UPLOADER
from rosphere import files
from rosphere.errors import InputError

PARAMS, HERE = Path("params.yaml"), Path()
STATE, FORMER_STATE = paths.finished(HERE), paths.formerly_finished(HERE)
ALWAYS = (paths.checkpoints(HERE), paths.run_logs(HERE), STATE)
SAVING = 60.0  # seconds for a stage to save after it was asked to stop
POLL = 0.2
UNFINISHED = 3  # our exit code when time was up, or when we were told to stop
MEBI = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Step:
    """One stage to be run."""

    name: str
    command: list[str]
    made: list[Path]  # outputs, metrics and plots


def step(stage: Declared) -> Step:
    """As a command of its own, without the shell that dvc.yaml's is written for."""
    command = shlex.split(stage.command.removeprefix("exec "))
    program = sys.executable if command[0] == "python" else command[0]
    return Step(name=stage.name, command=[program, *command[1:]], made=list(stage.made))


def declared(names: Sequence[str]) -> list[Step]:
    """The stages of dvc.yaml that have these names.

    Raises:
        InputError: there is no such stage.
    """
    return [step(dvc_yaml.required(HERE, name)) for name in names]


class Told:
    """Whether this process was told to stop, by SIGINT, SIGTERM or SIGHUP: packing is still to come."""

    def __init__(self) -> None:
        self.by: signal.Signals | None = None
        self._terminals = hangup.terminals()
        for number in hangup.stop_signals():
            signal.signal(number, self._receive)

    def _receive(self, number: int, frame: object) -> None:
        if number == signal.SIGHUP:
            hangup.let_go(self._terminals)
        self.by = self.by or signal.Signals(number)


def run(steps: Sequence[Step], seconds: float, told: Told | None = None) -> bool:
    """Whether all of the stages are finished, by this bundle or an earlier one.

    Raises:
        subprocess.CalledProcessError: a stage failed.
    """
    end = time.monotonic() + seconds
    for each in steps:
        if _finished(each):
            print(f"{each.name}: finished by an earlier bundle", flush=True)
        elif not _run(each, end, told):
            return False
        else:
            _note(each)
    return True


def _run(each: Step, end: float, told: Told | None) -> bool:
    """Whether the stage came to its end before the time ``end``, and before we were told to stop."""

    def over() -> bool:
        return time.monotonic() >= end or (told is not None and told.by is not None)

    if over():
        return False
    # The metrics go home in the run log: a database here would not.
    environment = {**os.environ, DVC_STAGE: each.name, UPLOADER: "0"}
    process = subprocess.Popen(each.command, env=environment)
    while process.poll() is None and not over():
        time.sleep(POLL)
    if over():
        process.send_signal(signal.SIGTERM)  # the stage saves and leaves, unless it has just come to its end
        try:
            return process.wait(SAVING) == 0
        except subprocess.TimeoutExpired:
            process.kill()  # its last checkpoint stands
            process.wait()
            return False
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, each.command)
    return True


def _key(each: Step) -> str:
    """Changes with params.yaml and with what the stage reads: then a finished stage is none."""
    return fingerprint([each.name, PARAMS.read_text(encoding="utf-8"), read_by(HERE, each.name)])[:16]


def _known() -> dict[str, str]:
    there = [path for path in (FORMER_STATE, STATE) if path.is_file()]
    return {name: key for path in there for name, key in json.loads(path.read_text(encoding="utf-8")).items()}


def _finished(each: Step) -> bool:
    return _known().get(each.name) == _key(each) and all(path.exists() for path in each.made)


def _note(each: Step) -> None:
    files.write_text(STATE, json.dumps(_known() | {each.name: _key(each)}, indent=1) + "\n")


def pack(steps: Sequence[Step], out: Path, part: int) -> list[Path]:
    """Everything that these stages made, and their state, as files of at most ``part`` bytes in ``out``."""
    former_folder.move(HERE)
    made = (path for each in steps for path in each.made)
    return archive.pack([path for path in (*made, *ALWAYS) if path.exists()], out, part)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="run stages and pack what they made")
    one.add_argument("stages", nargs="+", metavar="STAGE")
    one.add_argument("--minutes", type=float, required=True, help="for the stages; packing comes on top")
    one.add_argument("--out", type=Path, required=True, help="folder for the bundle")
    one.add_argument("--part", type=int, default=16, help="MiB of a packed file at most")
    commands.add_parser("take", help="unpack a bundle").add_argument("folder", type=Path)
    return parser.parse_args()


def main() -> None:
    options, here = _arguments(), Path.cwd()
    try:
        paths.enter()
        if options.command == "take":
            print(f"{options.folder}: {archive.take(here / options.folder)} files taken")
            return
        steps, told = declared(options.stages), Told()
        try:
            status: int | str | None = None if run(steps, 60 * options.minutes, told) else UNFINISHED
        except subprocess.CalledProcessError as error:
            status = f"error: {shlex.join(error.cmd)} ended with exit code {error.returncode}; what there is, is packed"
        parts = pack(steps, here / options.out, options.part * MEBI)
    except InputError as error:
        sys.exit(f"error: {error}")
    print(f"{options.out}: {len(parts)} files of at most {options.part} MiB")
    if status == UNFINISHED:
        why = f"stopped by {told.by.name}" if told.by else "time was up"
        print(f"{why}: take this folder in and give the same command to go on", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
