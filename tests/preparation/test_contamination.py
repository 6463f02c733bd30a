"""No held-out pair is trained on, checked against all pairs; and on ATEC, which holds much of AFQMC."""

from __future__ import annotations

import itertools
import json
import os
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.errors import InputError
from rosphere.preparation import contamination, graded, local, writing
from rosphere.preparation.contamination import HeldOut, Overlap
from rosphere.preparation.source import Graded, Group, Negative
from rosphere.text.cleaning import clean

REAL = os.environ.get("ROSPHERE_DATA")
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


def group(*texts: str) -> Group:
    return Group(name="a:1", family="f", texts=texts)


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


def run(groups: Sequence[Group], held_out: HeldOut) -> tuple[list[tuple[str, ...]], Counter[str]]:
    counts: Counter[str] = Counter()
    return [each.texts for each in contamination.without_overlaps(groups, held_out, counts)], counts


def test_only_the_offending_sentences_are_dropped() -> None:
    held_out = HeldOut({"dev": [("甲一", "甲二"), ("甲一", "甲三")], "test": [("乙一", "乙二")]})
    groups = [group("甲一", "甲二", "甲三", "甲四"), group("乙二", "乙一"), group("甲四", "乙一")]
    kept, counts = run(groups, held_out)
    assert kept == [("甲二", "甲三", "甲四"), ("甲四", "乙一")]
    assert counts == {
        "leaked_exact_dev": 2,
        "leaked_exact_test": 1,
        "leaked_sentences_dropped": 2,
        "leaked_groups_dropped": 1,
    }


@given(PAIRS, st.lists(st.lists(SENTENCE, min_size=2, max_size=5).map(tuple), max_size=4))
def test_nothing_leaks_afterwards(held: list[Pair], texts: list[tuple[str, ...]]) -> None:
    held_out = HeldOut({"test": held})
    groups = [group(*each) for each in [*texts, *held]]
    kept, _ = run(groups, held_out)
    for each in kept:
        assert len(each) > 1
        assert not any(same_pair(pair, theirs) for pair in itertools.combinations(each, 2) for theirs in held)
    clear = [g.texts for g in groups if not held_out.overlaps(g.texts)]
    assert all(each in kept for each in clear), "what does not leak stays as it is"


def test_graded_rows_for_training_only_are_dropped() -> None:
    held_out = HeldOut({"graded_a_test": [("甲一", "甲二")]})
    rows = [Graded(sentence1="甲二", sentence2="甲一", score=1.0, split=s) for s in ("train", "dev", "test")]
    counts: Counter[str] = Counter()
    assert list(contamination.graded_without_overlaps(rows, held_out, counts)) == rows[1:]
    assert counts == {"leaked_exact_graded_a_test": 1}


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

    held_out = HeldOut({split: afqmc[split] for split in ("dev", "test")})
    counts: Counter[str] = Counter()
    kept = list(contamination.graded_without_overlaps(atec, held_out, counts))
    assert counts["leaked_exact_dev"] == 1889
    held = afqmc["dev"] + afqmc["test"]
    assert not {identity((row.sentence1, row.sentence2)) for row in kept} & set(map(identity, held))
    assert_no_near_copy(random.Random(1).sample([(row.sentence1, row.sentence2) for row in kept], 120), held)
    groups = list(local.read_groups(folder / "pairs" / "atec" / "train_partial.txt"))
    texts, counts = run(groups, held_out)
    assert not set(map(identity, texts)) & set(map(identity, held))
    assert len(groups) - len(texts) == counts["leaked_groups_dropped"] > 1000


def assert_no_near_copy(ours: Sequence[Pair], theirs: Sequence[Pair]) -> None:
    sets = [(set(plain(one)), set(plain(other))) for one, other in theirs]
    for pair in ours:
        a, b = (set(plain(text)) for text in pair)
        for c, d in sets:
            for e, f in ((c, d), (d, c)):
                assert 10 * len(a & e) < 9 * len(a | e) or 10 * len(b & f) < 9 * len(b | f), pair


def test_a_planted_pair_is_found_in_every_input_of_training(tmp_path: Path) -> None:
    """Task rows, labelled pairs and labelled negatives, exactly and nearly; counted by set."""
    held_out = contamination.HeldOut({"graded_sts_test": [("怎么退掉昨天买的这件衬衫", "衬衫如何退货")]})
    planted = [
        ("怎么退掉昨天买的这件衬衫", "衬衫如何退货"),
        ("衬衫如何退货！", "怎么退掉昨天买的这件衬衫呀"),
        ("怎么买手机", "手机怎么买"),
    ]
    left = ["怎么买手机"]

    counts: Counter[str] = Counter()
    found = contamination.rows_without_overlaps(((pair, pair[0]) for pair in planted), held_out, counts)
    assert list(found) == left
    assert counts == {"leaked_exact_graded_sts_test": 1, "leaked_near_graded_sts_test": 1}

    counts = Counter()
    negatives = [Negative(name="", sentence1=one, sentence2=two) for one, two in planted]
    assert [pair.sentence1 for pair in contamination.pairs_without_overlaps(negatives, held_out, counts)] == left
    assert counts["leaked_negatives_dropped"] == 2

    rows = [{"sentence1": one, "sentence2": two, "label": "1"} for one, two in planted]
    splits = {"train": rows, "dev": [{"sentence1": "甲", "sentence2": "乙", "label": "0"}]}
    report = writing.write_task("afqmc", splits, tmp_path / "afqmc", held_out)
    assert report["train"] == 1 and report["train_dropped_leaked"] == 2 and report["leaked_exact_graded_sts_test"] == 1
    with pytest.raises(InputError, match="task afqmc: expected train rows, got none: all 2 are held out elsewhere"):
        writing.write_task("afqmc", {**splits, "train": rows[:2]}, tmp_path / "afqmc", held_out)
