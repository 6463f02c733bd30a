"""The drill's own tools; the faults themselves are played by `python -m tests.faults`."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults import __main__ as drill
from tests.faults import ground
from tests.faults.case import CASES, Case, Ending, chosen, finished
from tests.faults.processes import Processes, Stuck
from tests.faults.table import table

ROW = {
    "fault": "a|b",
    "ground": "toy",
    "moment": "5%",
    "exit": 137,
    "seconds": 2.6,
    "lost": ["one", "two"],
    "same": False,
}


def test_the_table() -> None:
    assert table([ROW, {**ROW, "exit": None, "seconds": None, "lost": [], "same": None}]).splitlines()[2:] == [
        "| a\\|b | toy | 5% | 137 | 3 s | one; two | NO |",
        "| a\\|b | toy | 5% | - | - | nothing | - |",
    ]


def test_there_are_fifty_cases_and_more_and_words_choose() -> None:
    assert len(CASES) >= 50
    assert len(list(chosen([]))) == len(CASES)
    assert {case.ground for case in chosen(["Ctrl-C"])} == {"toy", "ours"}


def test_what_is_finished_is_not_played_again(tmp_path: Path) -> None:
    file = tmp_path / "found.jsonl"
    assert finished(file) == {}
    file.write_text(json.dumps(ROW) + '\n{"fault": "cut o')
    assert list(finished(file)) == ["a|b"]


def test_files_are_compared_by_name_and_bytes(tmp_path: Path) -> None:
    for name, text in (("a/one", "1"), ("a/two", "2"), ("b", "3")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    first = ground.digest(tmp_path, ("a", "b"))
    assert ground.digest(tmp_path, ("a", "b")) == first != ground.digest(tmp_path, ("a",))
    (tmp_path / "a" / "two").rename(tmp_path / "a" / "three")
    assert ground.digest(tmp_path, ("a", "b")) != first
    assert ground.digest(tmp_path, ("a", "c")) == "-"


@pytest.fixture
def place(tmp_path: Path) -> ground.Place:
    root = tmp_path / "toy"
    root.mkdir()
    processes = Processes(mark=str(tmp_path), root=root, env=ground.environment(tmp_path))
    return ground.Place(kind="toy", root=root, processes=processes, seconds=1.0, expected="-")


def test_leftovers_are_seen(place: ground.Place) -> None:
    assert ground.leftovers(place) == []
    for name in (".run/stop-12", ".run/run_logs/one", ".dvc/tmp/exps/two", "../tmp/three"):
        (place.root / name).mkdir(parents=True)
    (place.root / ".dvc" / "tmp" / "rwlock").write_text('{"one": {"pid": 1}}')
    with closing(sqlite3.connect(place.root / "mlflow.db")) as database:
        database.executescript("create table runs (name, status); insert into runs values ('four', 'RUNNING')")
    found = [
        'DVC\'s notes: {"one": {"pid": 1}}',
        "flag stop-12",
        "clone two",
        "temporary three",
        "run log one",
        "MLflow: four RUNNING",
    ]
    assert ground.leftovers(place) == found


def test_a_case_that_cannot_go_on_or_leaves_a_process_is_not_sound(place: ground.Place) -> None:
    def leave(place: ground.Place, source: random.Random, ending: Ending) -> None:
        place.processes.start("sh", "-c", "exec 0<&-; sleep 300 & exit 0").wait()
        raise Stuck("nothing came")

    case = Case(name="x", ground="toy", play=leave)
    row = drill.played(case, place, seed=1)
    assert row["lost"] == ["Stuck: nothing came", "still runs: sleep 300"] and not row["sound"]
    assert not place.processes.alive()


def test_what_is_started_is_found_by_its_mark(place: ground.Place) -> None:
    command = place.processes.start("sh", "-c", f"exec {sys.executable} -c 'import time; time.sleep(300)'")
    assert {process.pid for process in place.processes.alive()} == {command.process.pid}
    assert not place.processes.alive("dvc") and os.getpgid(command.process.pid) == command.group
    with pytest.raises(Stuck, match="no end within 0 s"):
        command.wait(0.2)
    assert not place.processes.alive()
