"""Scores and submissions without a model:

python -m rosphere.clue score TASK GOLD PREDICTIONS    the task's metrics of a file of predictions
python -m rosphere.clue pack FILE... --out submit.zip  an archive for CLUE, checked
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from rosphere.clue import reading, scoring, submission
from rosphere.errors import InputError


def score_file(name: str, gold: Path, predictions: Path) -> dict[str, float]:
    """Every measure of the predictions against the labelled rows of a file in the task's own layout."""
    task = reading.named(name)
    rows, _ = reading.checked(name, task.layout(gold), origin=str(gold), split="dev")
    return scoring.measures(task, rows, submission.read_predictions(task, rows, predictions))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m rosphere.clue", description="Scores and submissions.")
    commands = parser.add_subparsers(dest="command", required=True)
    score = commands.add_parser("score", help="the task's metrics of a file of predictions")
    score.add_argument("task")
    score.add_argument("gold", type=Path, help="labelled rows, as released or as prepared")
    score.add_argument("predictions", type=Path, help="our predictions, or a submission file")
    pack = commands.add_parser("pack", help="submission files in one archive for CLUE, checked first")
    pack.add_argument("files", type=Path, nargs="+")
    pack.add_argument("--out", type=Path, default=Path(submission.ARCHIVE))
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "score":
            print(json.dumps(score_file(chosen.task, chosen.gold, chosen.predictions), indent=1))
        else:
            for name, count in submission.write_archive(chosen.files, chosen.out).items():
                print(f"{name}: {count} predictions")
    except InputError as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
