"""Rows of a task's files, checked against its declaration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rosphere.clue.gold.table import GOLD
from rosphere.clue.tasks import TASKS, Row, Task
from rosphere.errors import InputError

NEEDED = ("train", "dev")


def named(name: str) -> Task:
    if name not in TASKS:
        raise InputError(f"unknown task {name!r}; declared are {', '.join(TASKS)}")
    return TASKS[name]


def is_test(split: str) -> bool:
    """test, test1.0 and test1.1 are: their answers are nobody's business, even where they are given."""
    return split.startswith("test")


def read_folder(folder: Path, name: str) -> tuple[dict[str, list[Row]], dict[str, int]]:
    """The splits of one task as released; train and dev must be there, test sets may be missing.

    Returns the rows, and what had to be dropped or repaired, such as {"dev_dropped_unlabelled": 50}.
    """
    task = named(name)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder (task {name})")
    splits: dict[str, list[Row]] = {}
    counts: dict[str, int] = {}
    for split in task.files:
        found = _split(task, folder, split)
        if found is not None:
            splits[split] = found[0]
            counts |= {f"{split}_{what}": n for what, n in found[1].items() if n and what not in ("read", "kept")}
    return splits, counts


def _split(task: Task, folder: Path, split: str) -> tuple[list[Row], Counter[str]] | None:
    ways = [[folder / file for file in way] for way in task.files[split]]
    paths = next((way for way in ways if all(path.is_file() for path in way)), None)
    if paths is None:
        if split not in NEEDED:
            return None
        names = " or ".join(" and ".join(way) for way in task.files[split])
        raise InputError(f"{folder}: expected {names} ({split} rows of {task.name})")
    rows: list[Row] = []
    counts: Counter[str] = Counter()
    for path in paths:
        kept, counted = checked(task.name, task.layout(path), origin=str(path), split=split)
        rows += kept
        counts += counted
    if not rows:
        raise InputError(f"{' and '.join(map(str, paths))}: no usable rows")
    return rows, counts


def checked(
    name: str, numbered: Iterable[tuple[int | str, Mapping[str, Any]]], *, origin: str, split: str
) -> tuple[list[Row], Counter[str]]:
    """Rows whose fields and answers fit the declaration. A label '-' (annotators disagreed) drops the row.

    Returns the rows and the counts of 'read', 'kept' and, where there were any, of 'dropped_unlabelled',
    'repaired_offsets' and 'unplaced_answers'.
    """
    task = named(name)
    counts: Counter[str] = Counter()
    kept: list[Row] = []
    for number, row in numbered:
        where = f"{origin}:{number}"
        counts["read"] += 1
        missing = [key for key in task.fields if key not in row]
        if missing:
            raise InputError(f"{where}: {name} needs {missing[0]!r}, the row has {', '.join(row)}")
        _check_texts(task, row, where)
        if not is_test(split):
            if row.get(task.gold) == "-":
                counts["dropped_unlabelled"] += 1
                continue
            if task.gold not in row:
                raise InputError(f"{where}: {name} needs {task.gold!r}, the row has {', '.join(row)}")
            row = GOLD[task.kind](task, row, where, counts)
        counts["kept"] += 1
        kept.append(row)
    return kept, counts


def _check_texts(task: Task, row: Row, where: str) -> None:
    given = {key: row[key] for key in task.fields}
    expected = f"{where}: expected the text of {task.name} under {', '.join(task.fields)}, got {given}"
    try:
        texts = task.texts(row)
        choices = task.choices(row) if task.choices else ("", "")
    except (TypeError, KeyError, AttributeError) as error:
        raise InputError(expected) from error
    if not all(isinstance(text, str) for text in (*texts, *choices)):
        raise InputError(expected)
    try:
        "".join((*texts, *choices)).encode()
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])
        raise InputError(f"{where}: expected whole characters, got {half}, half of one that was cut in two") from error
    if len(choices) < 2:
        raise InputError(f"{where}: expected two or more choices, got {list(choices)}")
