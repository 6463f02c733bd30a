"""Everything on which something is measured, by set: as pairs, and as the sentences that stand in them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rosphere.clue import declared
from rosphere.clue.tasks import Task
from rosphere.preparation import writing
from rosphere.preparation.contamination import Pair
from rosphere.preparation.source import Graded, Group, Negative, Row
from rosphere.text.cleaning import clean

Tasks = Mapping[str, Mapping[str, Sequence[Row]]]


def pairs(
    dev: Sequence[Group],
    graded: Mapping[str, Sequence[Graded]],
    tasks: Tasks,
    negatives: Sequence[Negative] = (),
    *,
    seed: int,
    known: declared.Known = declared.NONE,
) -> dict[str, list[Pair]]:
    """All pairs of the dev groups, those across them that are graded, what is not for training of the graded sets and
    of the tasks on pairs. ``known`` are tasks that the library does not declare."""
    sets = {"dev_groups": [pair for group in dev for pair in itertools.combinations(group.texts, 2)]}
    across = [row for row in writing.graded_pairs(dev, seed=seed, negatives=negatives) if row["score"] < 2]
    if across:
        sets["gold"] = [(row["sentence1"], row["sentence2"]) for row in across]
    if negatives:
        sets["dev_negatives"] = [(pair.sentence1, pair.sentence2) for pair in negatives]
    for name, rows in graded.items():
        for split in ("dev", "test"):
            sets[f"graded_{name}_{split}"] = list(_graded_pairs(rows, split))
    for name, splits in tasks.items():
        task = declared.named(name, known)
        for split in splits:
            if task.pair and split != "train":
                sets[f"task_{name}_{split}"] = list(_task_pairs(task, splits[split]))
    return sets


def _graded_pairs(rows: Sequence[Graded], split: str) -> Iterator[Pair]:
    return ((row.sentence1, row.sentence2) for row in rows if row.split == split)


def _task_pairs(task: Task, rows: Sequence[Row]) -> Iterator[Pair]:
    for row in rows:
        one, other = map(clean, task.texts(row))
        yield one, other


def sentences(
    dev: Sequence[Group],
    graded: Mapping[str, Sequence[Graded]],
    tasks: Tasks,
    negatives: Sequence[Negative] = (),
    *,
    known: declared.Known = declared.NONE,
) -> dict[str, Iterable[str]]:
    """The same sets, and the tasks on single texts too: what the corpus must not contain."""
    sets: dict[str, Iterable[str]] = {"dev_groups": (text for group in dev for text in group.texts)}
    sets["dev_negatives"] = (text for pair in negatives for text in (pair.sentence1, pair.sentence2))
    for name, rows in graded.items():
        for split in ("dev", "test"):
            sets[f"graded_{name}_{split}"] = itertools.chain.from_iterable(_graded_pairs(rows, split))
    for name, splits in tasks.items():
        for split in splits:
            if split.startswith(("dev", "test")):
                sets[f"task_{name}_{split}"] = writing.task_texts(declared.named(name, known), splits[split])
    return sets
