"""Published tokenizers of every kind of folder: the token ids of transformers' AutoTokenizer, on any text."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

from rosphere.errors import InputError
from rosphere.preparation import vocabulary
from rosphere.text.tokenizer import SPECIALS, Tokenizer

PIECES = [*SPECIALS, *"怎么挂失abcABCéÉ１%", *(f"##{c}" for c in "abcfeé"), "Caf", "caf", "ABC", "abc", "ａ"]
ADDED = {"id": len(PIECES), "content": "<e1>", "single_word": False, "lstrip": False, "rstrip": False}
CONFIG = {"model_type": "bert", "vocab_size": len(PIECES) + 1}
SAMPLES = (
    "怎么挂失<e1>",
    "ABC Café",
    "Ａbc１",
    "é",
    "abc\u0301",
    "\x00a\u200b",
    "挂<e1>失",
    " ",
    "",
    "　怎 么",
    "<E1>",
    "%a%",
)
ALPHABET = "怎么挂失abcfeéÉ\u0301ABC１Ａａ% \t　<>🙂한"


def whole(lowercase: bool, *, added: bool = False, special: bool = True) -> dict[str, Any]:
    """A tokenizer.json."""
    entries = {token: number for number, token in enumerate(PIECES)}
    values: dict[str, Any] = json.loads(
        BertWordPieceTokenizer(entries, lowercase=lowercase, strip_accents=lowercase).to_str()
    )
    if added:
        values["added_tokens"].append({**ADDED, "normalized": False, "special": special})
    return values


ENTRIES = "".join(f"{piece}\n" for piece in PIECES)
FOLDERS: dict[str, dict[str, Any]] = {
    "vocab.txt alone": {"vocab.txt": ENTRIES},
    "vocab.txt and config.json": {"vocab.txt": ENTRIES, "config.json": CONFIG},
    "cased": {"vocab.txt": ENTRIES, "config.json": CONFIG, "tokenizer_config.json": {"do_lower_case": False}},
    "accents": {
        "vocab.txt": ENTRIES,
        "config.json": CONFIG,
        "tokenizer_config.json": {"do_lower_case": True, "strip_accents": False, "tokenize_chinese_chars": False},
    },
    "added_tokens.json": {
        "vocab.txt": ENTRIES,
        "config.json": CONFIG,
        "tokenizer_config.json": {"do_lower_case": False},
        "added_tokens.json": {"<e1>": len(PIECES)},
    },
    "added and special": {
        "tokenizer.json": whole(False, added=True),
        "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "do_lower_case": False},
    },
    "added and no special": {"tokenizer.json": whole(True, added=True, special=False), "config.json": CONFIG},
    "tokenizer.json alone, cased": {"tokenizer.json": whole(False)},
    "tokenizer.json of transformers 5": {
        "tokenizer.json": whole(False),
        "tokenizer_config.json": {"tokenizer_class": "TokenizersBackend"},
    },
}


def written(folder: Path, files: dict[str, Any]) -> Path:
    folder.mkdir()
    for name, value in files.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def theirs(folder: Path) -> Any:
    """AutoTokenizer; BERT's where a folder does not say what it is, which AutoTokenizer refuses."""
    from transformers import AutoTokenizer, BertTokenizer

    silent = [path.name for path in folder.iterdir()] == ["vocab.txt"]
    return (BertTokenizer if silent else AutoTokenizer).from_pretrained(folder, local_files_only=True)


def texts(seed: int, count: int = 300) -> list[str]:
    source = random.Random(seed)
    return [*SAMPLES, *("".join(source.choices(ALPHABET, k=source.randrange(1, 16))) for _ in range(count))]


@pytest.mark.parametrize("kind", FOLDERS)
def test_the_ids_of_transformers(tmp_path: Path, kind: str) -> None:
    """In the folder, and in what prepare takes of it, in which transformers gives the same too."""
    folder, asked = written(tmp_path / "published", FOLDERS[kind]), texts(seed=3)
    oracle = theirs(folder)
    expected = [oracle(text, add_special_tokens=False)["input_ids"] for text in asked]
    assert Tokenizer(folder).ids(asked) == expected
    taken = vocabulary.take(folder, tmp_path / "taken", lowercase=True)
    assert taken.ids(asked) == expected and len(taken) == len(oracle)
    taken.require_same(folder)
    again = theirs(tmp_path / "taken")
    assert [again(text, add_special_tokens=False)["input_ids"] for text in asked] == expected
    assert [taken.pad, taken.cls, taken.sep, taken.mask] == [
        again.pad_token_id,
        again.cls_token_id,
        again.sep_token_id,
        again.mask_token_id,
    ] or again.pad_token_id is None  # a folder that says nothing of its special tokens


def test_offsets_are_of_the_text_as_it_came(tmp_path: Path) -> None:
    folder = written(tmp_path / "published", FOLDERS["added_tokens.json"])
    found = Tokenizer(folder).encodings(["Ａ 挂<e1>失"])[0]
    assert ["Ａ 挂<e1>失"[begin:end] for begin, end in found.offsets] == ["Ａ", "挂", "<e1>", "失"]
    assert Tokenizer(folder).ids(["\ud800挂"]) == Tokenizer(folder).ids(["挂"])  # half a pair is no text at all


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"do_lower_case": True}, "its tokenizer has lowercase false, that in .* has true"),
        ({"strip_accents": True}, "its tokenizer has strip_accents true, that in .* has false"),
        ({"tokenize_chinese_chars": False}, "its tokenizer has handle_chinese_chars true, that in .* has false"),
    ],
)
def test_the_same_words_cut_otherwise_are_another_tokenizer(
    tmp_path: Path, change: dict[str, bool], message: str
) -> None:
    folder = written(tmp_path / "a", FOLDERS["cased"])
    other = {**FOLDERS["cased"], "tokenizer_config.json": {"do_lower_case": False, **change}}
    if "strip_accents" in change:
        folder, other = written(tmp_path / "c", other), FOLDERS["cased"]
    with pytest.raises(InputError, match=message):
        Tokenizer(written(tmp_path / "b", other)).require_same(folder)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"tokenizer.json": "{}"}, "not a tokenizer that transformers can read"),
        ({"tokenizer.json": "version https://git-lfs.github.com/spec/v1\n"}, "pointer of Git LFS"),
        ({"tokenizer.json": ""}, "tokenizer.json: not JSON .* it is empty"),
        ({"vocab.txt": ENTRIES, "config.json": "[]"}, "config.json: expected a JSON object, got list"),
        (
            {"vocab.txt": ENTRIES, "config.json": {"model_type": "roformer"}},
            "by code of its own.*name its vocab.txt",
        ),
        ({"vocab.txt": ENTRIES + "怎\n"}, "'怎' stands in it more than once"),
        ({}, "neither tokenizer.json nor vocab.txt"),
    ],
)
def test_what_is_no_tokenizer_is_one_line(tmp_path: Path, files: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Tokenizer(written(tmp_path / "published", files))


def test_of_a_tokenizer_that_cuts_words_by_code_the_entries_are_compared(tmp_path: Path) -> None:
    model = written(tmp_path / "roformer", {"vocab.txt": ENTRIES, "config.json": {"model_type": "roformer"}})
    taken = vocabulary.take(model / "vocab.txt", tmp_path / "taken", lowercase=True)
    taken.require_same(model)
    other = written(
        tmp_path / "other", {"vocab.txt": ENTRIES.replace("怎", "龘"), "config.json": {"model_type": "roformer"}}
    )
    with pytest.raises(InputError, match=r"token \d+ is .* its own vocabulary .*other/vocab.txt\)"):
        taken.require_same(other)


def test_a_vocabulary_by_itself_is_cut_as_the_setting_says(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text(ENTRIES, encoding="utf-8")
    for lowercase, expected in ((True, "abc"), (False, "ABC")):
        taken = vocabulary.take(path, tmp_path / str(lowercase), lowercase=lowercase)
        assert taken.made_here and taken.encodings(["ABC"])[0].tokens == [expected]
        again = vocabulary.take(tmp_path / str(lowercase), tmp_path / f"again {lowercase}", lowercase=not lowercase)
        assert again.made_here and again.encodings(["ABC"])[0].tokens == [expected], "the folder's own setting"
