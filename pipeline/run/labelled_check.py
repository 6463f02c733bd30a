"""What can be seen of roformer_sim.supervised.files before any work: that they can be read, and that nothing is
measured on them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from rosphere import files
from rosphere.clue.declared import NONE, Known, named
from rosphere.errors import InputError
from rosphere.preparation import graded
from rosphere.preparation.contamination import HeldOut, Pair
from rosphere.preparation.filtering import Filter
from rosphere.preparation.graded import GradedFiles
from rosphere.preparation.naming import place_of
from rosphere.similarity import labelled_pairs

KEY = "params.yaml: roformer_sim.supervised.files"
PAIRS, GRADED, TASKS = Path("data/pairs"), Path("data/pairs/graded"), Path("data/tasks")
MADE = Path("data/supervised.jsonl")
MEASURED = ("dev.jsonl", "gold.jsonl")  # below PAIRS


def require_made(
    names: Sequence[str], tasks: Sequence[str], trained: Mapping[str, bool] | None, known: Known = NONE
) -> None:
    """Raises InputError where a file that ``prepare`` makes is one that is measured, or has no labelled pairs.

    ``trained``: whether a graded set has pairs for training, by name; None where that is not known yet.
    ``known``: tasks of one's own.
    """
    for name in names:
        path = Path(os.path.relpath(name))
        if path.is_dir():
            raise InputError(f"{KEY}: expected a file of labelled pairs, got the folder {name}")
        if path == MADE:
            raise InputError(f"{KEY}: {name} is what prepare makes of these files")
        if path.parent == PAIRS and path.name in MEASURED:
            raise InputError(f"{KEY}: {name} is measured, nothing in it may be trained on")
        if path.parent == GRADED and path.stem == "labelled_pairs":
            raise InputError(f"{KEY}: {name} is measured, nothing in it may be trained on")
        if path.parent == GRADED and trained is not None and not trained.get(path.stem):
            why = "has no pairs for training" if path.stem in trained else "is no graded set of prepare"
            raise InputError(f"{KEY}: {name}: {path.stem} {why}")
        if path.parent.parent == TASKS:
            _require_of_a_task(name, path.parent.name, path.stem, tasks, known)


def _require_of_a_task(name: str, task: str, split: str, tasks: Sequence[str], known: Known) -> None:
    if task not in tasks:
        raise InputError(f"{KEY}: {name}: tasks has no {task!r}, only {', '.join(tasks) or 'none'}")
    if split != "train":
        raise InputError(f"{KEY}: {name} is measured; {TASKS / task}/train.jsonl may be trained on")
    if not {"sentence1", "sentence2"} <= set(named(task, known).fields):
        raise InputError(f"{KEY}: {name}: expected rows with sentence1 and sentence2, {task} has none")


def require_not_measured(names: Sequence[str], places: Mapping[str, str | GradedFiles]) -> None:
    """Raises InputError where a file is one of a graded set on which something is measured, under whatever name."""
    for file in names:
        mark = files.file_hash(Path(file))
        for name, place in places.items():
            paths = graded.measured(Path(place_of(place)))
            measured = next((path for path in paths if files.file_hash(path) == mark), None)
            if measured:
                raise InputError(
                    f"{KEY}: {file} is {measured} of the graded set {name}, which is measured;"
                    f" {GRADED}/{name}.jsonl has what may be trained on"
                )


def require_left(names: Sequence[str], held_out: Mapping[str, Sequence[Pair]]) -> list[str]:
    """What the filter will drop of these files, in words.

    Raises:
        InputError: a malformed row; all of them are held out.
    """
    rows = [row for name in names for row in labelled_pairs.read(Path(name))]
    filter_ = Filter(HeldOut(held_out))
    left = sum(1 for _ in filter_.rows("labelled_pairs", (((row.one, row.two), row) for row in rows)))
    why = filter_.reasons("labelled_pairs")
    if rows and not left:
        raise InputError(f"{KEY}: all {len(rows)} pairs of {', '.join(names)} are held out ({why})")
    return [f"{KEY}: {len(rows) - left} of {len(rows)} pairs are held out ({why})"] if left < len(rows) else []
