"""Where a task goes wrong: confusions, scores by class and by length, and the first wrong rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from rosphere.clue.kinds.kind import NOTHING, Pairs, Prediction
from rosphere.clue.kinds.table import KINDS
from rosphere.clue.scoring import measures
from rosphere.clue.tasks import Row, Task

EDGES = (0, 16, 32, 64, 128, 256, 512, 1024)  # characters of all the texts of a row
SHOWN = 20


def analyse(task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]) -> dict[str, Any]:
    """All of it, as plain values.

    {"confusion": [[gold, predicted, count], ...], most first; "classes": [{"label", "precision", "recall", "f1",
    "gold"}, ...]; "lengths": [{"from", "to", "rows", measure: ...}, ...]; "wrong_rows": how many;
    "wrong": the first twenty, in the order of the file}. Answers have no classes.
    """
    kind = KINDS[task.kind]
    pairs = [pair for row, guess in zip(rows, predictions, strict=True) for pair in kind.pairs(task, row, guess)]
    wrong = [
        {"row": number, "texts": list(task.texts(row)), **kind.said(task, row, guess)}
        for number, (row, guess) in enumerate(zip(rows, predictions, strict=True))
        if not kind.right(task, row, guess)
    ]
    confusion = sorted(Counter(pairs).items(), key=lambda item: (-item[1], item[0]))
    return {
        "confusion": [[gold, guess, count] for (gold, guess), count in confusion],
        "classes": classes(pairs),
        "lengths": lengths(task, rows, predictions),
        "wrong_rows": len(wrong),
        "wrong": wrong[:SHOWN],
    }


def classes(pairs: Pairs) -> list[dict[str, Any]]:
    """Precision, recall and F1 of every label that occurs; a share of nothing is 0."""
    true, said, gold = (Counter[str]() for _ in range(3))
    for meant, guess in pairs:
        gold[meant] += 1
        said[guess] += 1
        true[meant] += meant == guess
    return [
        {
            "label": label,
            "precision": true[label] / max(1, said[label]),
            "recall": true[label] / max(1, gold[label]),
            "f1": 2 * true[label] / max(1, said[label] + gold[label]),
            "gold": gold[label],
        }
        for label in sorted(set(gold) | set(said) - {NOTHING})
        if label != NOTHING
    ]


def lengths(task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]) -> list[dict[str, Any]]:
    """The task's measures of rows whose texts together have so many characters; empty buckets are left out."""
    sizes = [sum(map(len, task.texts(row))) for row in rows]
    found = []
    for begin, end in [*pairwise(EDGES), (EDGES[-1], None)]:
        inside = [n for n, size in enumerate(sizes) if begin <= size and (end is None or size < end)]
        if inside:
            measured = measures(task, [rows[n] for n in inside], [predictions[n] for n in inside])
            found.append({"from": begin, "to": end, "rows": len(inside), **measured})
    return found
