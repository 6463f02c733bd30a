"""Spoilt rows, files and folders through all that reads them: our own error or a right result, and nothing is lost.

ROSPHERE_DRILL sets how many cases a task gets; `pytest -m slow` gives each 3000.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rosphere.cli.clue import measured
from rosphere.clue import archive, baselines, fit, reading, released, scoring, submission
from rosphere.clue.examples import collate, examples
from rosphere.clue.kinds.kind import Prediction
from rosphere.clue.tasks import TASKS, Row, Task
from rosphere.errors import InputError
from rosphere.preparation import writing
from rosphere.text import tokenizer as tokenizers
from rosphere.text.tokenizer import Tokenizer
from tests.clue import mutations

FEW = int(os.environ.get("ROSPHERE_DRILL", "12"))


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizers.save(tokenizers.train([*mutations.WORDS, "甲乙丙丁，。"], size=200, minimum=1), folder)
    return Tokenizer(folder)


def folder_of(task: Task, folder: Path, source: random.Random) -> None:
    """Files of a task as somebody may have them: one of them spoilt, some names spelt otherwise."""
    victim = source.choice([*task.files, ""])
    for split, ways in task.files.items():
        if split not in ("train", "dev") and source.random() < 0.3:
            continue
        for file in source.choice(ways):
            rows = mutations.rows_of(task.name, source)
            if split == victim:
                rows = [mutations.spoilt(row, source) if source.random() < 0.3 else row for row in rows]
            name = source.choice((file, file, file, file.title(), f"{file}l"))
            (folder / name).write_bytes(mutations.written(rows, source, plain=split != victim))
            if task.name == "chid" and source.random() < 0.95:
                (folder / f"{Path(name).stem}_answer.json").write_bytes(
                    mutations.answers(source, plain=split != victim)
                )


def said(task: Task, rows: list[Row], source: random.Random) -> list[Prediction]:
    """Some prediction of the task for every row."""
    found: list[Prediction] = []
    for row in rows:
        text = task.texts(row)[-1]
        begin = source.randrange(len(text)) if text else 0
        end = min(len(text) - 1, begin + source.randrange(3))
        spans = [(source.choice(task.labels), begin, end)] if task.kind == "entities" and text else []
        made: dict[str, Any] = {
            "entities": spans,
            "spans": text[begin : end + 1],
            "choices": source.randrange(len(task.choices(row))) if task.choices else 0,
            "classification": source.choice(task.labels or ("",)),
        }
        found.append(made[task.kind])
    return found


def nothing_is_lost(task: Task, folder: Path) -> None:
    """Of every file: read = kept + dropped by a reason that has a name; and of plain lines all that are not blank."""
    for split in task.files:
        for path in released.paths(task, folder, split) or ():
            rows, counts = reading.read_file(task, path, split=split)
            assert counts["kept"] == len(rows)
            assert counts["read"] == len(rows) + counts["dropped_unlabelled"]
            assert all(task.gold not in row for row in rows) or not (reading.is_test(split) and task.clue)
            if all(line.lstrip()[:1] == b"{" for line in path.read_bytes().splitlines() if line.strip()):
                lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
                assert counts["read"] == len(lines) or task.name in ("cmrc2018", "chid") or len(lines) == 1


def drilled(task: Task, pieces: Tokenizer, source: random.Random, folder: Path) -> str:
    """One case as far as it goes; returns how far that was."""
    place = folder / task.name
    place.mkdir()
    folder_of(task, place, source)
    splits, counts = reading.read_folder(place, task.name)
    nothing_is_lost(task, place)
    released.unread(task, place)
    written = writing.write_task(task.name, splits, folder / "data")
    assert written["train"] + written["train_dropped_overlap"] == len(splits["train"])
    for rows in splits.values():
        made = examples(task, rows, pieces)
        assert {example.row for example in made} == set(range(len(rows)))
        assert max(example.length for example in made) <= task.max_length
        collate(made[:4], task, pieces.pad)
        fit.warnings(task, "dev", fit.measured(task, rows, pieces))
    dev = splits["dev"]
    baselines.measured(task, splits["train"], dev)
    guesses = said(task, dev, source)
    scores = scoring.measures(task, dev, guesses)
    return _files(task, dev, guesses, scores, folder, source)


def _files(
    task: Task, dev: list[Row], guesses: list[Prediction], scores: dict[str, float], folder: Path, source: random.Random
) -> str:
    ours, gold = folder / "ours.jsonl", folder / "gold.jsonl"
    submission.write_predictions(task, dev, guesses, ours)
    gold.write_text("".join(json.dumps(row) + "\n" for row in dev), encoding="utf-8")
    assert measured(task.name, gold, ours) == scores, "what is written is scored as what was predicted"
    split = next(split for split in task.files if reading.is_test(split))
    theirs = submission.write_submission(task, dev, guesses, folder, split=split)
    text = theirs.read_text(encoding="utf-8")
    if source.random() < 0.7:
        parts = [text] if submission.is_object(task) else text.split("\n")
        values = [json.loads(part) for part in parts if part]
        values = [mutations.spoilt(value, source) if source.random() < 0.4 else value for value in values]
        theirs.write_bytes(mutations.written(values, source))
    try:
        scored = measured(task.name, gold, theirs)
        assert set(scored) == set(scores)
        again = archive.validated(theirs)[0] if task.clue else ""
    except InputError as error:
        assert 0 < len(str(error)) < 1500
        return "predictions refused"
    if task.clue:
        theirs.write_bytes(again.encode("utf-8", "surrogatepass"))
        assert archive.validated(theirs)[0] == again, "what was packed is packed the same"
        assert measured(task.name, gold, theirs) == scored, "and scored the same"
    return "through"


def cases(name: str, pieces: Tokenizer, count: int, seed: int) -> Counter[str]:
    """Every case ends through, or refused by our own error; anything else is a bug, told with its seed."""
    ends: Counter[str] = Counter()
    for number in range(count):
        source, folder = random.Random(f"{name} {seed} {number}"), Path(tempfile.mkdtemp())
        try:
            ends[drilled(TASKS[name], pieces, source, folder)] += 1
        except InputError as error:
            ends["refused"] += 1
            assert 0 < len(str(error)) < 1500, error
        except Exception as error:
            raise AssertionError(f"case {number} of {name}, seed {seed}: {type(error).__name__}: {error}") from error
        finally:
            shutil.rmtree(folder)
    return ends


@pytest.fixture(autouse=True)
def of_any_size(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(archive, "SIZES", {})
    yield


@pytest.mark.parametrize("name", TASKS)
def test_a_few_spoilt_inputs(name: str, pieces: Tokenizer) -> None:
    ends = cases(name, pieces, FEW, seed=0)
    assert sum(ends.values()) == FEW


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_thousands_of_spoilt_inputs(name: str, pieces: Tokenizer) -> None:
    ends = cases(name, pieces, 3000, seed=1)
    assert min(ends["through"], ends["refused"], ends["predictions refused"]) > 100, ends
