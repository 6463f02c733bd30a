"""Tokens by table, against the tokenizer itself."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rosphere.text import character_encoder
from rosphere.text.character_encoder import CharacterEncoder
from rosphere.text.cleaning import clean
from rosphere.text.tokenizer import Tokenizer
from tests import tiny

SEEN = ["中国，。a1B é是①韓한ガABC abc iPhone 36℃「好」#Ａ", "ΑΣ σς", "…—·“”《》%$", "豈龘"]
TRICKY = "中国龘，。a1B é\u0301\u3099は①豈\uf900\u200b\U00020000#.[MASK]Σσς韓한ｶﾞ\u00a0\u3000\t🎉İßＡ＋￥–$%「”·"


@pytest.fixture(scope="module", params=[True, False])
def pieces(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return tiny.tokenizer(tmp_path_factory.mktemp("tokenizer"), SEEN, lowercase=request.param)


def require_same(pieces: Tokenizer, texts: list[str]) -> None:
    assert pieces.made_here
    pieces.backend.encode_special_tokens = True
    wanted = pieces.backend.encode_batch(texts, add_special_tokens=False)
    for found, expected in zip(pieces.pieces(texts), wanted, strict=True):
        assert found.ids.tolist() == expected.ids
        assert found.begins.tolist() == [begin for begin, _ in expected.offsets]
        assert found.continues.tolist() == [token.startswith("##") for token in expected.tokens]


@given(st.lists(st.one_of(st.text(alphabet=TRICKY, max_size=12), st.text(max_size=8)), max_size=4))
def test_they_are_the_tokenizers(pieces: Tokenizer, texts: list[str]) -> None:
    require_same(pieces, [clean(text) for text in texts])


@given(st.lists(st.text(alphabet="ab中1", max_size=6), max_size=3))
@settings(max_examples=30)
def test_what_is_forgotten_is_learnt_again(pieces: Tokenizer, texts: list[str]) -> None:
    encoder, most = CharacterEncoder(pieces.backend), character_encoder.MOST
    character_encoder.MOST = 3
    try:
        for text in texts:
            expected = pieces.backend.encode(text, add_special_tokens=False)
            assert encoder([text])[0].ids.tolist() == expected.ids
    finally:
        character_encoder.MOST = most


def test_threads_share_what_is_learnt(pieces: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(character_encoder, "MOST", 20)
    encoder = CharacterEncoder(pieces.backend)
    texts = [" ".join(f"w{number}" for number in range(first, first + 60)) for first in range(0, 400, 10)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda text: encoder([text])[0].ids.tolist(), texts * 5))
    assert found == [encoder([text])[0].ids.tolist() for text in texts * 5]


def test_long_runs_are_not_remembered(pieces: Tokenizer) -> None:
    encoder = CharacterEncoder(pieces.backend)
    encoder(["a" * 1000, "ab"])
    assert list(encoder.runs) == ["ab"]


def test_no_texts_and_empty_ones(pieces: Tokenizer) -> None:
    assert pieces.pieces([]) == []
    assert [len(each.ids) for each in pieces.pieces(["", " ", "中"])] == [0, 0, 1]


@pytest.mark.skipif("ROSPHERE_DATA" not in os.environ, reason="no real text at hand: ROSPHERE_DATA")
def test_of_real_text(tmp_path: Path) -> None:
    texts = []
    for name in ("text_general", "text_web"):
        with (Path(os.environ["ROSPHERE_DATA"]) / f"{name}.jsonl").open(encoding="utf-8") as file:
            texts += [clean(json.loads(line)["text"])[:3000] for number, line in enumerate(file) if number % 60 == 0]
    require_same(tiny.tokenizer(tmp_path, texts[::2]), texts)
