"""Rows of a task's files, checked against its declaration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rosphere.clue import contract, declared, fields, released
from rosphere.clue.gold.table import GOLD
from rosphere.clue.tasks import Row, Task
from rosphere.errors import InputError

Numbered = Iterable[tuple[int | str, Mapping[str, Any]]]
DISAGREED = "-"  # in place of a label: the annotators did not agree
NO_LABEL = (None, "", -1, "-1", DISAGREED)  # what stands in test rows whose labels are kept back


def named(name: str, known: declared.Known = declared.NONE) -> Task:
    """The task of this name, of ``known`` ones, which are one's own, or of the library's."""
    task = declared.named(name, known)
    if task.kind not in GOLD:
        raise InputError(f"task {name}: kind: expected one of {', '.join(GOLD)}, got {task.kind!r}")
    return task


def is_test(split: str) -> bool:
    """test, test1.0 and test1.1 are: of CLUE's tasks their answers are nobody's business, even where they are given."""
    return split.startswith("test")


def is_scored(task: Task, rows: Sequence[Row]) -> bool:
    """Whether a test set has answers to be scored by: those of a task of one's own may."""
    return not task.clue and bool(rows) and all(task.gold in row for row in rows)


def read_folder(folder: Path, name: str) -> tuple[dict[str, list[Row]], dict[str, int]]:
    """The splits of one task as released; train and dev must be there, test sets may be missing.

    Returns the rows, and what had to be dropped or repaired, such as {"dev_dropped_unlabelled": 50}.
    """
    task = named(name)
    splits: dict[str, list[Row]] = {}
    counts: dict[str, int] = {}
    for split in task.files:
        files = released.paths(task, folder, split)
        if files is not None:
            splits[split], found = _split(task, files, split)
            counts |= {f"{split}_{what}": n for what, n in found.items() if n and what not in ("read", "kept")}
    return splits, counts


def _split(task: Task, files: Sequence[Path], split: str) -> tuple[list[Row], Counter[str]]:
    rows: list[Row] = []
    counts: Counter[str] = Counter()
    for path in files:
        kept, counted = read_file(task, path, split=split)
        rows += kept
        counts += counted
    if not rows:
        raise InputError(f"{released.joined(files)}: no usable rows{_why(counts)}")
    return rows, counts


def _why(counts: Mapping[str, int]) -> str:
    dropped = counts.get("dropped_unlabelled", 0)
    return f", all {dropped} are labelled '-'" if dropped else ""


def read_file(task: Task, path: Path, *, split: str) -> tuple[list[Row], Counter[str]]:
    """One file in the task's layout; see ``checked``."""
    labelled = not (is_test(split) and task.clue)
    return checked(task.name, task.layout(path, labelled=labelled), origin=str(path), split=split)


def checked(name: str, numbered: Numbered, *, origin: str, split: str) -> tuple[list[Row], Counter[str]]:
    """Rows whose fields and answers fit the declaration. A label '-' (annotators disagreed) drops the row.

    From test rows the answer is taken away, whatever it says. Of a task of one's own it stays if the rows have one.

    Returns the rows and the counts of 'read', 'kept' and, where there were any, of 'dropped_unlabelled',
    'repaired_offsets' and 'unplaced_answers'.
    """
    placed = ((f"{origin}:{number}", row) for number, row in numbered)
    return fitting(named(name), placed, split=split)


def fitting(
    task: Task, placed: Iterable[tuple[str, Mapping[str, Any]]], *, split: str
) -> tuple[list[Row], Counter[str]]:
    """``checked``, of a task that may be one's own; every row comes with its place in a file."""
    counts: Counter[str] = Counter()
    kept: list[Row] = []
    rows = list(placed)
    labelled = not is_test(split) or (not task.clue and any(_has_gold(task, row) for _, row in rows))
    for where, row in rows:
        counts["read"] += 1
        usable = _usable(task, row, where, counts, labelled=labelled)
        if usable is not None:
            counts["kept"] += 1
            kept.append(usable)
    return kept, counts


def _has_gold(task: Task, row: Row) -> bool:
    return row.get(task.gold) not in NO_LABEL


def _usable(task: Task, row: Row, where: str, counts: Counter[str], *, labelled: bool) -> Row | None:
    """The row as it is to be kept; None where nobody could agree on its label."""
    missing = [key for key in task.fields if key not in row]
    if missing:
        raise InputError(f"{where}: {task.name} needs {missing[0]!r}, the row has {fields.keys(row)}")
    if not labelled:
        row = {key: value for key, value in row.items() if key != task.gold}
    fields.require_writable(row, where)
    row = _put_right(task, row, where, counts)
    if not labelled:
        return row
    if task.gold not in row:
        raise InputError(f"{where}: {task.name} needs {task.gold!r}, the row has {fields.keys(row)}")
    if row[task.gold] == DISAGREED:
        counts["dropped_unlabelled"] += 1
        return None
    return GOLD[task.kind](task, row, where, counts)


def _put_right(task: Task, row: Row, where: str, counts: Counter[str]) -> Row:
    """The row with what could be repaired; its texts and choices are looked at."""
    given = {key: row[key] for key in task.fields}
    expected = f"{where}: expected the text of {task.name} under {', '.join(task.fields)}, got {fields.shown(given)}"
    try:
        row = task.put_right(row, counts)
        texts = task.texts(row)
        choices = task.choices(row) if task.choices else None
    except InputError as error:
        raise InputError(f"{where}: {task.name}: {error}") from error
    except (TypeError, KeyError, AttributeError, ValueError, IndexError) as error:
        raise InputError(expected) from error
    if not isinstance(texts, tuple) or not all(isinstance(text, str) for text in texts):
        raise InputError(expected)
    contract.check_texts(task, texts, f"{where}: {task.name}")
    if choices is not None:
        _check_choices(task, row, choices, where, expected)
    return row


def _check_choices(task: Task, row: Row, choices: tuple[str, ...], where: str, expected: str) -> None:
    cut = [key for key in task.fields if isinstance(row[key], str) and tuple(row[key]) == tuple(choices)]
    if cut or not all(isinstance(choice, str) for choice in choices):
        raise InputError(expected)
    least, most = 2, task.most_choices
    if len(choices) < least:
        raise InputError(f"{where}: expected two or more choices, got {fields.shown(list(choices))}")
    if most is not None and len(choices) > most:
        raise InputError(f"{where}: expected at most {most} choices, got {len(choices)}")
