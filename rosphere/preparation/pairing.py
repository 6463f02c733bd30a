"""All pairs of a source, for training and evaluation: groups, mined pairs, graded sets. What is for training passes the
filter (filtering.py)."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rosphere.errors import InputError
from rosphere.preparation import components, graded, mining, sample, writing
from rosphere.preparation.components import Components
from rosphere.preparation.deduplication import Deduplicator
from rosphere.preparation.filtering import Filter
from rosphere.preparation.mining import Mining
from rosphere.preparation.source import Graded, Group, Negative, Source
from rosphere.text.cleaning import fingerprint

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


def require_measurable(groups: Split, *, share: float, seed: int) -> None:
    """Where there are groups at all, some are left to train on and to hold out, and pairs of these differ in grade.

    Raises:
        InputError: else, for an encoder would be trained and could not be measured.
    """
    grades = {row["score"] for row in writing.graded_pairs(groups.dev, seed=seed, negatives=groups.dev_negatives)}
    if (groups.train or groups.dev) and not (groups.train and len(grades) > 1):
        raise InputError(
            "params.yaml: prepare.held_out: expected one group of similar sentences or more to train on and two or more"
            f" to hold out, got {len(groups.train)} and {len(groups.dev)} of {len(groups.train) + len(groups.dev)}"
            f" ({share})"
        )


def general(source: Source, found: Components) -> tuple[list[Group], Counts]:
    """The general groups and pairs, those that share a sentence connected, without sentences that stand in groups of
    the user's own, held out or not; and the counts."""
    deduplicate = Deduplicator(found.marks)
    connected = Components(source.general).groups
    kept = list(deduplicate(dataclasses.replace(group, origin="general") for group in connected))
    return kept, dict(deduplicate.counts)


def write(
    source: Source,
    groups: Split,
    filter_: Filter,
    mined: Iterable[Group],
    *,
    folder: Path,
    seed: int,
    general: Sequence[Group] = (),
) -> Counts:
    """Writes train.jsonl, negatives.jsonl, dev.jsonl, gold.jsonl and graded/<name>.jsonl; returns what the report says
    of pairs.

    ``groups`` are connected already, and ``mined`` and ``general`` go through a Deduplicator that knows them.
    """
    kept = [*filter_.groups("pairs", groups.train), *filter_.groups("mined_pairs", mined)]
    if general:
        kept += filter_.groups("general_pairs", general)
    counts = writing.write_groups(kept, groups.dev, folder, seed=seed, negatives=groups.dev_negatives)
    unlike = (((pair.sentence1, pair.sentence2), pair) for pair in groups.negatives)
    counts |= writing.write_negatives(list(filter_.rows("negatives", unlike)), folder)
    for stale in (folder / "graded").glob("*.jsonl"):  # run by hand, nothing else clears the folder
        stale.unlink()
    if groups.dev_negatives and LABELLED not in source.graded:
        counts |= graded.write(LABELLED, labelled_set(groups), folder / "graded")
    for name, rows in source.graded.items():
        trained = (((row.sentence1, row.sentence2), row) for row in rows if row.split == "train")
        usable = set(map(id, filter_.rows(f"graded_{name}", trained)))
        left = [row for row in rows if row.split != "train" or id(row) in usable]
        counts |= graded.write(name, left, folder / "graded")
    return counts


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
    settings: Mining,
    documents: Iterable[str],
    source: Source,
    found: Components,
    *,
    seed: int,
    general: Sequence[Group] = (),
) -> tuple[list[Group], Counts]:
    """Mined pairs whose sentences stand in no given group and in no other pair, and which nobody judged to be unlike;
    and the counts."""
    if not settings.enabled:
        return [], {}
    deduplicate = Deduplicator([*found.marks, *(fingerprint(text) for group in general for text in group.texts)])
    mined, counts = mining.mine(settings, documents, source.answers(), seed=seed)
    unlike = {_marks(each.sentence1, each.sentence2) for each in source.negatives}
    found_new = list(deduplicate(mined))
    usable = [dataclasses.replace(each, family=each.name) for each in found_new if _marks(*each.texts) not in unlike]
    judged = {"mined_dropped_judged_unlike": len(found_new) - len(usable)} if len(usable) < len(found_new) else {}
    return usable, {**counts, **deduplicate.counts, **judged}


def _marks(*texts: str) -> frozenset[bytes]:
    return frozenset(map(fingerprint, texts))
