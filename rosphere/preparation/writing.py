"""From a source to what training reads: corpus shards, sentences, pairs, task rows. Everything is counted."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rosphere.clue.tasks import TASKS, Task
from rosphere.errors import InputError
from rosphere.preparation.mining import is_question_group
from rosphere.preparation.source import Group, Row
from rosphere.text import corpus, reading, sentences
from rosphere.text.cleaning import DuplicateFilter, clean, fingerprint
from rosphere.text.tokenising import tokenise
from rosphere.text.tokenizer import Tokenizer

Counts = dict[str, int]


def is_dev(text: str, share: float) -> bool:
    """A fixed choice by content: independent of order, of other texts and of the seed."""
    return int.from_bytes(fingerprint(text)[:4], "big") < share * 2**32


def short_sentences(documents: Iterable[str], shortest: int, max_length: int) -> list[str]:
    """Distinct sentences between two lengths in characters, in order of appearance."""
    found = itertools.chain.from_iterable(map(sentences.split, documents))
    return list(dict.fromkeys(sentence for sentence in found if shortest <= len(sentence) <= max_length))


def clean_documents(texts: Iterable[str], *, minimum: int, held_out: Iterable[str]) -> tuple[list[str], Counts]:
    filter_ = DuplicateFilter(minimum=minimum, held_out=held_out)
    documents = list(filter_(texts))
    if not documents:
        raise InputError(f"the source has no usable text: {dict(filter_.counts)}")
    return documents, dict(filter_.counts)


def write_corpus(documents: Sequence[str], folder: Path, tokenizer: Tokenizer, *, whole_words: bool) -> Counts:
    """Tokenises documents into shards; empty results (only unknown blanks) are dropped and counted."""
    tokenised = (document for document in tokenise(documents, tokenizer, whole_words) if len(document[0]))
    tokens = corpus.write(tokenised, folder, vocab_size=len(tokenizer), shard_tokens=1 << 25)
    if not tokens:
        raise InputError(f"{folder}: no tokens were left of {len(documents)} documents")
    return {"documents": len(documents), "tokens": tokens}


def write_groups(train: Sequence[Group], dev: Sequence[Group], folder: Path, *, seed: int) -> Counts:
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
    gold = graded_pairs(dev, seed=seed)
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


def graded_pairs(groups: Sequence[Group], *, seed: int) -> list[Row]:
    """Held-out pairs with a grade: 2 the same meaning, 1 a near miss of one family, 0 unrelated; equal numbers."""
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
    size = min(count for count in (len(same), len(near), far) if count) if same else 0
    generator = random.Random(seed)
    generator.shuffle(same)
    generator.shuffle(near)
    chosen = {2: same[:size], 1: near[:size], 0: _unrelated(groups, size if far else 0, generator)}
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


def task_texts(tasks: Mapping[str, Mapping[str, Sequence[Row]]], splits: Sequence[str]) -> Iterator[str]:
    """Every segment of these splits, "test" being test1.0 and test1.1 too: what the corpus must not contain."""
    for name, parts in tasks.items():
        for split in (part for part in parts if part.startswith(tuple(splits))):
            for row in parts[split]:
                yield from map(clean, TASKS[name].texts(row))


def write_task(name: str, splits: Mapping[str, Sequence[Row]], folder: Path) -> dict[str, Any]:
    """Writes the rows of one task. Training rows that also stand in dev are dropped and counted."""
    task = TASKS[name]
    dev = {_identity(task, row) for row in splits["dev"]}
    train = [row for row in splits["train"] if _identity(task, row) not in dev]
    if not train or not splits["dev"]:
        raise InputError(f"task {name}: expected train and dev rows, got {len(train)} and {len(splits['dev'])}")
    parts = {**splits, "train": train}
    counts = {split: reading.write_rows(folder / f"{split}.jsonl", rows) for split, rows in parts.items()}
    return {**counts, "train_dropped_overlap": len(splits["train"]) - len(train)}


def _identity(task: Task, row: Row) -> bytes:
    return fingerprint("\t".join(task.texts(row)))
