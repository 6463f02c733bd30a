"""What is wrong with groups that users bring, and where."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.preparation.deduplication import Deduplicator
from rosphere.preparation.source import Group
from rosphere.text.cleaning import fingerprint


def tidied(*groups: tuple[str, ...]) -> tuple[list[tuple[str, ...]], Deduplicator]:
    tidy = Deduplicator()
    given = (Group(name=f"a.jsonl:{n}", family="f", texts=texts) for n, texts in enumerate(groups, 1))
    return [group.texts for group in tidy(given)], tidy


@pytest.mark.parametrize(
    ("groups", "kept", "counts"),
    [
        ([("甲一", "甲二")], [("甲一", "甲二")], {}),
        ([("Ａ一", "甲　二")], [("A一", "甲 二")], {}),
        ([("", "  "), ("？？", "。")], [], {"sentences_empty": 4, "groups_dropped_empty": 2}),
        ([("甲一",), ("甲二", "")], [], {"sentences_empty": 1, "groups_dropped_single": 2}),
        ([("甲一", "甲二", "甲一！")], [("甲一", "甲二")], {"sentences_repeated": 1}),
        ([("甲一", "甲，一")], [], {"sentences_repeated": 1, "groups_dropped_single": 1}),
        (
            [("甲一", "甲二"), ("甲二。", "乙一", "乙二"), ("甲一", "丙")],
            [("甲一", "甲二"), ("乙一", "乙二")],
            {"sentences_in_earlier_group": 2, "groups_dropped_shared": 1},
        ),
        ([("甲" * 65, "乙" * 64)], [("甲" * 65, "乙" * 64)], {"sentences_long": 1}),
    ],
)
def test_what_is_left_of_groups(groups: list[tuple[str, ...]], kept: list[object], counts: dict[str, int]) -> None:
    found, tidy = tidied(*groups)
    assert found == kept
    expected = {"groups_read": len(groups), "groups_kept": len(kept), **counts}
    assert tidy.counts == {key: count for key, count in expected.items() if count}


def test_a_dropped_group_does_not_hold_its_sentences() -> None:
    assert tidied(("甲一",), ("甲一", "甲二"))[0] == [("甲一", "甲二")]


def test_the_first_places_of_each_reason_are_named() -> None:
    _, tidy = tidied(("甲", "乙"), ("丙",), *[("",)] * 5)
    assert tidy.places == {
        "groups_dropped_single": ["a.jsonl:2"],
        "sentences_empty": ["a.jsonl:3", "a.jsonl:4", "a.jsonl:5"],
        "groups_dropped_empty": ["a.jsonl:3", "a.jsonl:4", "a.jsonl:5"],
    }


def test_mined_groups_give_way_and_are_counted_by_origin() -> None:
    tidy = Deduplicator()
    given = Group(name="a:1", family="f", texts=("甲一", "甲二"))
    found = Group(name="near:0", family="", texts=("甲一", "乙"), origin="near")
    assert list(tidy([given])) == [given]
    assert list(tidy([found])) == []
    assert tidy.counts == {
        "groups_read": 1,
        "groups_kept": 1,
        "mined_near_groups_read": 1,
        "mined_near_sentences_in_earlier_group": 1,
        "mined_near_groups_dropped_shared": 1,
    }
    assert tidy.places == {}


@given(st.lists(st.lists(st.text("甲乙丙！ ", max_size=2), max_size=4).map(tuple), max_size=8))
def test_groups_are_disjoint_and_have_two_sentences(groups: list[tuple[str, ...]]) -> None:
    found, tidy = tidied(*groups)
    marks = [fingerprint(text) for text in itertools.chain.from_iterable(found)]
    assert len(set(marks)) == len(marks) and fingerprint("") not in marks
    assert all(len(texts) > 1 for texts in found)
    dropped = sum(count for reason, count in tidy.counts.items() if reason.startswith("groups_dropped"))
    assert len(groups) == len(found) + dropped == tidy.counts["groups_read"]
    assert tidied(*found)[0] == found, "tidy is tidy"
