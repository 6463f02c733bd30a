"""The workspaces that the cases are played on: made once, and copied for every case.

`toy` is five stages of a moment each in git (tests/flows/conftest.py). `ours` is this repository, shrunk, with its
first stages done and a setting changed since, so that `pretrain` has to be trained anew; what that must give is known
from a run that nothing disturbed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from tests.faults.processes import Done, Processes
from tests.flows import conftest as toys
from tests.shrink import shrink

HOUSE = Path(__file__).resolve().parents[2]
MADE = {
    "toy": ("prepared.txt", "left.txt", "score_a.txt", "score_b.txt", "total.txt", "reports", "dvc.lock"),
    "ours": ("models/pretrain", "reports/pretrain.json", "reports/curves/pretrain.csv"),
}
REPRO = (
    "pipeline.workspace.lock",
    sys.executable,
    "-m",
    "pipeline.workspace.outputs",
    "dvc",
    "--wait-for-lock",
    "repro",
)
RATE, CHANGED = ("pretrain", "schedule", "learning_rate"), 0.0015
ME = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")
OPEN = ("RUNNING", "PENDING", "CANCELLING", "SCHEDULED")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A copy of a ground, for one case."""

    kind: str
    root: Path
    processes: Processes
    seconds: float  # that an undisturbed run takes
    expected: str  # what it leaves, as one hash

    def repro(self, *more: str) -> tuple[str, ...]:
        """The command that `make repro` comes down to, for what this ground is about."""
        return (*REPRO, *more, *(["--no-run-cache", "pretrain"] if self.kind == "ours" else []))

    def run(self, *command: str, **more: str) -> Done:
        return self.processes.run(*command, **more)

    def equal(self, root: Path | None = None) -> bool:
        """Whether there lies what an undisturbed run leaves."""
        return digest(root or self.root, MADE[self.kind]) == self.expected

    def begun(self) -> list[str]:
        """The toy's stages whose commands were started, in that order."""
        file = self.root / "started"
        return file.read_text(encoding="utf-8").split() if file.is_file() else []

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text in a file of it."""
        text = (self.root / name).read_text(encoding="utf-8")
        assert old in text, f"{name} has no {old!r}"
        (self.root / name).write_text(text.replace(old, new), encoding="utf-8")

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *ME, *arguments], cwd=cwd or self.root, capture_output=True, text=True, check=True
        )
        return done.stdout


def digest(root: Path, paths: Sequence[str]) -> str:
    """Names and bytes of files and folders, as one hash; "-" where one is missing."""
    found = hashlib.sha256()
    for path in map(root.joinpath, paths):
        if not path.exists():
            return "-"
        for file in sorted(each for each in ([path] if path.is_file() else path.rglob("*")) if each.is_file()):
            found.update(f"{file.relative_to(root)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()


def environment(folder: Path) -> dict[str, str]:
    """Of a person who has set nothing; temporary files where they are seen afterwards."""
    mine = ("PREFECT_", "ROSPHERE_", "MLFLOW_", "DVC_", "GIT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    quiet = {"DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1"}
    quiet |= {"ROSPHERE_UPLOADER_NICENESS": "5"}  # at 19, on a busy machine, it would take minutes to end
    return {**kept, **quiet, "PATH": path, "PYTHONPATH": str(HOUSE), "TMPDIR": str(folder / "tmp")}


def make_toy(root: Path) -> None:
    root.mkdir(parents=True)
    quiet = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=root, check=True, env=quiet)
    (root / "dvc.yaml").write_text(toys.DVC_YAML)
    (root / "params.yaml").write_text("left: 1\n")
    (root / "work.py").write_text(toys.WORK_PY)
    (root / "source.txt").write_text("source")
    shutil.copy(HOUSE / "prefect.yaml", root)
    toys._in_git(toys.Toy(root=root))
    for arguments in (("add", "--all"), ("commit", "--quiet", "--message", "done")):
        subprocess.run(["git", *ME, *arguments], cwd=root, check=True)


def make_ours(root: Path) -> None:
    """Up to a first `pretrain`, with another learning rate asked for since."""
    subprocess.run(["git", "clone", "--quiet", "--shared", str(HOUSE), str(root)], check=True)
    shrink(root / "params.yaml")
    processes = Processes(mark="ground", root=root, env={**environment(root.parent), "PYTHONPATH": str(root)})
    for target in ("prepare", "pretrain"):
        done = processes.run("dvc", "repro", target, ROSPHERE_TRACKING="0")
        assert done.code == 0, done.output
    set_param(root, RATE, CHANGED)


def set_param(root: Path, place: Sequence[str], value: object) -> None:
    """One number of params.yaml, comments and all kept."""
    yaml = YAML()
    yaml.width = 200
    params = yaml.load((root / "params.yaml").read_text(encoding="utf-8"))
    section = params
    for word in place[:-1]:
        section = section[word]
    section[place[-1]] = value
    with (root / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


class Grounds:
    """All of them, below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def copy(self, kind: str, number: int) -> Iterator[Place]:
        """A copy for the case of this number; deleted afterwards."""
        known = self._made(kind)
        folder = self._folder / f"case-{number}"
        shutil.rmtree(folder, ignore_errors=True)
        yield self._copied(kind, folder, f"{self._folder}/{number}", known)
        shutil.rmtree(folder, ignore_errors=True)

    def _copied(self, kind: str, folder: Path, mark: str, known: dict[str, float | str]) -> Place:
        root = folder / kind
        shutil.copytree(self._folder / kind, root, symlinks=True)
        env = environment(folder)
        env["PYTHONPATH"] = str(root) if kind == "ours" else str(HOUSE)
        processes = Processes(mark=mark, root=root, env=env)
        return Place(
            kind=kind, root=root, processes=processes, seconds=float(known["seconds"]), expected=str(known["expected"])
        )

    def _made(self, kind: str) -> dict[str, float | str]:
        """What an undisturbed run takes and leaves; the ground is made if it is not there."""
        note = self._folder / f"{kind}.json"
        if not note.is_file():
            if not (self._folder / kind).is_dir():
                draft = self._folder / f"{kind}.part"
                shutil.rmtree(draft, ignore_errors=True)
                {"toy": make_toy, "ours": make_ours}[kind](draft)
                draft.rename(self._folder / kind)
            shutil.rmtree(self._folder / f"undisturbed-{kind}", ignore_errors=True)
            place = self._copied(
                kind, self._folder / f"undisturbed-{kind}", f"{self._folder}/{kind}", {"seconds": 0, "expected": ""}
            )
            stale(place)
            done = place.run(*place.repro())
            assert done.code == 0, done.output
            assert not place.processes.end(), "the uploader does not end"
            note.write_text(json.dumps({"seconds": done.seconds, "expected": digest(place.root, MADE[kind])}))
            shutil.rmtree(place.root.parent)
        known: dict[str, float | str] = json.loads(note.read_text())
        return known


def stale(place: Place) -> None:
    """Let the toy have something to do; ours has it anyway."""
    if place.kind == "toy":
        (place.root / "source.txt").write_text("another source")


def hang(place: Place) -> Path:
    """Let the toy's stage `left` wait, once it has begun, until the file is gone."""
    hanging = place.root / "hang-left"
    hanging.write_text("")
    return hanging


def leftovers(place: Place) -> list[str]:
    """What no case may leave behind: locks, notes, flags, temporary files, undelivered or open runs."""
    root, found = place.root, []
    notes = root / ".dvc" / "tmp" / "rwlock"
    if notes.is_file() and any(json.loads(notes.read_text() or "{}").values()):
        found.append(f"DVC's notes: {notes.read_text()[:80]}")
    found += [f"flag {path.name}" for path in (root / ".run").glob("stop-*")]
    found += [f"clone {path.name}" for path in (root / ".dvc" / "tmp" / "exps").glob("*") if path.is_dir()]
    ignored = ("runner_storage", "torchinductor_")  # folders of Prefect and torch, always the same ones
    found += [f"temporary {path.name}" for path in (root.parent / "tmp").iterdir() if not path.name.startswith(ignored)]
    found += [f"run log {path.name}" for path in (root / ".run" / "run_logs").glob("*")]
    found += [f"MLflow: {name} {status}" for name, status in _rows(root / "mlflow.db", "name, status", "runs")
              if status in OPEN]  # fmt: skip
    database = root / ".run" / "prefect" / "prefect.db"
    for each in ("flow_run", "task_run"):
        found += [f"Prefect: {each} {name} {state}" for name, state in _rows(database, "name, state_type", each)
                  if state in OPEN]  # fmt: skip
    return found


def _rows(database: Path, columns: str, table: str) -> list[tuple[str, str]]:
    if not database.is_file():
        return []
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(f"select {columns} from {table}").fetchall()
