"""A machine that gives less than it should: disk, memory, open files, shared memory, rights."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.workspace.outputs import remove
from tests.faults.case import Ending, case
from tests.faults.ground import MADE, Place, stale
from tests.faults.signals import recovered, settle

PAGE = 4096  # bytes, of which a file system in memory gives a file whole ones


def limited(place: Place, ending: Ending, limit: str, *, fails: bool) -> None:
    """A run under limits that a shell sets, then one without."""
    stale(place)
    command = " ".join(["python", "-m", *place.repro()])
    done = place.run("sh", "-c", f"{limit}; exec {command}")
    ending.moment, ending.exit = "from the start", done.code
    ending.expect((done.code != 0) == fails, f"exit {done.code}: {done.output[-200:]}")
    ending.expect("Traceback" not in done.output, f"a traceback: {done.output[-200:]}")
    recovered(place, ending)


@case("files may have 100 kB at most", "ours")
def small_files(place: Place, source: random.Random, ending: Ending) -> None:
    limited(place, ending, "ulimit -f 200", fails=True)


@case("64 open files", "ours")
def few_files(place: Place, source: random.Random, ending: Ending) -> None:
    limited(place, ending, "ulimit -n 64", fails=False)


@case("little memory", "ours")
def little_memory(place: Place, source: random.Random, ending: Ending) -> None:
    limited(place, ending, f"ulimit -v {source.randrange(600, 900) * 1000}", fails=True)


@case("no /dev/shm", "ours")
def no_shared_memory(place: Place, source: random.Random, ending: Ending) -> None:
    stale(place)
    command = " ".join(["python", "-m", *place.repro()])
    done = place.run(
        "/usr/bin/unshare", "-m", "sh", "-c", f"mount -t tmpfs -o size=4k,mode=0 none /dev/shm && {command}"
    )
    ending.moment, ending.exit, ending.seconds = "from the start", done.code, done.seconds
    ending.expect(done.code == 0, done.output[-200:])
    ending.same = place.equal()
    settle(place, ending)


@contextmanager
def small_disk(place: Place, folder: str, room: int) -> Iterator[None]:
    """A file system with little room on top of one folder of the workspace, filled with what lies there."""
    target, aside = place.root / folder, place.root.parent / "aside"
    target.mkdir(parents=True, exist_ok=True)
    shutil.copytree(target, aside, symlinks=True)
    pages = sum(-(-path.stat().st_size // PAGE) for path in aside.rglob("*") if path.is_file())
    options = f"size={max(pages * PAGE + room, PAGE)}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(target)], check=True)
    try:
        shutil.copytree(aside, target, symlinks=True, dirs_exist_ok=True)
        yield
        shutil.rmtree(aside)
        shutil.copytree(target, aside, symlinks=True)
    finally:
        subprocess.run(["umount", "--lazy", str(target)], check=True)
    shutil.copytree(aside, target, symlinks=True, dirs_exist_ok=True)


def declare_full(folder: str) -> None:
    @case(f"a full disk under {folder}", "ours")
    def full(place: Place, source: random.Random, ending: Ending) -> None:
        room = source.randrange(1, 40) * PAGE if folder != "reports" else 0  # where no file is larger than a page
        ending.moment = f"{room // 1024} kB of room"
        for path in MADE["ours"]:  # what an earlier run made would be room for the same again, once DVC empties it
            if path.startswith(f"{folder}/"):
                remove(place.root / path)
        with small_disk(place, folder, room):
            done = place.run(*place.repro())
            ending.exit = done.code
            ending.expect(folder == ".run" or done.code != 0, "it ended well, with no room")
            ending.expect("Traceback" not in done.output, f"a traceback: {done.output[-300:]}")
            ending.lost += [f"still runs: {each}" for each in place.processes.end()]
        recovered(place, ending)


for each in (".dvc", ".run", "models", "reports"):
    declare_full(each)


def declare_read_only(folder: str) -> None:
    @case(f"{folder} is read-only", "ours")
    def read_only(place: Place, source: random.Random, ending: Ending) -> None:
        """By a mount, for root may write everywhere else."""
        target = str(place.root / folder)
        Path(target).mkdir(exist_ok=True)
        subprocess.run(["mount", "--bind", target, target], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,ro,bind", target], check=True)
            done = place.run(*place.repro())
            ending.moment, ending.exit = "from the start", done.code
            ending.expect(done.code != 0, "the run did not fail")
            ending.expect("Traceback" not in done.output, f"a traceback: {done.output[-300:]}")
            ending.lost += [f"still runs: {each}" for each in place.processes.end()]
        finally:
            subprocess.run(["umount", "--lazy", target], check=True)
        recovered(place, ending)


for each in (".dvc/cache", "models"):
    declare_read_only(each)
