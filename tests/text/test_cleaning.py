"""Cleaning: literal cases, and properties on any text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rosphere.text import alignment, characters, sentences
from rosphere.text.cleaning import PLAIN, clean, fingerprint, letters, lot

ANY_TEXT = st.text(max_size=40)
# Characters whose narrowing, removal or composition can set off another.
TRICKY = st.text(
    alphabet="⽣⻅︐ा🏻\ufffe\u1161ﾀaeＡ１ｶﾞ\u3099\u0301\u200d\ufeff\u3000 \t\n\x00ﷺ한ㄱﾡﾢ，。②…ẛſ㍿", max_size=12
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("ＡＢＣ１２３", "ABC123"),
        ("你好，世界。“引文”…②％～", "你好，世界。“引文”…②％～"),  # NFKC would turn these into ASCII
        ("  两\t个\u3000\u00a0空格\r\n", "两 个 空格"),
        ("零\u200b宽\ufeff字\u00ad符", "零宽字符"),
        ("响铃\x07删除", "响铃删除"),
        ("半角ｶﾞｷﾞ", "半角ガギ"),
        ("e\u0301te\u0301", "été"),
        ("豈\uf900", "豈豈"),  # a compatibility ideograph
        ("⽣活很⽅便", "生活很方便"),  # Kangxi radicals, as PDFs hold them
        ("⻅⻛使⾈，⺟⼥⻚⻰⻢", "见风使舟，母女页龙马"),
        ("他说︐好︒", "他说，好。"),  # vertical type
        ("新\U000323b0字\U0001fae9", "新\U000323b0字\U0001fae9"),  # newer than Python 3.11's tables
        ("非\ufffe字\U000e0041", "非字"),  # will never be characters
        ("", ""),
        ("\u3000\n", ""),
    ],
)
def test_clean(raw: str, expected: str) -> None:
    assert clean(raw) == expected


@given(st.one_of(ANY_TEXT, TRICKY))
@example("ｶﾞ")  # the narrowed sound mark must join its letter
@example("e\u200d\u0301")  # and an accent its letter, once the joiner between them is gone
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.one_of(ANY_TEXT, TRICKY))
def test_what_is_left_is_composed_and_without_controls_and_double_blanks(text: str) -> None:
    cleaned = clean(text)
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not {unicodedata.category(char) for char in cleaned} & {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
    assert cleaned == " ".join(cleaned.split())


@given(st.one_of(ANY_TEXT, TRICKY))
def test_aligned_text_is_the_cleaned_text_with_its_places(text: str) -> None:
    aligned = alignment.clean(text)
    assert aligned.text == clean(text)
    spans = aligned.spans if aligned.spans is not None else [(n, n + 1) for n in range(len(text))]
    assert len(spans) == len(aligned.text)
    assert all(0 <= begin < end <= len(text) for begin, end in spans)
    assert spans == sorted(spans)
    for (begin, end), char in zip(spans, aligned.text, strict=True):
        assert char in clean(text[begin:end]) or char == " "


def test_texts_that_differ_in_signs_draw_one_lot() -> None:
    assert lot("学C++，好") == lot("学C#好！") != lot("学D好")


@given(st.one_of(ANY_TEXT, TRICKY))
@example("a b")
def test_what_passes_for_plain_is_clean(text: str) -> None:
    if PLAIN.fullmatch(text):
        assert text == unicodedata.normalize("NFC", text) == " ".join(text.split())


@given(st.text(alphabet="你好世界中国，。！？「」abcXYZ012", max_size=30))
def test_clean_text_comes_through_unchanged(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Hello，世界！", "hello 世界", True),
        ("世界，你好", "你好，世界", False),
        ("第1名", "第2名", False),
        ("。。。", "——", True),
        ("第⼀章，⼤的公司", "第⼆章，⼩的公司", False),
        ("⽣活很⽅便", "生活很方便", True),
        ("学C++", "学C#", False),
        ("学Ｃ＋＋", "学c++", True),
        ("涨了1.5%", "涨了15%", False),
        ("涨了15%", "涨了15", False),
        ("很好😀", "很好😭", False),
        ("气温-5度", "气温5度", False),
        ("气温−5度", "气温-5度", True),
        ("1,000元", "1000元", True),
        ("1,50元", "150元", False),
        ("3～5天", "35天", False),
        ("3/4", "34", False),
        ("$5", "￥5", False),
        ("好～～", "好", True),
        ("●好|", "好", True),
        ("#好#", "好", True),
        ("a<b", "a>b", False),
        ("कि", "का", False),
    ],
)
def test_fingerprint_sees_what_tells_texts_apart(one: str, other: str, same: bool) -> None:
    assert (fingerprint(one) == fingerprint(other)) is same


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("他来了。她走了！真的？", ["他来了。", "她走了！", "真的？"]),
        ("他说：“好。”她走了", ["他说：“好。”", "她走了"]),
        ("等等……再说；好", ["等等……", "再说；", "好"]),
        ("没有句号", ["没有句号"]),
        ("价格3.5元，不贵", ["价格3.5元，不贵"]),
        ("！！", []),
        ("", []),
    ],
)
def test_sentences_with_their_closing_marks(text: str, expected: list[str]) -> None:
    assert sentences.split(text) == expected


@given(st.text(alphabet="甲乙丙，。！？；…”」 ", max_size=30))
def test_sentences_lose_no_letter_and_keep_the_order(text: str) -> None:
    assert fingerprint("".join(sentences.split(text))) == fingerprint(text)


def slowly(text: str, pictures: bool) -> str:
    """``letters`` character by character."""
    seen = characters.narrow(clean(text)).casefold()
    kept = (place for place, char in enumerate(seen) if char.isalnum() or characters.distinguishes(seen, place))
    return "".join(
        seen[place] for place in kept if pictures or seen[place].isalnum() or not characters.is_picture(seen[place])
    )


@given(
    st.one_of(ANY_TEXT, TRICKY, st.text(alphabet="12a中.,，。:-+#%&@ ~_|(「😀°—·\u0301℃", max_size=16)), st.booleans()
)
def test_letters_are_those_that_are_found_one_by_one(text: str, pictures: bool) -> None:
    assert letters(text, pictures=pictures) == slowly(text, pictures)
