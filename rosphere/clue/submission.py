"""Predictions as files: our own JSON lines for every task, and CLUE's submission files for CLUE's tasks.

CLUE's are lines {"id", "label"} in the order of the test file, or, of answers and of ChID's blanks, one JSON object
{id: prediction}; they go into one submit.zip (https://github.com/CLUEbenchmark/CLUE).
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rosphere.clue import layouts
from rosphere.clue.kinds.kind import Prediction
from rosphere.clue.kinds.table import KINDS
from rosphere.clue.tasks import TASKS, Row, Task
from rosphere.errors import InputError
from rosphere.text import reading

ARCHIVE = "submit.zip"  # CLUE takes no other name


def write_predictions(task: Task, rows: Sequence[Row], predictions: Sequence[Prediction], path: Path) -> None:
    """Every row beside what was predicted for it."""
    guesses = (KINDS[task.kind].written(row, guess) for row, guess in zip(rows, predictions, strict=True))
    reading.write_rows(path, ({**row, "prediction": guess} for row, guess in zip(rows, guesses, strict=True)))


def is_object(task: Task) -> bool:
    """Whether CLUE wants one JSON object instead of lines."""
    return KINDS[task.kind].is_object(task)


def write_submission(
    task: Task, rows: Sequence[Row], predictions: Sequence[Prediction], folder: Path, *, split: str = "test"
) -> Path:
    """The predictions for a test split under CLUE's name and in its format, ids as released."""
    path, kind = folder / task.submitted_as(split), KINDS[task.kind]
    ids = [row.get("id", number) for number, row in enumerate(rows)]
    guesses = [kind.written(row, guess) for row, guess in zip(rows, predictions, strict=True)]
    if is_object(task):
        text = json.dumps(dict(zip(map(str, ids), guesses, strict=True)), ensure_ascii=False, indent=1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
        return path
    lines = zip(ids, guesses, rows, strict=True)
    reading.write_rows(path, [{"id": name, "label": guess, **kind.line(row)} for name, guess, row in lines])
    return path


def read_predictions(task: Task, rows: Sequence[Row], path: Path) -> list[Prediction]:
    """The predictions of a file that ``write_predictions`` or ``write_submission`` wrote, in the order of the rows.

    Raises:
        InputError: the file has not exactly one prediction for each row, or one that is none of the task's.
    """
    whole = layouts.document(path)
    if is_object(task) and isinstance(whole, Mapping) and "prediction" not in whole:
        return _by_id(task, rows, whole, path)
    lines = list(layouts.lines(path))
    if len(lines) != len(rows):
        raise InputError(f"{path}: expected {len(rows)} predictions, one for each row of {task.name}, got {len(lines)}")
    found = []
    for (number, line), row in zip(lines, rows, strict=True):
        where = f"{path}:{number}"
        key = "prediction" if "prediction" in line else "label"
        if key not in line:
            raise InputError(f"{where}: expected 'label' or 'prediction', the line has {', '.join(line)}")
        if "id" in line and "id" in row and str(line["id"]) != str(row["id"]):
            raise InputError(f"{where}: expected the prediction for id {row['id']!r}, got id {line['id']!r}")
        found.append(_prediction(task, line[key], row, where))
    return found


def _by_id(task: Task, rows: Sequence[Row], whole: Mapping[str, Any], path: Path) -> list[Prediction]:
    ids = [str(row.get("id", number)) for number, row in enumerate(rows)]
    missing, unknown = set(ids) - set(whole), set(whole) - set(ids)
    if missing or unknown:
        what = f"no prediction for id {min(missing)!r}" if missing else f"unknown id {min(unknown)!r}"
        raise InputError(f"{path}: expected one prediction for each of {len(ids)} rows of {task.name}, got {what}")
    return [_prediction(task, whole[name], row, f"{path}:{name}") for name, row in zip(ids, rows, strict=True)]


def _prediction(task: Task, value: Any, row: Row | None, where: str) -> Prediction:
    """``value`` as this task's prediction. Without the row only what every row has in common is checked."""
    found = KINDS[task.kind].parsed(task, value, row)
    if found is None:
        raise InputError(f"{where}: {task.name}: expected {KINDS[task.kind].expected(task)}, got {value!r}")
    return found


def names() -> dict[str, Task]:
    """CLUE's file names, each with its task."""
    return {task.submitted_as(s): task for task in TASKS.values() if task.clue for s in task.files if s[:4] == "test"}


def validate(path: Path) -> int:
    """The number of predictions in a submission file; InputError if CLUE would not take its name or its contents."""
    known = names()
    if path.name not in known:
        raise InputError(f"{path}: CLUE knows no such file; it takes {', '.join(sorted(known))}")
    task, whole = known[path.name], layouts.document(path)
    if is_object(task):
        if not isinstance(whole, Mapping) or not whole:
            raise InputError(f"{path}: expected one JSON object, id: prediction, with something in it")
        for name, value in whole.items():
            _prediction(task, value, None, f"{path}:{name}")
        return len(whole)
    seen: set[str] = set()
    for number, line in layouts.lines(path):
        missing = [key for key in ("id", "label") if key not in line]
        if missing:
            raise InputError(f"{path}:{number}: expected 'id' and 'label', the line has {', '.join(line)}")
        if str(line["id"]) in seen:
            raise InputError(f"{path}:{number}: id {line['id']!r} was there before")
        seen.add(str(line["id"]))
        _prediction(task, line["label"], None, f"{path}:{number}")
    if not seen:
        raise InputError(f"{path}: expected lines with 'id' and 'label', got none")
    return len(seen)


def write_archive(files: Sequence[Path], path: Path) -> dict[str, int]:
    """Writes submit.zip from submission files, each validated first; returns how many predictions each one has.

    A task's two test sets, 1.0 and 1.1, are two submissions, so they may not stand in one archive.
    """
    if path.name != ARCHIVE:
        raise InputError(f"{path}: CLUE takes an archive of the name {ARCHIVE} only")
    if not files:
        raise InputError(f"{path}: expected one or more submission files, got none")
    twice = [file.name for number, file in enumerate(files) if file.name in {other.name for other in files[:number]}]
    if twice:
        raise InputError(f"{path}: {twice[0]} is given more than once")
    counts = {file.name: validate(file) for file in files}
    tasks = [names()[name].name for name in counts]
    both = [name for name in tasks if tasks.count(name) > 1]
    if both:
        raise InputError(f"{path}: both test sets of {both[0]} are given; 1.0 and 1.1 are two submissions")
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(files, key=lambda file: file.name):
            entry = zipfile.ZipInfo(file.name)  # without the time of day: the same files give the same bytes
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
    return counts
