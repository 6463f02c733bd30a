"""No held-out pair is trained on, checked against all pairs; and on ATEC, which holds much of AFQMC."""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.preparation import graded, local
from rosphere.preparation.contamination import HeldOut, Overlap
from rosphere.preparation.filtering import Filter
from rosphere.text.cleaning import clean

REAL = os.environ.get("ROSPHERE_DATA") or None
needs_data = pytest.mark.skipif(REAL is None, reason="ROSPHERE_DATA does not name a folder with clue/ and pairs/")
Pair = tuple[str, str]
TEN = "一二三四五六七八九十"


def plain(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())


def close(one: str, other: str) -> bool:
    """The definition, written once more: sets of characters of which nine in ten are shared."""
    a, b = set(plain(one)), set(plain(other))
    return bool(a | b) and 10 * len(a & b) >= 9 * len(a | b)


def same_pair(ours: Pair, theirs: Pair) -> bool:
    (a, b), (c, d) = ours, theirs
    return (close(a, c) and close(b, d)) or (close(a, d) and close(b, c))


def identity(pair: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(map(plain, pair)))


@pytest.mark.parametrize(
    ("pair", "exact"),
    [
        (("甲乙丙", "丁戊己"), True),
        (("丁戊己！", "甲，乙丙"), True),
        (("丙乙甲", "丁戊己"), False),
        (("甲乙丙", "丁戊"), None),
        (("甲乙丙", "甲乙丙"), None),
        ((TEN, "子丑寅卯"), True),
        ((TEN[:9], "子丑寅卯"), False),
        ((TEN + "百", "卯子丑寅"), False),
        ((TEN + "百千", "子丑寅卯"), None),
        ((TEN[:8], "子丑寅卯"), None),
    ],
)
def test_what_leaks(pair: Pair, exact: bool | None) -> None:
    held_out = HeldOut({"test": [("甲乙丙", "丁戊己"), (TEN, "子丑寅卯")]})
    expected = [] if exact is None else [Overlap(one=0, other=1, name="test", exact=exact)]
    assert held_out.overlaps(pair) == expected


def test_every_set_is_named() -> None:
    held_out = HeldOut({"one": [("甲乙", "丙丁")], "two": [("丁丙", "甲乙")], "three": [("甲乙", "戊己")]})
    assert held_out.overlaps(("甲乙", "丙丁")) == [
        Overlap(one=0, other=1, name="one", exact=True),
        Overlap(one=0, other=1, name="two", exact=False),
    ]


def test_a_pair_of_equal_sentences() -> None:
    held_out = HeldOut({"test": [("甲乙", "甲乙！")]})
    assert held_out.overlaps(("甲乙", "乙甲")) == [Overlap(one=0, other=1, name="test", exact=False)]
    assert held_out.overlaps(("甲乙", "丙丁")) == []


SENTENCE = st.text("一二三四五六七八九十百千a，", max_size=14)
PAIRS = st.lists(st.tuples(SENTENCE, SENTENCE), max_size=8)


@given(PAIRS, st.lists(SENTENCE, max_size=6), st.randoms(use_true_random=False))
def test_leaks_are_those_found_by_comparing_all(held: list[Pair], texts: list[str], generator: random.Random) -> None:
    """Half of the texts are held-out sentences with a character less."""
    copies = [text for pair in held for text in pair if generator.random() < 0.5]
    texts += [text[:-1] if generator.random() < 0.5 else text for text in copies]
    found = {(leak.one, leak.other) for leak in HeldOut({"test": held}).overlaps(texts)}
    expected = {
        (one, other)
        for one, other in itertools.combinations(range(len(texts)), 2)
        if any(same_pair((texts[one], texts[other]), pair) for pair in held)
    }
    assert found == expected


def test_the_index_misses_nothing_among_long_sentences() -> None:
    generator = random.Random(4)
    alphabet = [chr(0x4E00 + n) for n in range(60)]
    sentences = ["".join(generator.sample(alphabet, generator.randint(1, 50))) for _ in range(120)]
    near = [text[generator.randint(0, 5) :] + "".join(generator.sample(alphabet, 2)) for text in sentences]
    held_out = HeldOut({"test": [(text, "甲") for text in sentences]})
    missed = 0
    for text in [*sentences, *near]:
        expected = sum(close(text, held) for held in sentences)
        assert len(held_out.near(text)) == expected
        missed += expected
    assert missed > 150, "there was something to find"


@needs_data
def test_atec_trains_on_no_held_out_pair_of_afqmc() -> None:
    folder = Path(str(REAL))
    atec = list(graded.read_file(folder / "pairs" / "atec" / "train_partial.txt", "train"))
    afqmc: dict[str, list[Pair]] = {}
    for split in ("train", "dev", "test"):
        with (folder / "clue" / "afqmc" / f"{split}.json").open(encoding="utf-8") as file:
            afqmc[split] = [(clean(row["sentence1"]), clean(row["sentence2"])) for row in map(json.loads, file)]
    known = {identity((row.sentence1, row.sentence2)) for row in atec}
    overlap = {split: sum(identity(pair) in known for pair in rows) for split, rows in afqmc.items()}
    assert (overlap["train"], overlap["dev"]) == (14704, 1889)  # of train one but for its punctuation

    filter_ = Filter(HeldOut({split: afqmc[split] for split in ("dev", "test")}))
    kept = list(filter_.rows("atec", (((row.sentence1, row.sentence2), row) for row in atec)))
    assert filter_.report["atec"]["found"]["dev"]["exact"] == 1889
    held = afqmc["dev"] + afqmc["test"]
    assert not {identity((row.sentence1, row.sentence2)) for row in kept} & set(map(identity, held))
    assert_no_near_copy(random.Random(1).sample([(row.sentence1, row.sentence2) for row in kept], 120), held)
    groups = list(local.read_groups(folder / "pairs" / "atec" / "train_partial.txt"))
    texts = [group.texts for group in filter_.groups("pairs", groups)]
    assert not set(map(identity, texts)) & set(map(identity, held))
    assert len(groups) - len(texts) == filter_.report["pairs"]["dropped"] > 1000


def assert_no_near_copy(ours: Sequence[Pair], theirs: Sequence[Pair]) -> None:
    sets = [(set(plain(one)), set(plain(other))) for one, other in theirs]
    for pair in ours:
        a, b = (set(plain(text)) for text in pair)
        for c, d in sets:
            for e, f in ((c, d), (d, c)):
                assert 10 * len(a & e) < 9 * len(a | e) or 10 * len(b & f) < 9 * len(b | f), pair
