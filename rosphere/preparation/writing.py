"""From a source to what training reads: corpus shards, sentences, pairs, task rows. Everything is counted."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rosphere.clue import declared
from rosphere.clue.reading import is_scored, is_test
from rosphere.clue.tasks import Task
from rosphere.errors import InputError
from rosphere.preparation.filtering import Filter
from rosphere.preparation.mining import is_question_group
from rosphere.preparation.source import Group, Negative, Row
from rosphere.text import reading
from rosphere.text.cleaning import clean, fingerprint

Counts = dict[str, int]


def write_groups(
    train: Sequence[Group], dev: Sequence[Group], folder: Path, *, seed: int, negatives: Sequence[Negative] = ()
) -> Counts:
    """Similar groups for training and held out, and graded pairs of the held-out ones.

    A held-out sentence that also stands in a training group is removed from training. Training groups say where they
    are from and whether they are questions, so that as many questions as other sentences can be drawn.
    """
    held = {fingerprint(text) for group in dev for text in group.texts}
    without = ((group.origin, [text for text in group.texts if fingerprint(text) not in held]) for group in train)
    kept = [(origin, texts, is_question_group(texts)) for origin, texts in without if len(texts) > 1]
    reading.write_rows(
        folder / "train.jsonl",
        ({**_group(texts, ""), "origin": origin, "question": question} for origin, texts, question in kept),
    )
    reading.write_rows(folder / "dev.jsonl", (_group(group.texts, group.family) for group in dev))
    left = sum(len(texts) for _, texts, _ in kept)
    gold = graded_pairs(dev, seed=seed, negatives=negatives)
    reading.write_rows(folder / "gold.jsonl", gold)
    return {
        "train_groups": len(kept),
        **Counter(f"train_groups_{origin}" for origin, _, _ in kept),
        "train_groups_question": sum(question for _, _, question in kept),
        "train_sentences": left,
        "train_sentences_dropped_overlap": sum(len(group.texts) for group in train) - left,
        "dev_groups": len(dev),
        "dev_sentences": sum(len(group.texts) for group in dev),
        "gold_pairs": len(gold),
    }


def _group(texts: Sequence[str], family: str) -> Row:
    return {"text": texts[0], "synonyms": list(texts[1:]), "family": family}


def write_negatives(negatives: Sequence[Negative], folder: Path) -> Counts:
    """negatives.jsonl, beside the groups: pairs for training of which people said that they are not alike."""
    path = folder / "negatives.jsonl"
    if not negatives:
        path.unlink(missing_ok=True)
        return {}
    rows = [{"sentence1": pair.sentence1, "sentence2": pair.sentence2, "label": "0"} for pair in negatives]
    return {"train_negatives": reading.write_rows(path, rows)}


def graded_pairs(groups: Sequence[Group], *, seed: int, negatives: Sequence[Negative] = ()) -> list[Row]:
    """Held-out pairs with a grade: 2 the same meaning, 1 a near miss of one family, 0 not the same; equal numbers.

    0 are labelled negatives between sentences of the groups, and where there are none pairs drawn across families,
    which are so unlike that counting characters tells them.
    """
    families: dict[str, list[Group]] = {}
    for group in groups:
        families.setdefault(group.family, []).append(group)
    same = [pair for group in groups for pair in itertools.combinations(group.texts, 2)]
    near = [
        pair
        for family in families.values()
        for one, other in itertools.combinations(family, 2)
        for pair in itertools.product(one.texts, other.texts)
    ]
    sizes = [sum(len(group.texts) for group in family) for family in families.values()]
    far = (sum(sizes) ** 2 - sum(size**2 for size in sizes)) // 2
    known = {fingerprint(text): text for group in groups for text in group.texts}
    labelled = [
        (known[one], known[two])
        for one, two in ((fingerprint(pair.sentence1), fingerprint(pair.sentence2)) for pair in negatives)
        if one in known and two in known
    ]
    size = min(count for count in (len(same), len(near), len(labelled) or far) if count) if same else 0
    generator = random.Random(seed)
    generator.shuffle(same)
    generator.shuffle(near)
    generator.shuffle(labelled)
    unlike = labelled[:size] if labelled else _unrelated(groups, size if far else 0, generator)
    chosen = {2: same[:size], 1: near[:size], 0: unlike}
    return [{"sentence1": a, "sentence2": b, "score": grade} for grade, pairs in chosen.items() for a, b in pairs]


def _unrelated(groups: Sequence[Group], size: int, generator: random.Random) -> list[tuple[str, str]]:
    """Different pairs across families, drawn one by one: there are as many as the square of all sentences."""
    places = [(group, place) for group in groups for place in range(len(group.texts))]
    drawn: dict[tuple[int, int], None] = {}
    while len(drawn) < size:
        one, two = sorted(generator.sample(range(len(places)), 2))
        if places[one][0].family != places[two][0].family:
            drawn[one, two] = None
    texts = [group.texts[place] for group, place in places]
    return [(texts[one], texts[two]) for one, two in drawn]


def task_texts(task: Task, rows: Iterable[Row]) -> Iterator[str]:
    """Every segment of these rows of a task."""
    return itertools.chain.from_iterable(map(clean, task.texts(row)) for row in rows)


def write_task(
    name: str,
    splits: Mapping[str, Sequence[Row]],
    folder: Path,
    filter_: Filter | None = None,
    known: declared.Known = declared.NONE,
) -> dict[str, Any]:
    """Writes the rows of one task, which may be one of ``known``. Training rows that are held out too, and pairs that
    are or nearly are a pair of another held-out set, are dropped and counted."""
    fresh = training_rows(name, splits, known)
    task, own = declared.named(name, known), {f"task_{name}_{split}" for split in splits}
    train = list(without_overlaps(task, fresh, filter_, own=own)) if filter_ else fresh
    if filter_ and not train:
        why = filter_.reasons(f"task_{name}")
        raise InputError(f"task {name}: expected train rows, got none: all {len(fresh)} are held out elsewhere ({why})")
    parts = {**splits, "train": train}
    counts = {split: reading.write_rows(folder / f"{split}.jsonl", rows) for split, rows in parts.items()}
    dropped = {"train_dropped_held_out": len(fresh) - len(train)} if len(train) < len(fresh) else {}
    return {**counts, "train_dropped_overlap": len(splits["train"]) - len(fresh), **dropped}


def training_rows(name: str, splits: Mapping[str, Sequence[Row]], known: declared.Known = declared.NONE) -> list[Row]:
    """The training rows of a task without those that also stand in dev, or in a test set that has answers.

    Raises:
        InputError: none is left, as where one file is given as both, or a split has no rows.
    """
    task = declared.named(name, known)
    if not splits["train"] or not splits["dev"]:
        given = len(splits["train"]), len(splits["dev"])
        raise InputError(f"task {name}: expected train and dev rows, got {given[0]} and {given[1]}")
    scored = [split for split in splits if split == "dev" or (is_test(split) and is_scored(task, splits[split]))]
    held_out = {_identity(task, row) for split in scored for row in splits[split]}
    train = [row for row in splits["train"] if _identity(task, row) not in held_out]
    if not train:
        raise InputError(f"task {name}: expected train rows that are not held out too, all {len(splits['train'])} are")
    return train


def without_overlaps(task: Task, rows: Sequence[Row], filter_: Filter, *, own: Collection[str]) -> Iterator[Row]:
    """Rows of a task on pairs that are in no held-out set but its ``own``, of which ``training_rows`` takes care."""
    if not task.pair or task.choices:
        yield from rows
        return
    paired = ((tuple(map(clean, task.texts(row))), row) for row in rows)
    yield from filter_.rows(f"task_{task.name}", (((texts[0], texts[1]), row) for texts, row in paired), apart=own)


def _identity(task: Task, row: Row) -> bytes:
    return fingerprint("\t".join(task.texts(row)))
