"""All pairs of a source, for training and evaluation: groups, mined pairs, graded sets. None held out is trained on."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rosphere.clue import declared
from rosphere.clue.tasks import Task
from rosphere.preparation import components, contamination, graded, mining, sample, writing
from rosphere.preparation.components import Components
from rosphere.preparation.contamination import HeldOut, Pair
from rosphere.preparation.deduplication import Deduplicator
from rosphere.preparation.mining import Mining
from rosphere.preparation.source import Graded, Group, Negative, Row, Source
from rosphere.text.cleaning import clean

Tasks = Mapping[str, Mapping[str, Sequence[Row]]]
Counts = dict[str, int]
LABELLED = "labelled_pairs"  # the graded set that held-out labelled negatives make


@dataclass(frozen=True, kw_only=True)
class Split:
    """Groups and labelled negatives for training and held out; of one component or family on one side."""

    train: Sequence[Group]
    dev: Sequence[Group]
    negatives: Sequence[Negative] = ()
    dev_negatives: Sequence[Negative] = ()


def split(found: Components, negatives: Sequence[Negative], *, share: float, seed: int) -> Split:
    """By family; every component of given groups and pairs is in one."""
    train, dev = sample.split_families(found.groups, share=share, seed=seed)
    trained, held = components.sides(found.apart(negatives), train, dev, found.counts, share=share)
    return Split(train=train, dev=dev, negatives=trained, dev_negatives=held)


def write(
    source: Source, groups: Split, held_out: HeldOut, mined: Iterable[Group], *, folder: Path, seed: int
) -> tuple[Counts, Counts]:
    """Writes train.jsonl, negatives.jsonl, dev.jsonl, gold.jsonl and graded/<name>.jsonl; returns what the report says
    of pairs, and what was dropped as contaminated.

    ``groups`` are connected already, and ``mined`` go through a Deduplicator that knows them.
    """
    leaked: Counter[str] = Counter()
    kept = list(contamination.without_overlaps(itertools.chain(groups.train, mined), held_out, leaked))
    counts = writing.write_groups(kept, groups.dev, folder, seed=seed, negatives=groups.dev_negatives)
    hard = list(contamination.pairs_without_overlaps(groups.negatives, held_out, leaked))
    counts |= writing.write_negatives(hard, folder)
    for stale in (folder / "graded").glob("*.jsonl"):  # run by hand, nothing else clears the folder
        stale.unlink()
    if groups.dev_negatives and LABELLED not in source.graded:
        counts |= graded.write(LABELLED, labelled_set(groups), folder / "graded")
    for name, rows in source.graded.items():
        usable = list(contamination.graded_without_overlaps(rows, held_out, leaked))
        counts |= graded.write(name, usable, folder / "graded")
        counts |= {f"graded_{name}_dropped_leaked": len(rows) - len(usable)} if len(usable) < len(rows) else {}
    return counts, dict(leaked)


def labelled_set(groups: Split) -> list[Graded]:
    """What is held out of pairs that people labelled, as a graded set: 1 alike, 0 not."""
    alike = (pair for group in groups.dev for pair in itertools.combinations(group.texts, 2))
    unlike = ((pair.sentence1, pair.sentence2) for pair in groups.dev_negatives)
    return [
        Graded(sentence1=one, sentence2=two, score=score, split="dev")
        for score, pairs in ((1.0, alike), (0.0, unlike))
        for one, two in pairs
    ]


def mine(
    settings: Mining, documents: Sequence[str], source: Source, found: Components, *, seed: int
) -> tuple[list[Group], Counts]:
    """Mined pairs whose sentences stand in no given group and in no other pair, and the counts."""
    if not settings.enabled:
        return [], {}
    deduplicate = Deduplicator(found.marks)
    mined, counts = mining.mine(settings, documents, source.answers(), seed=seed)
    usable = [dataclasses.replace(group, family=group.name) for group in deduplicate(mined)]
    return usable, {**counts, **deduplicate.counts}


def held_out_sets(
    dev: Sequence[Group],
    graded: Mapping[str, Sequence[Graded]],
    tasks: Tasks,
    negatives: Sequence[Negative] = (),
    known: declared.Known = declared.NONE,
) -> dict[str, Iterable[Pair]]:
    """Every set of pairs on which something is measured: all pairs of the dev groups, what is not for training of the
    graded sets and of the tasks on pairs. ``known`` are tasks that the library does not declare."""
    sets: dict[str, Iterable[Pair]] = {
        "dev_groups": (pair for group in dev for pair in itertools.combinations(group.texts, 2))
    }
    if negatives:
        sets["dev_negatives"] = [(pair.sentence1, pair.sentence2) for pair in negatives]
    for name, rows in graded.items():
        for split in ("dev", "test"):
            sets[f"graded_{name}_{split}"] = _graded_pairs(rows, split)
    for name, splits in tasks.items():
        task = declared.named(name, known)
        for split in splits:
            if task.pair and split != "train":
                sets[f"task_{name}_{split}"] = _task_pairs(task, splits[split])
    return sets


def _graded_pairs(rows: Sequence[Graded], split: str) -> Iterator[Pair]:
    return ((row.sentence1, row.sentence2) for row in rows if row.split == split)


def _task_pairs(task: Task, rows: Sequence[Row]) -> Iterator[Pair]:
    for row in rows:
        one, other = map(clean, task.texts(row))
        yield one, other


def held_out_texts(source: Source, groups: Split) -> Iterator[str]:
    """Every sentence on which something is measured: what the corpus must not contain."""
    yield from writing.task_texts(source.tasks, ("dev", "test"), source.known)
    yield from (text for group in groups.dev for text in group.texts)
    yield from (text for pair in groups.dev_negatives for text in (pair.sentence1, pair.sentence2))
    measured = (row for rows in source.graded.values() for row in rows if row.split != "train")
    yield from (text for row in measured for text in (row.sentence1, row.sentence2))
