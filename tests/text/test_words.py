"""Word starts laid over tokens, and tokenising in one process or several."""

from __future__ import annotations

import itertools
import json
import logging
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rosphere.text import tokenising
from rosphere.text.tokenizer import Tokenizer
from rosphere.text.words import cut, word_starts
from tests import tiny

TEXT = "北京大学的学生用iPhone打电话，ありがとう。"


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return tiny.tokenizer(tmp_path_factory.mktemp("tokenizer"), [TEXT])


def characters(text: str) -> np.ndarray:
    return np.arange(len(text))


def test_words_of_a_known_sentence() -> None:
    starts = word_starts("北京大学的学生", characters("北京大学的学生"))
    assert starts.tolist() == [True, False, False, False, True, True, False]


def test_no_tokens_no_starts() -> None:
    assert word_starts("", np.zeros(0, dtype=np.int64)).shape == (0,)
    assert word_starts("北京", np.zeros(0, dtype=np.int64)).dtype == bool


@pytest.fixture(scope="module")
def jieba(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The original, in Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # at its first import Python complains of the escapes in its source
        import jieba
    jieba.setLogLevel(logging.WARNING)
    jieba.dt.tmp_dir = str(tmp_path_factory.mktemp("jieba"))  # where it caches its dictionary
    return jieba


@given(st.text(alphabet="北京大学的生产力abcR12。，.-_%+#& の\U00020000", max_size=30))
@settings(deadline=None)
@example("用apt-get装C++和3.16.2版的R&D工具，占99.5%，AT&T、node.js_v2")
def test_over_characters_the_starts_are_jiebas_words(jieba, text: str) -> None:
    words, word = [], ""
    found = word_starts(text, characters(text))
    for char, start in zip(text, found, strict=True):
        if start and word:
            words.append(word)
            word = ""
        word += char
    assert [*words, *([word] if word else [])] == list(jieba.cut(text))


@pytest.mark.skipif("ROSPHERE_DATA" not in os.environ, reason="no real text at hand: ROSPHERE_DATA")
def test_of_real_text_the_words_are_jiebas(jieba) -> None:
    """But where two cuts are equally likely: fewer than one boundary in 100,000."""
    texts = []
    for name in ("text_general", "text_web"):
        with (Path(os.environ["ROSPHERE_DATA"]) / f"{name}.jsonl").open(encoding="utf-8") as file:
            texts += [json.loads(line)["text"][:2000] for line in itertools.islice(file, 0, 30_000, 100)]
    count = differ = 0
    for text in texts:
        theirs, ours = ({*itertools.accumulate(map(len, words))} for words in (jieba.cut(text), cut(text)))
        count, differ = count + len(theirs), differ + len(theirs ^ ours)
    assert count > 50_000 and differ < 1e-5 * count


def test_a_piece_inside_a_word_begins_none(pieces: Tokenizer) -> None:
    ((_, starts),) = tokenising.tokenise([TEXT], pieces, True)
    tokens = pieces.encodings([TEXT])[0].tokens
    begin = dict(zip(tokens, starts.tolist(), strict=True))
    assert [begin["北"], begin["京"], begin["iphone"], begin["打"], begin["，"]] == [True, False, True, True, True]
    assert begin["あ"] is True  # jieba does not know kana and cuts it into characters
    assert not any(begin[token] for token in tokens if token.startswith("##"))


def test_without_whole_words_every_token_is_its_own(pieces: Tokenizer) -> None:
    ((ids, starts),) = tokenising.tokenise([TEXT], pieces, False)
    assert starts.all()
    assert len(starts) == len(ids)


@given(st.lists(st.text(alphabet=TEXT, max_size=8), max_size=7), st.integers(1, 3))
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_chunks_keep_the_order(pieces: Tokenizer, texts: list[str], size: int) -> None:
    """Fewer than four chunks stay in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenising, "CHUNK", max(size, len(texts) // 3 + 1))
        found = [(ids.tolist(), starts.tolist()) for ids, starts in tokenising.tokenise(texts, pieces, True)]
    assert [ids for ids, _ in found] == pieces.ids(texts)
    assert all(len(ids) == len(starts) for ids, starts in found)


def test_several_processes_give_what_one_gives(pieces: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [TEXT[place:] for place in range(12)]
    alone = [(ids.tolist(), starts.tolist()) for ids, starts in tokenising.tokenise(texts, pieces, True)]
    monkeypatch.setattr(tokenising, "CHUNK", 3)
    together = [(ids.tolist(), starts.tolist()) for ids, starts in tokenising.tokenise(texts, pieces, True)]
    assert together == alone
    assert [ids for ids, _ in alone] == pieces.ids(texts)
