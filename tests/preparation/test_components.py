"""Pairs are edges, groups are what they connect, and a split leaves no edge across."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from rosphere.preparation import pairing
from rosphere.preparation.components import Components, sides
from rosphere.preparation.source import Group, Negative
from rosphere.preparation.writing import graded_pairs


def group(name: str, *texts: str) -> Group:
    return Group(name=name, family=name, texts=texts)


def negative(one: str, other: str) -> Negative:
    return Negative(name=f"{one}{other}", sentence1=one, sentence2=other)


def test_pairs_that_share_a_sentence_are_one_group() -> None:
    found = Components(
        [group("a:1", "甲", "乙"), group("a:2", "丙", "丁"), group("a:3", "丁！", "乙"), group("a:4", "戊")]
    )
    assert [each.texts for each in found.groups] == [("甲", "乙", "丙", "丁")]
    assert found.groups[0].family == "a:1"
    assert found.counts == {
        "groups_read": 4,
        "groups_kept": 1,
        "groups_merged": 2,
        "groups_dropped_single": 1,
        "sentences_in_earlier_group": 2,
    }


def test_a_labelled_negative_inside_a_group_is_reported() -> None:
    found = Components([group("a:1", "甲", "乙"), group("a:2", "乙", "丙")])
    kept = list(found.apart([negative("甲", "丙"), negative("甲", "丁"), negative("丁", "甲"), negative("。", "甲")]))
    assert kept == [negative("甲", "丁")]
    assert {key: n for key, n in found.counts.items() if key.startswith("negatives")} == {
        "negatives_read": 4,
        "negatives_kept": 1,
        "negatives_dropped_inside_group": 1,
        "negatives_dropped_repeated": 1,
        "negatives_dropped_empty": 1,
    }
    assert found.places["negatives_dropped_inside_group"] == ["甲丙"]


def test_negatives_follow_the_groups_of_their_sentences() -> None:
    counts: Counter[str] = Counter()
    train, dev = [group("t", "甲", "乙")], [group("d", "丙", "丁")]
    given = [
        negative("戊", "己"),
        negative("甲", "戊"),
        negative("丙", "庚"),
        negative("丙", "甲"),
        negative("辛", "壬"),
    ]
    trained, held = sides(given, train, dev, counts)
    assert held == [negative("丙", "庚")]
    assert sorted(pair.name for pair in trained) == sorted(["戊己", "甲戊", "辛壬"])
    assert counts == {"negatives_dropped_across_split": 1}
    assert len(sides(given, train, dev, counts, share=1.0)[1]) == 2, "what touches no group is held out by share"


def test_held_out_labelled_pairs_are_a_graded_set() -> None:
    split = pairing.Split(train=[], dev=[group("d", "丙", "丁")], dev_negatives=[negative("丙", "庚")])
    found = [(row.sentence1, row.sentence2, row.score, row.split) for row in pairing.labelled_set(split)]
    assert found == [("丙", "丁", 1.0, "dev"), ("丙", "庚", 0.0, "dev")]


def test_labelled_negatives_stand_in_for_random_pairs() -> None:
    groups = [group("a", "甲一", "甲二"), group("b", "乙一", "乙二"), group("c", "丙一", "丙二")]
    gold = graded_pairs(groups, seed=1, negatives=[negative("甲一", "乙二")])
    assert [(row["sentence1"], row["sentence2"]) for row in gold if row["score"] == 0] == [("甲一", "乙二")]
    assert sum(row["score"] == 2 for row in gold) == 1


LETTERS = st.sampled_from("甲乙丙丁戊己庚辛壬癸子丑寅卯")


@given(st.lists(st.tuples(LETTERS, LETTERS)), st.lists(st.tuples(LETTERS, LETTERS)), st.integers(0, 3))
def test_no_pair_crosses_the_split_and_none_is_lost(
    alike: list[tuple[str, str]], unlike: list[tuple[str, str]], seed: int
) -> None:
    found = Components(group(f"{n}", *pair) for n, pair in enumerate(alike))
    split = pairing.split(found, [negative(*pair) for pair in unlike], share=0.3, seed=seed)
    train, dev = ({text for each in groups for text in each.texts} for groups in (split.train, split.dev))
    assert not train & dev
    assert len(train) + len(dev) == sum(len(each.texts) for each in found.groups)
    for one, other in alike:
        assert one == other or any({one, other} <= set(each.texts) for each in found.groups)
    trained, held = (
        {t for n in pairs for t in (n.sentence1, n.sentence2)} for pairs in (split.negatives, split.dev_negatives)
    )
    assert not (trained | train) & (held | dev)
    dropped = sum(count for name, count in found.counts.items() if name.startswith("negatives_dropped"))
    assert len(split.negatives) + len(split.dev_negatives) + dropped == len(unlike)
