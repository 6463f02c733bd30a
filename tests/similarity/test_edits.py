"""What stands for what, against a plain loop; sentences that are rewritten by it and by nothing else."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rosphere.errors import InputError
from rosphere.similarity import association, edits, sentence
from rosphere.similarity.contexts import Contexts
from rosphere.similarity.edits import Edits, Signs
from rosphere.similarity.sentence import Part, Sentence

COMMA = ord("，")
STOPS = frozenset({COMMA, ord("？")})
SIGNS = Signs(negations=frozenset(map(ord, "不别")), questions=frozenset(map(ord, "么何")))


def said(text: str) -> Sentence:
    """Words are parted by spaces; a token is a character."""
    return tuple(part(word) for word in text.split())


def part(text: str) -> Part:
    return tuple(map(ord, text))


def read(ids: list[int]) -> str:
    return "".join(map(chr, ids))


# --- association


def in_a_loop(groups: list[list[set[int]]], seen: int) -> dict[int, dict[int, float]]:
    found: dict[int, dict[int, float]] = {}
    for x, y in itertools.permutations(sorted(set().union(*itertools.chain(*groups))), 2):
        alone = [sum(any(z in sentence for sentence in group) for group in groups) for z in (x, y)]
        count = 0
        for group in groups:
            pairs = itertools.permutations(group, 2)
            count += any(x in a and y not in a and y in b and x not in b for a, b in pairs)
        beside = sum(any(x in each and y in each for each in group) for group in groups)
        if min(alone) < seen or count < 3 or 2 * beside > count:
            continue
        ratio = count * len(groups) / math.prod(alone)
        if ratio >= 1.15 and count * math.log(ratio) >= 4:
            found.setdefault(x, {})[y] = count * math.log(ratio)
    return found


GROUP = st.lists(st.sets(st.integers(0, 5), min_size=1, max_size=3), min_size=2, max_size=3)


@settings(max_examples=60, deadline=None)
@given(groups=st.lists(GROUP, min_size=1, max_size=8), seen=st.sampled_from([3, 4]))
@example(groups=[[{4}, {5}]] * 3 + [[{4, 5}, {0, 4, 5}]], seen=3)  # one group where they meet, in two sentences
def test_association_is_that_of_a_loop(groups: list[list[set[int]]], seen: int) -> None:
    pair: list[set[int]] = [{8}, {9}]
    groups = [*groups, *[pair] * 6, *[[{6}, {7}]] * 8]  # so that something is found
    found = association.counted(groups, seen=seen).alternatives
    wanted = in_a_loop(groups, seen)
    assert wanted
    assert {x: dict(others) for x, others in found.items()} == {
        x: pytest.approx(others) for x, others in wanted.items()
    }
    assert all(list(others) == sorted(others, key=lambda each: (-each[1], each[0])) for others in found.values())


def test_what_is_met_together_does_not_stand_for_one_another() -> None:
    apart, together = [[{1}, {2}]] * 5, [[{1, 2}, {3}]] * 3
    others = [[{4}, {5}]] * 20
    assert association.counted([*apart, *others]).alternatives.keys() == {1, 2, 4, 5}
    assert association.counted([*apart, *together, *others]).alternatives.keys() == {4, 5}


def test_no_more_pairs_are_counted_than_there_is_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(association, "PAIRS", 10)
    kept, behind = [[{1}, {2}], [{3}]] * 5, [[{6}, {7}]] * 9
    assert 6 not in association.counted([*kept, *behind]).alternatives


# --- sentences


def test_words_are_those_of_their_starts() -> None:
    starts = np.array([True, False, True, True, False])
    assert sentence.words(np.arange(5, dtype=np.uint32), starts) == ((0, 1), (2,), (3, 4))
    assert sentence.words([], np.zeros(0, bool)) == ()


def test_phrases_are_one_and_two_words() -> None:
    found = [(first, last, read(list(ids))) for first, last, ids in sentence.phrases(said("怎么 打印 流水"))]
    assert found == [(0, 1, "怎么"), (0, 2, "怎么打印"), (1, 2, "打印"), (1, 3, "打印流水"), (2, 3, "流水")]


def test_a_frame_is_of_the_last_clause_and_of_the_longest_parts_known() -> None:
    known = frozenset({part("在"), part("在哪里")}), frozenset({part("吗")})
    whole = said("卡 丢 ， 在 哪里 挂失 吗")
    found = {(read(list(o)), read(list(c))) for *_, (o, c) in sentence.frames(whole, STOPS, known)}
    assert found == {("在哪里", ""), ("", "吗"), ("在哪里", "吗")}
    assert not list(sentence.frames(said("挂失"), STOPS, known))


# --- edits

NOUNS, OTHERS = "寄收退查换丢拆存", "甲乙丙丁戊己庚辛"


def groups() -> list[list[Sentence]]:
    """快递 and 包裹 stand in each other's stead, 怎么… in that of 请问如何…; 能 and 不能 too."""
    asked = [
        [said(f"怎么 {n}{n} {m}{m}"), said(f"请问 如何 {n}{n} {m}{m} ？")] for n, m in zip(NOUNS, OTHERS, strict=True)
    ]
    things = [[said(f"我 的 快递 {n} 了"), said(f"我 的 包裹 {n} 了")] for n in NOUNS]
    denied = [[said(f"{n} 得 能 用"), said(f"{n} 得 不能 用")] for n in OTHERS]
    denied += [[said(f"难道 {n} {m} 呢"), said(f"别 {n} {m} 呢")] for n, m in zip(NOUNS, OTHERS, strict=True)]
    return [*asked, *things, *denied, *[[said("别的"), said("其他")]] * 8]


@pytest.fixture(scope="module")
def learnt() -> Edits:
    return edits.learnt(groups(), [], stops=STOPS, signs=SIGNS, never=STOPS)


def test_phrases_are_put_for_those_in_like_places(learnt: Edits) -> None:
    assert [read(ids) for ids, _ in learnt.candidates(said("你 的 快递 来 吧"))] == ["你的包裹来吧"]


def test_frames_are_put_around_anything(learnt: Edits) -> None:
    found = [read(ids) for ids, _ in learnt.candidates(said("急 ， 怎么 挂失 存折 ？"))]
    assert found[0] == "急，请问如何挂失存折"


def test_two_edits_are_less_certain_than_each(learnt: Edits) -> None:
    found = {read(ids): certain for ids, certain in learnt.candidates(said("怎么 拿 快递 来"))}
    one, other, both = (found[each] for each in ("怎么拿包裹来", "请问如何拿快递来", "请问如何拿包裹来"))
    assert both == pytest.approx(one * other)
    assert 0 < both < min(one, other) < 1


def test_what_denies_is_never_put_for_what_does_not(learnt: Edits) -> None:
    assert not learnt.candidates(said("这 能 行 吗"))
    assert not learnt.candidates(said("难道 走 了"))
    assert (part("难道"), ()) not in learnt.frames.alternatives
    either = edits.learnt(groups(), [], stops=STOPS, signs=Signs(), never=STOPS)
    assert (part("难道"), ()) in either.frames.alternatives  # but for what they deny they would stand for one another


def test_a_sentence_that_nothing_fits_is_left_alone(learnt: Edits) -> None:
    assert learnt.candidates(said("天气 很 好")) == [] == learnt.candidates(())


def test_places_that_are_unlike_keep_phrases_apart() -> None:
    """The same groups, but 包裹 stands elsewhere in all other text."""
    text = [said(f"{n} 包裹 {m}") for n, m in itertools.permutations("子丑寅卯辰巳午未申酉戌亥", 2)]
    found = edits.learnt(groups(), text, stops=STOPS, signs=SIGNS, never=STOPS)
    assert part("快递") not in found.phrases.alternatives


def test_likeness_is_the_mean_cosine_of_neighbours() -> None:
    found = Contexts({part("a"), part("b"), part("c")}, [said("x a y"), said("x b z"), said("x a z"), said("c")])
    left = 1.0
    right = math.log(2) ** 2 / (math.sqrt(2 * math.log(2) ** 2) * math.log(2))
    assert found.likeness(part("a"), part("b")) == pytest.approx(math.sqrt(left * right))
    assert found.likeness(part("a"), part("c")) == 0 == found.likeness(part("a"), part("never"))
    assert Counter(found.left[part("a")]) == {ord("x"): 2}


def test_edits_come_back_from_their_file(learnt: Edits, tmp_path: Path) -> None:
    edits.save(learnt, tmp_path / "edits.json")
    again = edits.load(tmp_path / "edits.json")
    assert again.known == learnt.known
    assert again.stops == learnt.stops
    source = said("怎么 拿 快递 来")
    assert [ids for ids, _ in again.candidates(source)] == [ids for ids, _ in learnt.candidates(source)]
    edits.save(again, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "edits.json").read_bytes()


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("怎么", "如何", True),
        ("怎么", "想", False),
        ("不能", "能", False),
        ("不能", "不可", True),
        ("什么不", "不", False),
    ],
)
def test_what_asks_and_what_denies_is_put_for_its_like(one: str, other: str, agree: bool) -> None:
    assert SIGNS.agree(part(one), part(other)) == SIGNS.agree(part(other), part(one)) == agree


@pytest.mark.parametrize("content", ["", "{", "[]", '{"phrases": []}', json.dumps({"phrases": [[1]], "frames": 0})])
def test_refuses_another_file(content: str, tmp_path: Path) -> None:
    (tmp_path / "edits.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"edits\.json: expected edits of sentences"):
        edits.load(tmp_path / "edits.json")
