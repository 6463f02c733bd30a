"""rosphere clue: scores and submissions without a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

Gold = Annotated[Path, typer.Argument(help="labelled rows, as released or as prepared")]
Predictions = Annotated[Path, typer.Argument(help="our predictions, or a submission file")]


def score(task: str, gold: Gold, predictions: Predictions) -> None:
    """The task's metrics of a file of predictions."""
    print(json.dumps(measured(task, gold, predictions), indent=1))


def measured(name: str, gold: Path, predictions: Path) -> dict[str, float]:
    """Every measure of the predictions against the labelled rows of a file in the task's own layout."""
    from rosphere.clue import reading, scoring, submission

    task = reading.named(name)
    rows, _ = reading.checked(name, task.layout(gold), origin=str(gold), split="dev")
    return scoring.measures(task, rows, submission.read_predictions(task, rows, predictions))


def pack(
    files: list[Path],
    out: Annotated[Path, typer.Option(help="the archive; CLUE takes no other name than submit.zip")] = Path(
        "submit.zip"
    ),
) -> None:
    """Submission files in one archive for CLUE, checked first."""
    from rosphere.clue import submission

    for name, count in submission.write_archive(files, out).items():
        print(f"{name}: {count} predictions")
