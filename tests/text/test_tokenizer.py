"""Our tokenizer folder against transformers, and a BERT vocabulary in small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rosphere.errors import InputError
from rosphere.text import tokenizer
from rosphere.text.cleaning import clean
from rosphere.text.tokenizer import SPECIALS, UNUSED, Tokenizer
from tests import tiny

TEXTS = [
    "房间36℃很热，★★★推荐，3～5天。",
    "我用iPhone 12买了café的票，价格$99.5！",
    "ありがとう，谢谢你；Hello WORLD hello world",
    "微笑😀😀，a→b。",
]
# Latin, Greek, Cyrillic; signs; kana and ideographs; full width; emoji. The backend's table of punctuation ends with
# Unicode 8, Python's goes on: rare scripts have marks of which only one of them knows.
BLOCKS = ((0x20, 0x5FF), (0x2010, 0x2E42), (0x3000, 0x9FFF), (0xFF00, 0xFFEF), (0x1F300, 0x1F64F))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.tokenizer(tmp_path_factory.mktemp("tokenizer"), TEXTS).folder


@pytest.fixture(scope="module")
def pieces(folder: Path) -> Tokenizer:
    return Tokenizer(folder)


@pytest.mark.parametrize("text", [*TEXTS, "没见过的字：龘", "", "  前后 空格  ", "e\u0301té"])
def test_transformers_loads_our_folder_and_gives_the_same_ids(folder: Path, pieces: Tokenizer, text: str) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(folder)
    assert theirs(text, add_special_tokens=False)["input_ids"] == pieces.ids([text])[0]
    assert theirs(text)["input_ids"] == [pieces.cls, *pieces.ids([text])[0], pieces.sep]
    assert [theirs.pad_token_id, theirs.unk_token_id, theirs.cls_token_id, theirs.sep_token_id] == [
        pieces.pad,
        pieces.unk,
        pieces.cls,
        pieces.sep,
    ]
    assert theirs.mask_token_id == pieces.mask
    assert len(theirs) == len(pieces)


@pytest.mark.parametrize("text", TEXTS)
def test_decoding_agrees_with_transformers_but_for_blanks(folder: Path, pieces: Tokenizer, text: str) -> None:
    from transformers import AutoTokenizer

    ids = pieces.ids([text])[0]
    theirs = AutoTokenizer.from_pretrained(folder).decode([pieces.cls, *ids, pieces.sep], skip_special_tokens=True)
    assert pieces.decode([pieces.cls, *ids, pieces.sep, pieces.pad]).replace(" ", "") == theirs.replace(" ", "")


def test_decoding_puts_blanks_only_between_latin_words(pieces: Tokenizer) -> None:
    assert pieces.decode(pieces.ids(["我用 iPhone 12 买了 hello world 的票"])[0]) == "我用iphone 12买了hello world的票"


@given(st.text(alphabet="房间很热推荐天我用买了的票谢你价格，。！；", max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_chinese_text_survives_a_round_trip(pieces: Tokenizer, text: str) -> None:
    encoding = pieces.encodings([text])[0]
    assert pieces.decode(encoding.ids) == text
    assert encoding.offsets == [(place, place + 1) for place in range(len(text))]


@pytest.mark.parametrize("text", ["36℃", "★★★", "3～5天", "😀😀", "a→b", "12×3", "さよなら"])
def test_signs_inside_words_are_no_unknowns(tmp_path: Path, text: str) -> None:
    """BERT splits at punctuation only: "36℃" is one word, unknown as a whole if "##℃" is missing."""
    pieces = tiny.tokenizer(tmp_path, [text, "0123456789"])
    assert pieces.unk not in pieces.ids([text])[0]
    assert pieces.decode(pieces.ids([text])[0]) == text


@given(st.text(st.one_of(*(st.characters(min_codepoint=a, max_codepoint=b) for a, b in BLOCKS)), max_size=20))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_text_is_known_to_a_tokenizer_trained_on_it(tmp_path: Path, text: str) -> None:
    text = clean(text)
    pieces = tiny.tokenizer(tmp_path, [text])
    assert pieces.unk not in pieces.ids([text])[0]


@pytest.mark.parametrize("lowercase", [True, False])
def test_capitals_are_known_whether_kept_or_folded(tmp_path: Path, lowercase: bool) -> None:
    pieces = tiny.tokenizer(tmp_path, ["Hello NLP"], lowercase=lowercase)
    assert pieces.unk not in pieces.ids(["Hello NLP"])[0]
    assert pieces.decode(pieces.ids(["Hello NLP"])[0]) == ("hello nlp" if lowercase else "Hello NLP")


@pytest.mark.parametrize("special", SPECIALS)
def test_a_special_token_in_a_users_text_is_text(tmp_path: Path, special: str) -> None:
    pieces = tiny.tokenizer(tmp_path, [f"前{special}后"])
    ids = pieces.ids([f"前{special}后"])[0]
    assert pieces.decode(ids) == f"前{special.lower()}后" and not set(ids) & {pieces.identity(s) for s in SPECIALS}
    assert pieces.ids([f"前{special}后"], marks=True)[0][1] == pieces.identity(special)
    assert pieces.ids([f"前{special}后"])[0] == ids, "one call leaves nothing behind for the next"


def test_text_as_it_came_is_the_text_as_it_is_cleaned(pieces: Tokenizer) -> None:
    """And offsets are of the text as it came."""
    raw = "我用　ＩＰＨＯＮＥ\u200b １２买了⾹e\u0301的票"
    encoded = pieces.encodings([raw])[0]
    assert encoded.ids == pieces.ids([clean(raw)])[0]
    assert encoded.tokens[2] == "iphone" and pieces.unk != encoded.ids[2]
    assert [raw[a:b] for a, b in encoded.offsets][:6] == ["我", "用", "ＩＰＨＯＮＥ", "１２", "买", "了"]
    assert "e\u0301" in [raw[a:b] for a, b in encoded.offsets]


def test_vocabulary_by_count_then_code_point() -> None:
    vocabulary = tokenizer.train(["乙甲甲丙", "ab ab", "丙，"], size=1000, minimum=2)
    assert vocabulary == [*SPECIALS, *UNUSED, "a", "##a", "b", "##b", "丙", "甲", "ab"]


def test_vocabulary_is_cut_at_its_size_and_has_no_entry_twice() -> None:
    whole = tokenizer.train(TEXTS, size=1000, minimum=1)
    assert len(set(whole)) == len(whole)
    assert tokenizer.train(TEXTS, size=30, minimum=1) == whole[:30]
    assert tokenizer.train(list(reversed(TEXTS)), size=1000, minimum=1) == whole


def test_a_vocabulary_file_reads_as_it_was_written(folder: Path) -> None:
    assert tokenizer.read_vocabulary(folder / "vocab.txt") == tokenizer.train(TEXTS, size=1000, minimum=1)


@pytest.mark.parametrize(
    ("entries", "complaint"),
    [
        ([*SPECIALS[:4], "甲"], r"vocab\.txt: the special token \[MASK\] is missing"),
        ([], r"vocab\.txt: the special token \[PAD\] is missing"),
        ([*SPECIALS, "甲", "乙", "甲"], r"vocab\.txt: '甲' stands in it more than once \(line 6\)"),
    ],
)
def test_a_bad_vocabulary_is_refused(tmp_path: Path, entries: list[str], complaint: str) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8")
    with pytest.raises(InputError, match=complaint):
        tokenizer.read_vocabulary(path)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"neither tokenizer\.json nor vocab\.txt"):
        Tokenizer(tmp_path)


def test_a_tokenizer_without_special_tokens_is_refused(tmp_path: Path) -> None:
    tokenizer.save([*SPECIALS[:4], "甲"], tmp_path)
    with pytest.raises(InputError, match=r"the tokenizer has no \[MASK\]"):
        Tokenizer(tmp_path)


def test_a_model_of_another_vocabulary_is_refused(pieces: Tokenizer) -> None:
    pieces.require(len(pieces), model=Path("models/some"))
    with pytest.raises(InputError, match=rf"models/some: the model has 7 token vectors, .* has {len(pieces)} tokens"):
        pieces.require(7, model=Path("models/some"))


def test_ideographs_are_what_the_backend_sets_apart(pieces: Tokenizer) -> None:
    """The backend leaves out one block of extension E (U+2B820 to U+2B91F); ours takes it for ideographs."""
    for code in (0x3400, 0x4DBF, 0x4E00, 0x9FFF, 0xF900, 0x20000, 0x2A6DF, 0x3041, 0x61, 0xAC00, 0x2460, 0x3007):
        char = chr(code)
        apart = pieces.backend.normalizer.normalize_str(f"{char}{char}").count(" ") > 0
        assert apart is tokenizer.is_ideograph(char), hex(code)


def test_punctuation_is_what_the_backend_sets_apart(pieces: Tokenizer) -> None:
    for code in (*range(0x21, 0x7F), *range(0xA1, 0x180), *range(0x2010, 0x2028), 0x2103, 0x3001, 0xFF0C, 0xFF5E):
        char = chr(code)
        apart = len(pieces.backend.pre_tokenizer.pre_tokenize_str(f"甲{char}乙")) == 3
        assert apart is tokenizer.is_punctuation(char), hex(code)


def test_a_model_with_other_tokens_of_the_same_number_is_refused(tmp_path: Path, folder: Path) -> None:
    ours = Tokenizer(folder)
    ours.require_same(folder)
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    ours.require_same(tmp_path)  # known by tokenizer.json alone
    (tmp_path / "tokenizer.json").unlink()
    entries = ours.vocabulary()
    entries[20], entries[21] = entries[21], entries[20]
    (tmp_path / "vocab.txt").write_text("\n".join(entries), encoding="utf-8")
    expected = f"{tmp_path}: token 20 is {entries[20]!r}, in {folder} it is {entries[21]!r}: .*prepare.vocabulary.path"
    with pytest.raises(InputError, match=re.escape(expected).replace(r"\.\*", ".*")):
        ours.require_same(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(ours.vocabulary()[:-1]), encoding="utf-8")
    with pytest.raises(InputError, match="is None, in"):
        ours.require_same(tmp_path)
