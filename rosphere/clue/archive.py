"""submit.zip, the one name that CLUE takes: submission files, parsed and written anew in its own form and order.

CLUE compares line by line with its test set (https://github.com/CLUEbenchmark/CLUE), so a line too few, or one in
another place, costs every line behind it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rosphere import files as our_files
from rosphere.clue import reading, released, submission
from rosphere.clue.fields import is_whole
from rosphere.clue.kinds.kind import Prediction
from rosphere.clue.kinds.table import KINDS
from rosphere.clue.submission import Line
from rosphere.clue.tasks import TASKS, Row, Task
from rosphere.errors import InputError

ARCHIVE = "submit.zip"
# Rows of CLUE's test sets, as far as they are known for certain (Xu et al. 2020, table 1, and the releases).
SIZES: Mapping[str, int] = {
    "afqmc_predict.json": 3861,
    "tnews10_predict.json": 10000,
    "tnews11_predict.json": 10000,
    "iflytek_predict.json": 2600,
    "cmnli_predict.json": 13880,
    "ocnli_50k_predict.json": 3000,
    "cluewsc10_predict.json": 2574,
    "cluewsc11_predict.json": 290,
    "csl_predict.json": 3000,
    "cmrc2018_predict.json": 2000,
    "c310_predict.json": 3892,
    "c311_predict.json": 1625,
    "cluener_predict.json": 1345,
}
OWN_IDS = ("csl_predict.json",)  # the test set's ids are numbers in no order: only the test file tells it


def names() -> dict[str, tuple[Task, str]]:
    """CLUE's file names, each with its task and its test split."""
    clues = (task for task in TASKS.values() if task.clue)
    return {task.submitted_as(split): (task, split) for task in clues for split in task.files if reading.is_test(split)}


def validated(path: Path, folder: Path | None = None) -> tuple[str, int]:
    """A submission file in CLUE's form, and the number of its predictions.

    With ``folder``, which has one folder per task as released, ids and order are those of the test file. Without it
    the numbers of rows that are known are asked for; ids 0, 1, 2, ... are put in order and may have no gap; other ids
    stay in the order that they have.

    Raises:
        InputError: CLUE would not take its name or its contents.
    """
    known = names()
    if path.name not in known:
        raise InputError(f"{path}: CLUE knows no such file; it takes {', '.join(sorted(known))}")
    task, split = known[path.name]
    if folder is not None:
        rows = _test_rows(task, folder / task.name, split)
        guesses = submission.read_predictions(task, rows, path)
        return submission.in_clues_form(task, rows, guesses), len(guesses)
    lines = submission.read_lines(task, path)
    _require_form(task, lines, path)
    ordered = _in_order(path, list(submission.by_identity(lines).values()))
    return _written(task, ordered), len(ordered)


def _test_rows(task: Task, folder: Path, split: str) -> list[Row]:
    files = released.paths(task, folder, split)
    if files is None:
        ways = " or ".join(" and ".join(way) for way in task.files[split])
        raise InputError(f"{folder}: expected {ways} ({split} rows of {task.name})")
    return [row for path in files for row in reading.read_file(task, path, split=split)[0]]


def _require_form(task: Task, lines: Sequence[Line], path: Path) -> None:
    form = "one JSON object, id: prediction, with something in it"
    if submission.is_object(task) and (not lines or isinstance(lines[0].rest, Mapping) and lines[0].rest):
        raise InputError(f"{path}: expected {form}")
    if not lines:
        raise InputError(f"{path}: expected lines with 'id' and 'label', got none")
    if lines[0].identity is None:
        raise InputError(f"{lines[0].where}: expected 'id' and 'label', the line has no 'id'")


def _in_order(path: Path, lines: list[Line]) -> list[Line]:
    size = SIZES.get(path.name)
    if size is not None and len(lines) != size:
        raise InputError(f"{path}: expected {size} predictions, one for each row of the test set, got {len(lines)}")
    numbers = [_number(line.identity) for line in lines]
    if path.name in OWN_IDS or any(number is None for number in numbers):
        return lines
    ordered = sorted(zip(numbers, lines, strict=True), key=lambda pair: (pair[0] or 0, pair[1].where))
    for place, (number, line) in enumerate(ordered):
        if number != place:
            raise InputError(f"{line.where}: expected the ids 0 to {len(lines) - 1}, got {number} and no {place}")
    return [line for _, line in ordered]


def _number(identity: str | int | None) -> int | None:
    if is_whole(identity):
        return int(identity or 0)
    return int(identity) if isinstance(identity, str) and identity.isascii() and identity.isdecimal() else None


def _written(task: Task, lines: Sequence[Line]) -> str:
    parsed = [(line, submission.prediction(task, line.value, _row(task, line), line.where)) for line in lines]
    values = [(line, _value(task, line, guess)) for line, guess in parsed]
    if submission.is_object(task):
        return submission.as_object((line.identity, value) for line, value in values)
    ids = [line.identity if (number := _number(line.identity)) is None else number for line in lines]
    texts = [{"text": line.rest["text"]} if isinstance(line.rest.get("text"), str) else {} for line in lines]
    given = zip(ids, values, texts, strict=True)
    return submission.as_lines({"id": name, "label": value, **more} for name, (_, value), more in given)


def _row(task: Task, line: Line) -> Row | None:
    """Of entities the row, where the line has its text: then their places can be looked at."""
    return {"text": line.rest["text"]} if task.kind == "entities" and isinstance(line.rest.get("text"), str) else None


def _value(task: Task, line: Line, guess: Prediction) -> Any:
    """The prediction in CLUE's form: that of entities has the mentions, which only the line knows."""
    return line.value if task.kind == "entities" else KINDS[task.kind].written(task, {}, guess)


def write(files: Sequence[Path], path: Path, folder: Path | None = None) -> dict[str, int]:
    """Writes submit.zip from submission files, each ``validated`` first; returns how many predictions each one has.

    A task's two test sets, 1.0 and 1.1, are two submissions, so they may not stand in one archive.
    """
    if path.name != ARCHIVE:
        raise InputError(f"{path}: CLUE takes an archive of the name {ARCHIVE} only")
    if not files:
        raise InputError(f"{path}: expected one or more submission files, got none")
    twice = [file.name for number, file in enumerate(files) if file.name in {other.name for other in files[:number]}]
    if twice:
        raise InputError(f"{path}: {twice[0]} is given more than once")
    texts = {file.name: validated(file, folder) for file in files}
    tasks = [names()[name][0].name for name in texts]
    both = [name for name in tasks if tasks.count(name) > 1]
    if both:
        raise InputError(f"{path}: both test sets of {both[0]} are given; 1.0 and 1.1 are two submissions")
    with our_files.replacing(path) as fresh, zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(texts):
            entry = zipfile.ZipInfo(name)  # without the time of day: the same files give the same bytes
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, texts[name][0].encode())
    return {name: count for name, (_, count) in texts.items()}


def note(name: str) -> str:
    """What could not be checked without the test file."""
    if name in OWN_IDS:
        return ", in the order in which they came: only the test file tells CLUE's (--tasks)"
    return "" if name in SIZES else ", of a test set whose size only its file tells (--tasks)"
