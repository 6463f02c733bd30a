"""Pseudo-similar pairs: which are found, which are not wanted, and how many are kept."""

from __future__ import annotations

import dataclasses
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.preparation import mining
from rosphere.preparation.jaccard import grams, jaccard
from rosphere.preparation.mining import Mining

ANSWERS = Mining(enabled=True, answers=0.5, passages=None, near=None)
PASSAGES = Mining(enabled=True, answers=None, passages=0.6, near=None)
NEAR = Mining(enabled=True, answers=None, passages=None, near=0.4)


def mined(settings: Mining, documents: list[str], answers: list[list[str]] | None = None) -> list[tuple[str, ...]]:
    return [group.texts for group in mining.mine(settings, documents, answers or [], seed=1)[0]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("你吃过饭了？", True),
        ("他问：“真的?”", True),
        ("怎么退货", True),
        ("能不能便宜点", True),
        ("家里有没有人", True),
        ("您好吗", True),
        ("几点开门", True),
        ("退货流程", False),
        ("我几乎忘了这件事。", False),
        ("他没有说，也不想说。", False),
        ("？这是开头", False),
    ],
)
def test_questions(text: str, expected: bool) -> None:
    assert mining.is_question(text) is expected


def test_a_group_is_a_question_if_half_of_it_is() -> None:
    assert mining.is_question_group(["怎么退货", "退货流程"])
    assert not mining.is_question_group(["怎么退货", "退货流程", "想退货"])


def test_answers_to_one_question_give_pairs_of_different_answers() -> None:
    answers = [
        ["可以在网上银行办理。可以在网上银行办理挂失。", "可以在手机银行办理！今天天气非常好。"],
        ["可以在手机银行办理。", "与此无关的一句话。"],
    ]
    groups, counts = mining.mine(ANSWERS, [], answers, seed=1)
    assert [group.texts for group in groups] == [("可以在网上银行办理。", "可以在手机银行办理！")]
    assert groups[0].origin == "answers"
    # 可以在网上银行办理挂失。 has 8/13 with 可以在手机银行办理！ too, but each sentence is in one pair.
    assert counts == {"mined_answers_read": 2, "mined_answers_found": 1}


def test_sentences_of_one_passage() -> None:
    document = "酒店的早餐非常丰富。酒店的早餐特别丰富。酒店早餐的丰富非常。服务员态度很好。"
    groups, counts = mining.mine(PASSAGES, [document, "酒店的早餐十分丰富。"], [], seed=1)
    assert [(group.origin, group.texts) for group in groups] == [
        ("passage", ("酒店的早餐非常丰富。", "酒店的早餐特别丰富。"))
    ]
    assert counts == {"mined_passage_read": 2, "mined_passage_dropped_identical": 1, "mined_passage_found": 1}


def test_near_duplicates_anywhere() -> None:
    documents = [
        "酒店的早餐非常丰富，种类很多。服务好。",
        "酒店的早餐非常丰富，种类不少！",
        "酒店的早餐非常丰富，种类很多！",
    ]
    groups, counts = mining.mine(NEAR, documents, [], seed=1)
    assert [(group.origin, group.texts) for group in groups] == [
        ("near", ("酒店的早餐非常丰富，种类很多。", "酒店的早餐非常丰富，种类不少！"))
    ]
    assert counts == {"mined_near_read": 3, "mined_near_dropped_identical": 1, "mined_near_found": 1}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("电话是010-62793001。", "电话是010-62793002。", True),
        ("有白马可以说没有马吗？", "有白马可以说没有马。", True),
        ("9月1日开学", "开学是9月1日", False),
        ("明天开学", "后天开学", False),
    ],
)
def test_other_numbers_and_other_moods_are_unlike(one: str, other: str, expected: bool) -> None:
    assert mining.unlike(one, other) is expected
    assert mining.unlike(other, one) is expected
    documents = [f"本校发出通知：{one}", f"本校发出通知：{other}"]
    assert (mined(NEAR, documents) == []) is expected


def test_long_passages_and_answers_are_bounded() -> None:
    document = "".join(f"第{chr(0x4E00 + n)}条：本条例自公布之日起施行。" for n in range(100))
    settings = dataclasses.replace(PASSAGES, sentences=10)
    pairs = mined(settings, [document])
    assert len(pairs) == 5
    assert {text[1] for pair in pairs for text in pair} == {chr(0x4E00 + n) for n in range(10)}
    assert len(mined(dataclasses.replace(ANSWERS, sentences=4), [], [document.split("。")])) == 2


def test_sentences_outside_the_lengths_are_not_taken() -> None:
    documents = ["服务真好。服务很好。", "酒店的早餐非常丰富。酒店的早餐特别丰富。"]
    assert mined(dataclasses.replace(PASSAGES, passages=0.4, sentence_characters=(2, 5)), documents) == [
        ("服务真好。", "服务很好。")
    ]


def test_windows_bound_where_near_duplicates_are_looked_for() -> None:
    one, other = "酒店的早餐非常丰富，种类很多。", "酒店的早餐非常丰富，种类不少。"
    documents = [one, "我们去了北京的故宫博物院。", other]
    assert mined(NEAR, documents) == [(one, other)]
    assert mined(dataclasses.replace(NEAR, window=2), documents) == []


def test_no_sentence_is_in_two_pairs_of_a_window() -> None:
    generator = random.Random(1)
    documents = ["酒店早餐" + "".join(generator.sample("甲乙丙丁戊己庚辛壬癸", 5)) + "非常丰富" for _ in range(60)]
    pairs = mined(NEAR, documents)
    members = list(itertools.chain.from_iterable(pairs))
    assert len(pairs) > 15 and len(set(members)) == len(members)
    assert all(0.4 <= jaccard(grams(one, 2), grams(other, 2)) < 0.95 for one, other in pairs)


def test_the_most_similar_are_matched_first() -> None:
    assert mining.matched([(0.5, 0, 1), (0.9, 1, 2), (0.6, 0, 3), (0.9, 2, 4)]) == [(1, 2), (0, 3)]


def pairs(questions: int, general: int) -> list[tuple[str, str]]:
    made = [(f"怎么{n}", f"如何{n}") for n in range(questions)] + [(f"甲{n}", f"乙{n}") for n in range(general)]
    random.Random(2).shuffle(made)
    return made


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 40))
def test_as_many_questions_as_others_as_far_as_there_are(questions: int, general: int, limit: int) -> None:
    given = pairs(questions, general)
    kept, met = mining.balanced(iter(given), limit, seed=1)
    assert met == len(given)
    assert len(kept) == min(limit, len(given))
    chosen = sum(map(mining.is_question_group, kept))
    assert chosen >= min(questions, limit // 2)
    assert len(kept) - chosen >= min(general, limit // 2)
    assert kept == [pair for pair in given if pair in set(kept)], "in order of appearance"


def test_every_pair_may_be_drawn() -> None:
    given = pairs(10, 10)
    drawn = [mining.balanced(given, 4, seed=seed)[0] for seed in range(400)]
    often = [sum(pair in each for each in drawn) for pair in given]
    assert min(often) > 40 and max(often) < 125  # 80 expected, standard deviation 8


def test_mining_twice_gives_the_same() -> None:
    documents = [f"酒店的早餐非常丰富，{a}{b}很多。" for a, b in itertools.permutations("花茶水果饼鱼", 2)]
    settings = dataclasses.replace(NEAR, passages=0.6, limit=5)
    assert mined(settings, documents) == mined(settings, documents) != []


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"answers": 0.0}, r"expected 0 < answers < identical <= 1, got 0\.0 and 0\.95"),
        ({"near": 0.97}, r"expected 0 < near < identical <= 1, got 0\.97 and 0\.95"),
        ({"identical": 1.5}, r"expected 0 < answers < identical <= 1, got 0\.5 and 1\.5"),
        ({"sentences": 1}, r"expected sentences and window of 2 or more and a limit of 1 or more"),
        ({"limit": 0}, r"expected sentences and window of 2 or more and a limit of 1 or more"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        dataclasses.replace(Mining(), **changes)  # type: ignore[arg-type]
