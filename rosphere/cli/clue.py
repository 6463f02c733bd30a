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
    from rosphere.clue import declared, reading, scoring, submission
    from rosphere.errors import InputError

    prepared = gold.parent.name == name and (gold.parent / declared.FILE).is_file()  # it may be one of the user's own
    task = declared.read(gold.parent)[0] if prepared else reading.named(name)
    numbered = list(task.layout(gold))
    each = [reading.fitting(task, [(f"{gold}:{number}", row)], split="dev")[0] for number, row in numbered]
    places = [place for place, kept in enumerate(each) if kept]
    if not places:
        why = f"; all {len(each)} are labelled '-'" if each else ""
        raise InputError(f"{gold}: expected labelled rows of {name}, got none{why}")
    rows = [row for kept in each for row in kept]
    dropped = [row for (_, row), kept in zip(numbered, each, strict=True) if not kept]
    guesses = submission.read_predictions(task, rows, predictions, places=places, dropped=dropped)
    return scoring.measures(task, rows, guesses)


def pack(
    files: list[Path],
    out: Annotated[Path, typer.Option(help="the archive; CLUE takes no other name than submit.zip")] = Path(
        "submit.zip"
    ),
    tasks: Annotated[
        Path | None, typer.Option(help="a folder with one folder per task as released: ids and order are checked by it")
    ] = None,
) -> None:
    """Submission files in one archive for CLUE, checked first and written anew in its form."""
    from rosphere.clue import archive

    for name, count in archive.write(files, out, tasks).items():
        print(f"{name}: {count} predictions{archive.note(name) if tasks is None else ''}")
