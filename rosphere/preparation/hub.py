"""Hugging Face datasets as a source. Off by default: nothing is downloaded unless params.yaml asks for it.

A mirror is chosen by the environment variable HF_ENDPOINT, as everywhere in that library.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rosphere.clue import reading as clue
from rosphere.errors import InputError, first_line
from rosphere.preparation import graded as graded_pairs
from rosphere.preparation import labelled
from rosphere.preparation.labelled import Labelled
from rosphere.preparation.source import Graded, Row, Source

SPLITS: dict[graded_pairs.Split, str] = {"train": "train", "dev": "validation", "test": "test"}


def load(
    text: str,
    split: str,
    field: str,
    limit: int | None,
    pairs: str | None,
    tasks: Mapping[str, str],
    *,
    graded: Mapping[str, str] = MappingProxyType({}),
    positive_from: float | None = None,
) -> Source:
    """``text`` is a dataset whose ``field`` holds documents; ``pairs`` one with sentence1, sentence2 and label;
    ``tasks`` and ``graded`` map the names of tasks and of sets of graded pairs (sentence1, sentence2, and score or
    label) to datasets. A dataset is "name" or "name:configuration"."""

    def documents() -> Iterator[str]:
        for number, row in enumerate(_rows(text, split)):
            if limit is not None and number >= limit:
                return
            if not isinstance(row.get(field), str):
                raise InputError(f"{text}[{split}] row {number}: expected text under {field!r}, got {list(row)}")
            yield row[field]

    found = _pairs(pairs, positive_from) if pairs else Labelled()
    read = {name: _task(name, dataset) for name, dataset in tasks.items()}
    return Source(
        documents=documents,
        groups=found.groups,
        negatives=found.negatives,
        rows={"pairs": found.counts},
        tasks={name: splits for name, (splits, _) in read.items()},
        counts={name: counts for name, (_, counts) in read.items()},
        origin={"documents": f"hub: {text}"},
        graded={name: list(_graded(name, dataset)) for name, dataset in graded.items()},
    )


def _rows(dataset: str, split: str, label: str | None = None, labels: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Rows of one split, streamed; a download that breaks off is one clear line.

    Classes under ``label`` that the dataset numbers become the names that its features give them, unless it is their
    numbers that are among ``labels``; -1, which stands for a missing class, becomes None.
    """
    from datasets import load_dataset
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # httpx or httpx2, as that library uses

    name, _, configuration = dataset.partition(":")
    try:
        found = load_dataset(name, configuration or None, split=split, streaming=True)
        names = _names(found, label, labels)
        yield from found if names is None else (_in_words(row, str(label), names) for row in found)
    except (OSError, ValueError, httpx.HTTPError) as error:  # a connection lost on the way is no OSError in httpx
        raise InputError(
            f"hub dataset {dataset} [{split}]: download failed or was interrupted: {first_line(error)}"
        ) from error


def _names(dataset: object, label: str | None, labels: Sequence[str]) -> list[str] | None:
    """The names of the classes under ``label``, where the dataset numbers them and the task means their names."""
    features = getattr(dataset, "features", None) or {}
    names = getattr(features.get(label), "names", None)
    if not names:
        return None
    numbers = [str(number) for number in range(len(names))]
    return numbers if not set(names) <= set(labels) and set(numbers) <= set(labels) else list(names)


def _in_words(row: dict[str, Any], label: str, names: Sequence[str]) -> dict[str, Any]:
    number = row.get(label)
    if type(number) is not int or not -1 <= number < len(names):
        return row
    return {**row, label: None if number < 0 else names[number]}


def _pairs(dataset: str, positive_from: float | None) -> Labelled:
    rows = ((f"{dataset}[train] row {number}", row) for number, row in enumerate(_rows(dataset, "train")))
    found = labelled.sorted_out(rows, positive_from=positive_from)
    if not found.groups:
        why = ", ".join([*labelled.reasons(found.counts), f"{found.counts['negatives']} not alike"])
        raise InputError(f"hub dataset {dataset}: expected pairs that are alike, got none ({why})")
    return found


def _task(name: str, dataset: str) -> tuple[dict[str, list[Row]], dict[str, int]]:
    """The splits, and what was dropped or repaired in them, as ``clue.read_folder`` gives both."""
    task = clue.named(name)
    splits: dict[str, list[Row]] = {}
    counts: dict[str, int] = {}
    for ours, theirs in SPLITS.items():
        numbered = enumerate(_rows(dataset, theirs, task.gold, task.labels))
        splits[ours], found = clue.checked(name, numbered, origin=f"{dataset}[{theirs}]", split=ours)
        counts |= {f"{ours}_{what}": n for what, n in found.items() if n and what not in ("read", "kept")}
    return splits, counts


def _graded(name: str, dataset: str) -> Iterator[Graded]:
    graded_pairs.check_name(name)
    for ours, theirs in SPLITS.items():
        for number, row in enumerate(_rows(dataset, theirs)):
            yield graded_pairs.graded(row, ours, f"{dataset}[{theirs}] row {number}")
