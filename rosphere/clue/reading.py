"""Rows of a task's files, checked against its declaration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rosphere.clue.tasks import TASKS, Row, Task
from rosphere.errors import InputError
from rosphere.text import reading

SPLITS = ("train", "dev", "test")


def named(name: str) -> Task:
    if name not in TASKS:
        raise InputError(f"unknown task {name!r}; declared are {', '.join(TASKS)}")
    return TASKS[name]


def read_folder(folder: Path, name: str) -> dict[str, list[Row]]:
    """The splits of one task as released; train and dev must be there, test may be missing."""
    task = named(name)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder (task {name})")
    return {split: rows for split in SPLITS if (rows := _split(task, folder, split)) is not None}


def _split(task: Task, folder: Path, split: str) -> list[Row] | None:
    names = task.files[split]
    path = next((folder / file for file in names if (folder / file).is_file()), None)
    if path is None:
        if split == "test":
            return None
        raise InputError(f"{folder}: expected {' or '.join(names)} ({split} rows of {task.name})")
    rows, _ = checked(task.name, reading.rows(path), origin=str(path), split=split)
    if not rows:
        raise InputError(f"{path}: no usable rows")
    return rows


def checked(
    name: str, numbered: Iterable[tuple[int, Mapping[str, Any]]], *, origin: str, split: str
) -> tuple[list[Row], Counter[str]]:
    """Rows whose fields and labels fit the declaration. A label '-' (annotators disagreed) drops the row.

    Returns the rows and the counts of 'read', 'kept' and 'dropped_unlabelled'.
    """
    task = named(name)
    counts: Counter[str] = Counter()
    kept: list[Row] = []
    for number, row in numbered:
        counts["read"] += 1
        missing = [key for key in task.fields if key not in row]
        if missing:
            raise InputError(f"{origin}:{number}: {name} needs {missing[0]!r}, the row has {', '.join(row)}")
        _check_texts(task, row, f"{origin}:{number}")
        if split != "test" and row.get("label") == "-":
            counts["dropped_unlabelled"] += 1
            continue
        if split != "test":
            _check_label(task, row, f"{origin}:{number}")
        counts["kept"] += 1
        kept.append(row)
    return kept, counts


def _check_texts(task: Task, row: Row, where: str) -> None:
    given = {key: row[key] for key in task.fields}
    expected = f"{where}: expected the text of {task.name} under {', '.join(task.fields)}, got {given}"
    try:
        texts = task.texts(row)
    except (TypeError, KeyError) as error:
        raise InputError(expected) from error
    if not all(isinstance(text, str) for text in texts):
        raise InputError(expected)


def _check_label(task: Task, row: Mapping[str, Any], where: str) -> None:
    if "label" not in row:
        raise InputError(f"{where}: {task.name} needs 'label', the row has {', '.join(row)}")
    given = row["label"]
    labels = list(given) if task.kind == "entities" and isinstance(given, Mapping) else [str(given)]
    unknown = [label for label in labels if label not in task.labels]
    if unknown:
        raise InputError(f"{where}: label {unknown[0]!r} is none of {task.name}'s: {', '.join(task.labels)}")
    if task.kind == "entities":
        _check_spans(row, where)


def _check_spans(row: Row, where: str) -> None:
    given, text = row["label"], row["text"]
    try:
        spans = [(m, b, e) for mentions in given.values() for m, places in mentions.items() for b, e in places]
        wrong = [(mention, begin, end) for mention, begin, end in spans if text[begin : end + 1] != mention]
    except (AttributeError, TypeError, ValueError) as error:
        form = "{'name': {'江泽民': [[0, 2]]}}"
        raise InputError(f"{where}: expected spans such as {form}, got {given!r}") from error
    if wrong:
        mention, begin, end = wrong[0]
        raise InputError(f"{where}: {mention!r} does not stand at {begin} to {end} of {text!r}")
