"""rosphere predict: what a task's fine-tuned model says."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rosphere.cli import models, options
from rosphere.cli.texts import given
from rosphere.errors import InputError

if TYPE_CHECKING:
    from rosphere.clue.predicting import Judged
    from rosphere.clue.tasks import Row, Task

ROWS_AT_ONCE = 1024  # results appear after so many
ROWS = (".jsonl", ".json")

Model = Annotated[Path, typer.Argument(help="a folder of models/evaluate", metavar="MODEL", show_default=False)]
FILE = (
    "further texts, one a line, a pair with a TAB between; .jsonl: rows with the task's own fields; - is standard input"
)
File = Annotated[Path | None, typer.Option(help=FILE)]
Json = Annotated[bool, typer.Option("--json", help="a line for each row: its fields, prediction and probabilities")]


def predict(model: Model, texts: options.Texts = None, file: File = None, as_json: Json = False) -> None:
    """What a task's model says: its answer, how sure it is where it chooses one of several, and the text."""
    from rosphere.clue import predicting

    trained, tokenizer = models.task_model(model)
    task = trained.task
    rows = [*_of_arguments(task, texts or ()), *_of_file(task, file)]
    if not rows:
        raise InputError("predict: expected texts, as arguments or by --file")
    for start in range(0, len(rows), ROWS_AT_ONCE):
        chosen = rows[start : start + ROWS_AT_ONCE]
        for row, judged in zip(chosen, predicting.judge(trained, chosen, tokenizer), strict=True):
            sys.stdout.write(shown(task, row, judged) if not as_json else _json(task, row, judged))
        sys.stdout.flush()


def _of_arguments(task: Task, texts: Sequence[str]) -> Iterator[Row]:
    """Each text is a row; of a task that judges pairs, all of them together are one."""
    from rosphere.clue.predicting import PAIR, row_of

    if texts:
        yield from [row_of(task, texts)] if task.fields == PAIR else (row_of(task, [text]) for text in texts)


def _of_file(task: Task, file: Path | None) -> Iterator[Row]:
    from rosphere.clue.predicting import PAIR, asked, row_of
    from rosphere.text import reading

    if file is None:
        return
    if file.suffix.lower() in ROWS:
        for number, row in reading.rows(file):
            try:
                yield asked(task, row)
            except InputError as error:
                raise InputError(f"{file}:{number}: {error}") from error
        return
    for number, line in enumerate(given(None, file), 1):
        parts = line.split("\t") if task.fields == PAIR else [line]
        try:
            yield row_of(task, parts)
        except InputError as error:
            raise InputError(f"{file}: text {number}: {error}") from error


def shown(task: Task, row: Row, judged: Judged) -> str:
    """answer TAB probability TAB text, or, where there is no probability, answer TAB text."""
    from rosphere.clue.predicting import value

    said = value(task, row, judged)
    answer = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    sure = [f"{max(judged.probabilities):.4f}"] if judged.probabilities else []
    return "\t".join([answer, *sure, *task.texts(row)]) + "\n"


def _json(task: Task, row: Row, judged: Judged) -> str:
    from rosphere.clue.predicting import value

    found: dict[str, Any] = {**row, "prediction": value(task, row, judged)}
    if judged.probabilities:
        names = task.labels or [str(number) for number in range(len(judged.probabilities))]
        found["probabilities"] = {name: round(p, 6) for name, p in zip(names, judged.probabilities, strict=True)}
    return json.dumps(found, ensure_ascii=False) + "\n"
