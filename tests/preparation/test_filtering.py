"""What is held out is left out, and counted by its set (planted in every input: tests/stages/test_filter.py)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rosphere.preparation import held_out
from rosphere.preparation.contamination import HeldOut, Pair
from rosphere.preparation.filtering import Filter
from rosphere.preparation.source import Graded, Group, Negative
from tests.preparation.test_contamination import PAIRS, SENTENCE, same_pair


def group(*texts: str) -> Group:
    return Group(name="a:1", family="f", texts=texts)


def passed(groups: Sequence[Group], sets: dict[str, list[Pair]]) -> tuple[list[tuple[str, ...]], dict[str, Any]]:
    filter_ = Filter(HeldOut(sets))
    return [each.texts for each in filter_.groups("pairs", groups)], filter_.report["pairs"]


def test_only_the_offending_sentences_are_dropped() -> None:
    sets = {"dev": [("甲一", "甲二"), ("甲一", "甲三")], "test": [("乙一", "乙二")]}
    groups = [group("甲一", "甲二", "甲三", "甲四"), group("乙二", "乙一"), group("甲四", "乙一")]
    kept, report = passed(groups, sets)
    assert kept == [("甲二", "甲三", "甲四"), ("甲四", "乙一")]
    assert report == {
        "read": 3,
        "dropped": 1,
        "dropped_sentences": 2,
        "found": {"dev": {"exact": 2, "near": 0}, "test": {"exact": 1, "near": 0}},
    }


@given(PAIRS, st.lists(st.lists(SENTENCE, min_size=2, max_size=5).map(tuple), max_size=4))
def test_nothing_held_out_passes(held: list[Pair], texts: list[tuple[str, ...]]) -> None:
    groups = [group(*each) for each in [*texts, *held]]
    kept, report = passed(groups, {"test": held})
    assert report["read"] == len(groups) == len(kept) + report["dropped"]
    for each in kept:
        assert len(each) > 1
        assert not any(same_pair(pair, theirs) for pair in itertools.combinations(each, 2) for theirs in held)
    clear = [g.texts for g in groups if not HeldOut({"test": held}).overlaps(g.texts)]
    assert all(each in kept for each in clear), "what is not held out stays as it is"


def test_every_set_on_which_something_is_measured() -> None:
    """Names and sizes; the pairs across held-out groups that are graded too."""
    dev = [Group(name=name, family=name, texts=(f"{name}一", f"{name}二")) for name in "甲乙"]
    graded = {"sts": [Graded(sentence1="子", sentence2="丑", score=1, split=s) for s in ("train", "dev", "test")]}
    tasks = {
        "afqmc": {split: [{"sentence1": "寅", "sentence2": "卯"}] for split in ("train", "dev", "test")},
        "tnews": {"train": [{"sentence": "辰"}], "dev": [{"sentence": "巳"}], "test1.1": [{"sentence": "Ａ"}]},
    }
    unlike = [Negative(name="", sentence1="甲一", sentence2="午")]
    pairs = held_out.pairs(dev, graded, tasks, unlike, seed=0)
    sizes = {"dev_groups": 2, "gold": 2, "dev_negatives": 1, "graded_sts_dev": 1, "graded_sts_test": 1}
    assert {name: len(each) for name, each in pairs.items()} == {**sizes, "task_afqmc_dev": 1, "task_afqmc_test": 1}
    assert all({one[0], other[0]} == {"甲", "乙"} for one, other in pairs["gold"])
    sentences = {name: list(each) for name, each in held_out.sentences(dev, graded, tasks, unlike).items()}
    assert sentences == {
        "dev_groups": ["甲一", "甲二", "乙一", "乙二"],
        "dev_negatives": ["甲一", "午"],
        "graded_sts_dev": ["子", "丑"],
        "graded_sts_test": ["子", "丑"],
        "task_afqmc_dev": ["寅", "卯"],
        "task_afqmc_test": ["寅", "卯"],
        "task_tnews_dev": ["巳"],
        "task_tnews_test1.1": ["A"],
    }
