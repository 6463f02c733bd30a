"""Labelled pairs of sentences: alike or not, or a class of natural language inference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rosphere.errors import InputError
from rosphere.text import labels, reading

ALIKE, INFERENCE = ("0", "1"), ("contradiction", "entailment", "neutral")
KINDS = (ALIKE, INFERENCE)
FIRST = {ALIKE: 0, INFERENCE: len(ALIKE)}  # the first class of each kind
CLASSES = len(ALIKE) + len(INFERENCE)


@dataclass(frozen=True, kw_only=True)
class LabelledPair:
    one: str
    two: str
    kind: tuple[str, ...]
    label: str

    @property
    def target(self) -> int:
        return FIRST[self.kind] + self.kind.index(self.label)


def read(path: Path) -> list[LabelledPair]:
    """Rows with "sentence1", "sentence2" and a "label", or a "score" and the split "train": above the middle is alike.

    Raises:
        InputError: a row has neither, or a label of no kind; there are no rows to train on.
    """
    labelled, scored = [], []
    for number, row in reading.rows(path):
        one, two = (reading.text_field(row, key, path=path, number=number) for key in ("sentence1", "sentence2"))
        if "score" in row:
            if row.get("split", "train") == "train":
                scored.append((one, two, reading.number_field(row, "score", path=path, number=number)))
            continue
        label = _label(row.get("label"), f"{path}:{number}")
        kind = next(kind for kind in KINDS if label in kind)
        labelled.append(LabelledPair(one=one, two=two, kind=kind, label=label))
    if scored:
        middle = (min(score for *_, score in scored) + max(score for *_, score in scored)) / 2
        labelled += [LabelledPair(one=a, two=b, kind=ALIKE, label=str(int(score > middle))) for a, b, score in scored]
    if not labelled:
        raise InputError(f"{path}: expected pairs to train on, there are none")
    return labelled


def _label(given: object, where: str) -> str:
    """One of the labels of ``KINDS``: 1.0, true and "1 " are "1"."""
    known = [label for kind in KINDS for label in kind]
    try:
        found = labels.value(given, where)
    except InputError:  # says what a grade is too, and there are none here
        found = None
    label = found if isinstance(found, str) else {0.0: "0", 1.0: "1"}.get(found) if found is not None else None
    if label not in known:
        raise InputError(f"{where}: expected a label ({', '.join(known)}) or a score, got {given!r}")
    return label


def write(pairs: Iterable[LabelledPair], path: Path) -> int:
    """JSON lines as ``read`` takes them; returns how many."""
    rows = ({"sentence1": each.one, "sentence2": each.two, "label": each.label} for each in pairs)
    return reading.write_rows(path, rows)
