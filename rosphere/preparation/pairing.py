"""All pairs of a source, for training and evaluation: groups, mined pairs, graded sets. None held out is trained on."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rosphere.clue.tasks import TASKS
from rosphere.preparation import contamination, graded, mining, writing
from rosphere.preparation.contamination import HeldOut, Pair
from rosphere.preparation.deduplication import Deduplicator
from rosphere.preparation.mining import Mining
from rosphere.preparation.source import Graded, Group, Row, Source
from rosphere.text.cleaning import clean

Tasks = Mapping[str, Mapping[str, Sequence[Row]]]
Counts = dict[str, int]


def write(
    source: Source,
    groups: tuple[Sequence[Group], Sequence[Group]],
    tasks: Tasks,
    documents: Sequence[str],
    *,
    deduplicate: Deduplicator,
    settings: Mining,
    folder: Path,
    seed: int,
) -> Counts:
    """Writes train.jsonl, dev.jsonl, gold.jsonl and graded/<name>.jsonl; returns what the report says of pairs.

    ``groups`` are those for training and those held out, both deduplicated already; ``tasks`` the chosen ones;
    ``documents`` those that may be trained on.
    """
    train, dev = groups
    mined, counts = mining.mine(settings, documents, source.answers(), seed=seed) if settings.enabled else ([], {})
    held_out = HeldOut(held_out_sets(dev, source.graded, tasks))
    leaked: Counter[str] = Counter()
    kept = list(contamination.without_overlaps(itertools.chain(train, deduplicate(mined)), held_out, leaked))
    counts |= writing.write_groups(kept, dev, folder, seed=seed)
    for stale in (folder / "graded").glob("*.jsonl"):  # run by hand, nothing else clears the folder
        stale.unlink()
    for name, rows in source.graded.items():
        usable = list(contamination.graded_without_overlaps(rows, held_out, leaked))
        counts |= graded.write(name, usable, folder / "graded")
        counts |= {f"graded_{name}_dropped_leaked": len(rows) - len(usable)} if len(usable) < len(rows) else {}
    return {**deduplicate.counts, **counts, **leaked}


def held_out_sets(
    dev: Sequence[Group], graded: Mapping[str, Sequence[Graded]], tasks: Tasks
) -> dict[str, Iterator[Pair]]:
    """Every set of pairs on which something is measured: all pairs of the dev groups, what is not for training of the
    graded sets and of the tasks on pairs."""
    sets: dict[str, Iterator[Pair]] = {
        "dev_groups": (pair for group in dev for pair in itertools.combinations(group.texts, 2))
    }
    for name, rows in graded.items():
        for split in ("dev", "test"):
            sets[f"graded_{name}_{split}"] = _graded_pairs(rows, split)
    for name, splits in tasks.items():
        for split in splits:
            if TASKS[name].pair and split != "train":
                sets[f"task_{name}_{split}"] = _task_pairs(name, splits[split])
    return sets


def _graded_pairs(rows: Sequence[Graded], split: str) -> Iterator[Pair]:
    return ((row.sentence1, row.sentence2) for row in rows if row.split == split)


def _task_pairs(name: str, rows: Sequence[Row]) -> Iterator[Pair]:
    for row in rows:
        one, other = map(clean, TASKS[name].texts(row))
        yield one, other


def held_out_texts(source: Source, dev: Sequence[Group], tasks: Tasks) -> Iterator[str]:
    """Every sentence on which something is measured: what the corpus must not contain."""
    yield from writing.task_texts(tasks, ("dev", "test"))
    yield from (text for group in dev for text in group.texts)
    measured = (row for rows in source.graded.values() for row in rows if row.split != "train")
    yield from (text for row in measured for text in (row.sentence1, row.sentence2))
