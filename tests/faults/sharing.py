"""Others at work: two at once, changes in the middle of a run, git, the cache and a remote."""

from __future__ import annotations

import random
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.case import Ending, case
from tests.faults.ground import CHANGED, HOUSE, RATE, Place, hang, leftovers, set_param, stale
from tests.faults.processes import Command, until
from tests.faults.signals import recovered, settle

BUSY = "another pipeline run"


@case("two `make repro` at once", "toy")
def two_at_once(place: Place, source: random.Random, ending: Ending) -> None:
    stale(place)
    one, two = place.processes.start(*place.repro()), place.processes.start(*place.repro())
    ends = [one.wait(), two.wait()]
    codes = sorted(end.code for end in ends)
    ending.exit = codes[-1]
    ending.expect(codes == [0, 0] or (codes == [0, 1] and any(BUSY in end.output for end in ends)), str(codes))
    recovered(place, ending)


@case("two flows and a `dvc repro` at once", "toy")
def two_flows(place: Place, source: random.Random, ending: Ending) -> None:
    stale(place)
    flows = [place.processes.start("flows.pipeline") for _ in range(2)]
    time.sleep(source.uniform(0, 20))
    bare = place.processes.start("dvc", "repro")
    ends = [each.wait() for each in (*flows, bare)]
    ending.exit = max(end.code for end in ends)
    ending.expect(min(end.code for end in ends) == 0, "none of them came to its end")
    ending.expect(not any("Traceback" in end.output for end in ends), str([end.output[-200:] for end in ends]))
    recovered(place, ending)


@case("an experiment while the workspace runs", "toy")
def beside(place: Place, source: random.Random, ending: Ending) -> None:
    stale(place)
    other = place.processes.start("flows.pipeline", "-S", "left=2", "--name", "two")
    time.sleep(source.uniform(0, 10))
    mine = place.run(*place.repro())
    done = other.wait()
    ending.exit = max(mine.code, done.code)
    ending.expect(ending.exit == 0, f"{mine.output[-200:]} / {done.output[-200:]}")
    ending.expect("two" in place.run("dvc", "exp", "list", "--name-only").output.split(), "the experiment is not there")
    recovered(place, ending)


@case("kill -9 of an experiment, then again", "toy")
def experiment_killed(place: Place, source: random.Random, ending: Ending) -> None:
    other = place.processes.start("flows.pipeline", "-S", "left=2", "--name", "two")
    wait = source.uniform(3, 25)
    time.sleep(wait)
    other.process.kill()
    ending.moment, ending.exit = f"after {wait:.0f} s", other.wait().code
    ending.lost += [f"still runs: {each}" for each in place.processes.end()]
    done = place.run("flows.pipeline", "-S", "left=2", "--name", "two")
    ending.seconds = done.seconds
    ending.expect(done.code == 0, done.output[-300:])
    settle(place, ending)


def at_left(place: Place) -> tuple[Command, Path]:
    """A run whose stage `left` waits, until the file is gone."""
    stale(place)
    hanging = hang(place)
    command = place.processes.start(*place.repro())
    until(lambda: "left" in place.begun(), "left runs")
    return command, hanging


@case("params.yaml edited in mid-run", "toy")
def edited(place: Place, source: random.Random, ending: Ending) -> None:
    command, hanging = at_left(place)
    place.edit("params.yaml", "left: 1", "left: 5")
    hanging.unlink()
    ending.moment, ending.exit = "while left runs", command.wait().code
    place.edit("params.yaml", "left: 5", "left: 1")
    recovered(place, ending)


@case("params.yaml edited in mid-training", "ours")
def edited_training(place: Place, source: random.Random, ending: Ending) -> None:
    command = place.processes.start(*place.repro())
    until(lambda: "pretrain: training in" in command.output or command.process.poll() is not None, "it trains")
    set_param(place.root, RATE, 0.003)
    done = command.wait()
    ending.moment, ending.exit = "while it trains", done.code
    ending.expect("changed while this ran: pretrain.schedule.learning_rate" in done.output, done.output[-300:])
    ending.expect((place.root / "models" / "pretrain" / "model.safetensors").exists(), "the earlier model is gone")
    set_param(place.root, RATE, CHANGED)
    recovered(place, ending)


@case("source.txt edited in mid-run", "toy")
def source_edited(place: Place, source: random.Random, ending: Ending) -> None:
    command, hanging = at_left(place)
    (place.root / "source.txt").write_text("a third source")
    hanging.unlink()
    ending.moment, ending.exit = "while left runs", command.wait().code
    stale(place)
    recovered(place, ending)


@case("dvc.lock with conflict marks", "toy")
def conflict(place: Place, source: random.Random, ending: Ending) -> None:
    text = (place.root / "dvc.lock").read_text()
    (place.root / "dvc.lock").write_text(f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> theirs\n")
    stale(place)
    done = place.run(*place.repro())
    ending.exit = done.code
    ending.expect(done.code != 0 and "Traceback" not in done.output, f"exit {done.code}: {done.output[-300:]}")
    ending.expect((place.root / "total.txt").exists(), "outputs are gone")
    place.git("checkout", "dvc.lock")
    recovered(place, ending)


@case("a branch is checked out in mid-run", "toy")
def branch(place: Place, source: random.Random, ending: Ending) -> None:
    place.git("branch", "other")
    stale(place)
    command = place.processes.start(*place.repro())
    time.sleep(source.uniform(0.5, 3))
    place.git("checkout", "--quiet", "other")
    ending.exit = command.wait().code
    recovered(place, ending)


def spoilt(place: Place, source: random.Random, ending: Ending, spoil: Callable[[Path], None]) -> None:
    """Up to date; then an object of the cache is spoilt, and some outputs are deleted, which come from there."""
    stale(place)
    ending.expect(place.run(*place.repro()).code == 0, "not up to date")
    found = source.choice(sorted(path for path in (place.root / ".dvc/cache/files").rglob("*") if path.is_file()))
    found.chmod(0o644)
    ending.moment = found.name[:6]
    spoil(found)
    for path in sorted(place.root.glob("*.txt")):
        if path.name != "source.txt" and source.random() < 0.5:
            path.unlink()
    recovered(place, ending)


@case("an object of the cache is corrupted", "toy")
def corrupted(place: Place, source: random.Random, ending: Ending) -> None:
    spoilt(place, source, ending, lambda path: path.write_bytes(b"") and None)


@case("an object of the cache is missing", "toy")
def missing(place: Place, source: random.Random, ending: Ending) -> None:
    spoilt(place, source, ending, Path.unlink)


@case("`dvc gc` in mid-run", "toy")
def collected(place: Place, source: random.Random, ending: Ending) -> None:
    stale(place)
    command = place.processes.start(*place.repro())
    time.sleep(source.uniform(0.2, 3))
    done = place.run("dvc", "gc", "-w", "-f")
    ending.exit = command.wait().code
    ending.expect("Traceback" not in done.output, done.output[-200:])
    recovered(place, ending)


@case("pushed to a remote, pulled into a fresh clone", "toy")
def remote(place: Place, source: random.Random, ending: Ending) -> None:
    stale(place)
    assert place.run(*place.repro()).code == 0
    place.run("dvc", "remote", "add", "-d", "storage", str(place.root.parent / "storage"))
    place.git("add", "--all")
    place.git("commit", "--quiet", "--message", "remote")
    pushed, clone = place.run("dvc", "push"), place.root.parent / "clone"
    place.git("clone", "--quiet", str(place.root), str(clone))
    pulled = place.run("dvc", "pull", cwd=clone)
    begun = (clone / "started").exists()
    done = place.run(*place.repro(), cwd=clone)
    ending.exit, ending.seconds = max(pushed.code, pulled.code), done.seconds
    ending.expect(done.code == 0 and (clone / "started").exists() == begun, f"ran again: {done.output[-300:]}")
    ending.same = place.equal(clone)


@case("two clones with one cache, at once", "toy")
def one_cache(place: Place, source: random.Random, ending: Ending) -> None:
    clone = place.root.parent / "clone"
    place.git("clone", "--quiet", str(place.root), str(clone))
    place.run("dvc", "cache", "dir", "--local", str(place.root / ".dvc" / "cache"), cwd=clone)
    for root in (place.root, clone):
        (root / "source.txt").write_text("another source")
    one, two = place.processes.start(*place.repro()), place.processes.start(*place.repro(), cwd=clone)
    ends = [one.wait(), two.wait()]
    ending.exit = max(end.code for end in ends)
    ending.expect(ending.exit == 0, str([end.output[-200:] for end in ends]))
    recovered(place, ending)


@case("a worktree", "toy")
def worktree(place: Place, source: random.Random, ending: Ending) -> None:
    tree = place.root.parent / "tree"
    place.git("worktree", "add", "--quiet", str(tree), "-b", "tree")
    (tree / "source.txt").write_text("another source")
    done = place.run("flows.pipeline", cwd=tree)
    ending.exit, ending.seconds = done.code, done.seconds
    ending.expect(done.code == 0, done.output[-300:])
    ending.same = place.equal(tree)


@case("no git", "toy")
def no_git(place: Place, source: random.Random, ending: Ending) -> None:
    shutil.rmtree(place.root / ".git")
    stale(place)
    done = place.run("make", "-f", str(HOUSE / "Makefile"), "scm", "INSTALLED=", f"VENV={sys.prefix}")
    ending.exit = done.code
    ending.expect(done.code == 0, done.output[-200:])
    recovered(place, ending)


@case("a detached head", "toy")
def detached(place: Place, source: random.Random, ending: Ending) -> None:
    place.git("checkout", "--quiet", "--detach")
    stale(place)
    done = place.run("flows.pipeline", "-S", "left=2", "--name", "two")
    ending.exit = done.code
    ending.expect(done.code == 0, done.output[-300:])
    recovered(place, ending)


@case("a path with spaces and Chinese", "toy")
def strange_path(place: Place, source: random.Random, ending: Ending) -> None:
    strange = place.root.parent / "my 工作 区"
    place.root.rename(strange)
    (strange / "source.txt").write_text("another source")
    done = place.run("flows.pipeline", cwd=strange)
    ending.exit = done.code
    ending.expect(done.code == 0, done.output[-300:])
    strange.rename(place.root)
    ending.lost += leftovers(place)
    recovered(place, ending)
