"""A task of one's own, from its files to rows: nothing lost that is not counted."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rosphere.clue import layouts, reading, splitting
from rosphere.clue.declared import Declared
from rosphere.clue.reading import DISAGREED
from rosphere.clue.tasks import Row, Task
from rosphere.errors import InputError
from rosphere.files import below
from rosphere.preparation import records
from rosphere.preparation.graded import split_of
from rosphere.preparation.own_tasks import entities, rows, tagged
from rosphere.preparation.own_tasks.declaration import OwnTask
from rosphere.preparation.own_tasks.fields import Named, is_pair, naming

Placed = tuple[str, Named]  # file:line, the record


@dataclass(frozen=True, kw_only=True)
class Loaded:
    declared: Declared
    task: Task
    splits: dict[str, list[Row]]
    counts: dict[str, int]  # {split}_dropped_unlabelled and the like
    unread: list[Path]  # files of its folder that are read by nothing


def load(name: str, own: OwnTask, *, seed: int) -> Loaded:
    """Raises InputError for a file, a row or a declaration that cannot be used, in one line."""
    files, unread = _files(name, own)
    found = {split: list(_records(own, path)) for split, path in files.items()}
    empty = next((path for split, path in files.items() if not found[split]), None)
    if empty:
        raise InputError(f"{empty}: no rows in it (task {name})")
    pair = own.kind == "classification" and is_pair(own, found["train"][0][1])
    placed = {split: _rows(own, each, labelled=not reading.is_test(split), pair=pair) for split, each in found.items()}
    declared = Declared(
        kind=own.kind,
        labels=_labels(own, [row for each in placed.values() for _, row in each]),
        pair=pair,
        blank=own.blank is not None,
        max_length=own.max_length,
        metric=own.metric,
    )
    task = declared.task(name)
    splits, counts = _checked(task, placed, files)
    if "dev" not in splits:
        splits = _with_dev(name, own, task, splits, seed=seed)
        counts |= {"dev_set_apart_of_train": len(splits["dev"])}
    return Loaded(declared=declared, task=task, splits=splits, counts=counts, unread=unread)


def _files(name: str, own: OwnTask) -> tuple[dict[str, Path], list[Path]]:
    """split -> its file, and the files of a folder that are none."""
    key = f"params.yaml: prepare.tasks.{name}.files"
    if isinstance(own.files, dict):
        files = {split: Path(place) for split, place in own.files.items()}
    elif Path(own.files).is_dir():
        return _of_folder(own, Path(own.files), key)
    else:
        files = {"train": Path(own.files)}
    missing = next((path for path in files.values() if not path.is_file()), None)
    if missing:
        raise InputError(f"{key}: no such file: {missing}")
    _require_readable(own, files.values())
    return files, []


def _of_folder(own: OwnTask, folder: Path, key: str) -> tuple[dict[str, Path], list[Path]]:
    found: dict[str, Path] = {}
    unread = []
    for path in below(folder):
        split = split_of(path)
        if split is None or not _is_read(own, path):
            unread.append(path)
        elif split in found:
            raise InputError(f"{key}: expected one file of {split}, got {found[split]} and {path}; name each of them")
        else:
            found[split] = path
    if "train" not in found:
        there = ", ".join(path.name for path in below(folder)) or "nothing"
        raise InputError(f"{key}: expected a file with the word train in its name in {folder}, there is {there}")
    return found, unread


def _is_read(own: OwnTask, path: Path) -> bool:
    return bool(records.kind(path)) or (own.kind == "entities" and tagged.is_file(path))


def _require_readable(own: OwnTask, paths: Iterable[Path]) -> None:
    endings = (*records.SUFFIXES, *(tagged.ENDINGS if own.kind == "entities" else ()))
    for path in paths:
        if not _is_read(own, path):
            raise InputError(f"{path}: expected a file that ends in {', '.join(endings)}")


def _records(own: OwnTask, path: Path) -> Iterator[Placed]:
    """(file:line, the record), by the ending; of JSON, reading and choices also as SQuAD and C3 were released."""
    if own.kind == "entities" and tagged.is_file(path):
        yield from tagged.sentences(path)
    elif own.kind == "spans" and records.is_json(path) and layouts.is_squad(path):
        yield from ((f"{path}:{where}", row) for where, row in layouts.squad(path))
    else:
        names = naming(own)
        for where, record in records.records(path, header=names.header):
            yield where, names.by_name(record, where)


def _rows(own: OwnTask, placed: Iterable[Placed], *, labelled: bool, pair: bool) -> list[tuple[str, Row]]:
    return [(where, rows.row(own, record, where, pair=pair, labelled=labelled)) for where, record in placed]


def _labels(own: OwnTask, made: Sequence[Row]) -> tuple[str, ...]:
    """The classes or types: those that are named, else all that occur, in order."""
    if own.kind not in ("classification", "entities"):
        return ()
    if own.labels:
        return tuple(own.labels)
    answers = [row for row in made if row.get("label", DISAGREED) != DISAGREED]
    if own.kind == "entities":
        return tuple(sorted({label for row in answers for label in entities.types(row)}))
    return tuple(sorted({row["label"] for row in answers}))


def _checked(
    task: Task, placed: Mapping[str, Sequence[tuple[str, Row]]], files: Mapping[str, Path]
) -> tuple[dict[str, list[Row]], dict[str, int]]:
    splits: dict[str, list[Row]] = {}
    counts: dict[str, int] = {}
    for split, each in placed.items():
        splits[split], found = reading.fitting(task, each, split=split)
        counts |= {f"{split}_{what}": n for what, n in found.items() if n and what not in ("read", "kept")}
        if not splits[split]:
            raise InputError(
                f"{files[split]}: no usable rows, all {found['read']} lack their answer (task {task.name})"
            )
    return splits, counts


def _with_dev(name: str, own: OwnTask, task: Task, splits: dict[str, list[Row]], *, seed: int) -> dict[str, list[Row]]:
    """Rows of train as dev; what belongs together stays together."""
    if own.dev_share is None:
        raise InputError(
            f"params.yaml: prepare.tasks.{name}: expected a dev file, or dev_share: the share of the train rows that is"
            " held out, such as 0.1; got neither"
        )

    def key(row: Row) -> Hashable:
        return row["group"] if own.group else splitting.together(task, row)

    train, dev = splitting.apart(splits["train"], key, share=own.dev_share, seed=seed)
    if not train or not dev:
        raise InputError(f"params.yaml: prepare.tasks.{name}.dev_share: {len(splits['train'])} rows cannot be parted")
    return {"train": train, "dev": dev, **{split: each for split, each in splits.items() if split != "train"}}
