"""What is left of documents: literal cases, and that nothing held out is left of any text."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rosphere.text import sentences
from rosphere.text.cleaning import clean, fingerprint, fingerprints, letters
from rosphere.text.screening import HeldOutTexts, Screen


def left(screen: Screen, *texts: str) -> list[str]:
    return [each.text for each in map(screen, texts) if each is not None]


def test_every_text_is_counted_once_under_its_reason() -> None:
    screen = Screen(HeldOutTexts({"dev": ["怎么退货？"], "test": ["怎么退货！", "您好"]}), minimum=4)
    texts = [
        "今天天气很好。",
        "短句",
        "怎么退货",  # is held out
        "您好。怎么退货？谢谢大家。",  # quotes what is held out, twice
        "您好。怎么退货？谢谢。",  # and says nothing else of any length
        "怎么退货呢？",  # another sentence
        "ＡＢＣ公司上市",
    ]
    assert left(screen, *texts) == ["今天天气很好。", "谢谢大家。", "怎么退货呢？", "ABC公司上市"]
    assert dict(screen.counts) == {"read": 7, "dropped_short": 1, "dropped_held_out": 2}
    assert screen.found == {"dev": 3, "test": 3}, "a text in two sets counts for both"
    seen = screen("您好。怎么退货？谢谢大家。")
    assert seen is not None and (seen.cut, seen.changed, seen.name) == (2, False, fingerprint("谢谢大家"))


@pytest.mark.parametrize(
    ("least", "expected"),
    [(0, "他说了很多。就这样。"), (2, "他说了很多。就这样。"), (3, "他说了很多。不是。就这样。")],
)
def test_a_few_letters_give_nothing_away(least: int, expected: str) -> None:
    """But are no document of their own."""
    screen = Screen(HeldOutTexts({"test": ["不是。"]}, least=least), minimum=2)
    assert left(screen, "他说了很多。不是。就这样。", "不是") == [expected]


def test_a_held_out_text_is_known_by_its_words_and_in_any_writing() -> None:
    screen = Screen(HeldOutTexts({"test": ["怎么退货？", "学C++吗", "😀😀"]}), minimum=2)
    texts = ["怎么退货😊", "怎么退貨", "⽣活。怎么退货！", "学C#吗", "学C++吗😀", "😀😀", "😭😭"]
    assert left(screen, *texts) == ["怎么退貨", "生活。", "学C#吗", "😭😭"]


def test_a_held_out_text_without_letters_does_not_empty_the_corpus() -> None:
    screen = Screen(HeldOutTexts({"test": ["？？？", "***"]}), minimum=2)
    assert left(screen, "你好。 —— 再见。") == ["你好。 —— 再见。"]


def test_a_held_out_text_of_two_sentences_is_known_by_itself_alone() -> None:
    screen = Screen(HeldOutTexts({"test": ["甲乙。丙丁。"]}), minimum=2)
    assert left(screen, "甲乙，丙丁", "戊己。甲乙。丙丁。") == ["戊己。甲乙。丙丁。"]


def test_what_stood_around_a_sentence_may_be_a_held_out_text() -> None:
    screen = Screen(HeldOutTexts({"test": ["甲乙。丙丁。", "戊己"]}), minimum=2)
    assert left(screen, "甲乙。戊己。丙丁。") == []
    assert screen.counts["dropped_held_out"] == 1


SIGNS = "甲乙丙丁，。！”」 \u0301"


@given(st.text(alphabet=SIGNS, max_size=24), st.lists(st.text(alphabet=SIGNS, max_size=4), max_size=4))
@example("丙。”甲", ["丙"])
def test_nothing_held_out_is_left_and_the_rest_is(text: str, held_out: list[str]) -> None:
    screen = Screen(HeldOutTexts({"test": held_out}), minimum=1)
    banned = {mark for each in held_out for mark in fingerprints(each)}
    seen = screen(text)
    if seen is None:
        wanted = [each for each in sentences.split(clean(text)) if not fingerprints(each) & banned]
        whole = bool(fingerprints(clean(text)) & banned or fingerprints("".join(wanted)) & banned)
        assert whole or not any(map(letters, wanted)) or not clean(text)
        return
    assert seen.text == clean(seen.text) and seen.name == fingerprint(seen.text)
    assert not fingerprints(seen.text) & banned
    assert not any(fingerprints(each) & banned for each in sentences.split(seen.text))
    if not seen.cut:
        assert seen.text == clean(text)
