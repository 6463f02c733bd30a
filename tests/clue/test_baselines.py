"""Baselines that a model has to beat, so they must be as good as they can be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.clue import baselines
from rosphere.clue.kinds.entities import lexicon
from rosphere.clue.scoring import score
from rosphere.clue.tasks import TASKS


def entity(text: str, **mentions: str) -> dict[str, Any]:
    """A row whose mentions stand at their first place in the text."""
    label = {kind: {word: [[text.index(word), text.index(word) + len(word) - 1]]} for kind, word in mentions.items()}
    return {"text": text, "label": label}


def test_the_majority_class_is_trainings() -> None:
    train = [{"label": label} for label in ("1", 0, "0", "1", "0")]
    assert baselines.majority(TASKS["afqmc"], train, [{"label": "1"}] * 2) == ["0", "0"]


def test_the_majority_of_spans_is_none() -> None:
    row = entity("北京", place="北京")
    assert baselines.majority(TASKS["entities"], [row], [row, row]) == [[], []]


def test_tf_idf_separates_what_words_separate() -> None:
    train = [
        {"sentence": f"{word}这本书，第{n}次", "label": label}
        for n in range(20)
        for word, label in (("非常喜欢", "1"), ("真是讨厌", "0"))
    ]
    dev = [{"sentence": "喜欢", "label": "1"}, {"sentence": "我讨厌它", "label": 0}]
    found = baselines.simple(TASKS["sentiment"], train, dev)
    assert found == ["1", "0"]
    assert score(TASKS["sentiment"], dev, found) == 1.0


def test_tf_idf_of_pairs_sees_the_difference_and_not_the_order() -> None:
    words = ["退货", "发票", "快递", "密码", "余额", "会员"]
    train = [
        {"sentence1": f"怎么办{one}", "sentence2": f"{other}怎么办", "label": str(int(one == other))}
        for one in words
        for other in words
        for _ in range(5 if one == other else 1)
    ]
    dev = [
        {"sentence1": "怎么办密码", "sentence2": "密码怎么办", "label": "1"},
        {"sentence1": "怎么办密码", "sentence2": "发票怎么办", "label": "0"},
    ]
    assert baselines.simple(TASKS["faq"], train, dev) == ["1", "0"]
    turned = [{**row, "sentence1": row["sentence2"], "sentence2": row["sentence1"]} for row in dev]
    assert baselines.simple(TASKS["faq"], train, turned) == ["1", "0"]


def test_the_lexicon_takes_the_longest_mention_and_its_commonest_label() -> None:
    train = [
        entity("北京大学在北京", organization="北京大学"),
        entity("去北京", place="北京"),
        entity("北京来信", place="北京"),
        entity("北京队", organization="北京"),
        entity("李鹏", name="李鹏"),
    ]
    dev = [{"text": "李鹏到北京大学和北京"}, {"text": "上海"}, {"text": ""}]
    assert baselines.simple(TASKS["entities"], train, dev) == [
        [("name", 0, 1), ("organization", 3, 6), ("place", 8, 9)],
        [],
        [],
    ]


def test_an_empty_lexicon_finds_nothing() -> None:
    assert lexicon(TASKS["entities"], [{"text": "甲", "label": {}}], [{"text": "甲"}]) == [[]]


@given(st.lists(st.text("甲乙丙", min_size=1, max_size=3), max_size=5), st.text("甲乙丙丁", max_size=12))
def test_the_lexicon_against_a_regular_expression(mentions: list[str], text: str) -> None:
    """Alternatives by falling length, first match first: what re does with them is longest match, left to right."""
    import re

    train = [{"text": mention, "label": {"name": {mention: [[0, len(mention) - 1]]}}} for mention in mentions]
    expected = []
    if mentions:
        pattern = "|".join(sorted(mentions, key=len, reverse=True))
        expected = [("name", match.start(), match.end() - 1) for match in re.finditer(pattern, text)]
    assert lexicon(TASKS["entities"], train, [{"text": text}]) == [expected]


def test_the_nearest_choice_is_the_one_that_the_text_has() -> None:
    rows = [
        {"context": [f"他在{place}工作"], "question": "在哪里", "choice": ["火车站", "学校", "医院"], "answer": place}
        for place in ("学校", "医院", "火车站")
    ]
    assert baselines.simple(TASKS["c3"], rows, rows) == [1, 2, 0]
    assert baselines.majority(TASKS["c3"], [*rows, rows[0]], rows) == [1, 1, 1]


def test_the_nearest_clause_shares_most_with_the_question() -> None:
    text = "苏轼是宋代人，他的父亲是苏洵。李白生于唐代！"
    rows = [{"question": q, "context": text, "answers": {"text": ["苏洵"]}} for q in ("父亲是谁", "李白生于何时")]
    assert baselines.simple(TASKS["cmrc2018"], rows * 2, rows) == ["他的父亲是苏洵", "李白生于唐代"]
    assert baselines.majority(TASKS["cmrc2018"], rows, rows) == ["苏洵", "苏洵"]
    assert baselines.simple(TASKS["cmrc2018"], rows, [{"question": "？", "context": "，"}]) == ["，"]


@pytest.mark.parametrize("name", ["sentiment", "entities"])
def test_baselines_answer_every_row(name: str) -> None:
    rows = {
        "sentiment": [{"sentence": "喜欢喜欢", "label": "1"}, {"sentence": "讨厌讨厌", "label": "0"}] * 3,
        "entities": [entity("去北京", place="北京")] * 3,
    }[name]
    for baseline in (baselines.majority, baselines.simple):
        assert len(baseline(TASKS[name], rows, rows)) == len(rows)
