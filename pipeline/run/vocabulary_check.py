"""How much of a person's text a vocabulary that is there already does not know: seen before any work."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rosphere.clue import fit
from rosphere.clue.tasks import Row, Task
from rosphere.encoder.hub import REPOSITORY
from rosphere.errors import InputError
from rosphere.preparation import vocabulary
from rosphere.preparation.reporting import MUCH_UNKNOWN
from rosphere.preparation.source import Source
from rosphere.text.cleaning import clean
from rosphere.text.tokenizer import Tokenizer

LOOKED_AT = 1000  # documents, and rows of each split, from the beginning


def named(name: str, *, lowercase: bool) -> Tokenizer | None:
    """The tokenizer that lies here as prepare will take it; one of the hub is downloaded by the stage, and none here.

    Raises:
        InputError: there is neither file, nor folder, nor may it be a hub name; or what is there is no tokenizer.
    """
    path = Path(name)
    if path.exists():
        with tempfile.TemporaryDirectory() as folder:
            return vocabulary.take(path, Path(folder), lowercase=lowercase)
    if not REPOSITORY.fullmatch(name):
        raise InputError(f"params.yaml: prepare.vocabulary.path: no such file or folder, nor a hub name: {name}")
    return None


def notes(pieces: Tokenizer, source: Source, tasks: Sequence[Task]) -> list[str]:
    """A line for the text, and one for each task's split, of which more than the stated share is [UNK]."""
    share = unknown_share(pieces, source.documents())
    found = [f"the first {LOOKED_AT} documents: {_said(share)}"] if share > MUCH_UNKNOWN else []
    for task in tasks:
        found += _of_task(task, source.tasks.get(task.name, {}), pieces)
    return found


def unknown_share(pieces: Tokenizer, texts: Iterable[str]) -> float:
    """Of the tokens of the first texts."""
    ids = pieces.ids([clean(text) for text in itertools.islice(texts, LOOKED_AT)])
    return sum(each.count(pieces.unk) for each in ids) / max(1, sum(map(len, ids)))


def _of_task(task: Task, splits: Mapping[str, Sequence[Row]], pieces: Tokenizer) -> list[str]:
    shares = {
        split: fit.measured(task, rows[:LOOKED_AT], pieces)["unknown_share"] for split, rows in splits.items() if rows
    }
    return [
        f"task {task.name}, the first {LOOKED_AT} {split} rows: {_said(share)}"
        for split, share in shares.items()
        if share > fit.TOO_MANY["unknown_share"]
    ]


def _said(share: float) -> str:
    return f"{share:.1%} of the tokens are [UNK], not in prepare.vocabulary.path"
