"""Vocabularies of documents on disk are those of the same texts in memory, however often the counts go to disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rosphere.preparation.documents import counting, parts
from rosphere.preparation.documents.counting import Tally
from rosphere.preparation.documents.screening import Screening, screened
from rosphere.preparation.documents.workers import Workers
from rosphere.text import tokenizer

WORDS = st.dictionaries(st.text("abcé0", min_size=1, max_size=3), st.integers(1, 9), max_size=12)


@given(st.lists(WORDS, max_size=6), st.integers(1, 12), st.integers(1, 8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_tally_is_exact(tmp_path: Path, counted: list[dict[str, int]], minimum: int, most: int) -> None:
    tally = Tally(tmp_path, most=most)
    expected: dict[str, int] = {}
    for words in counted:
        tally.add(words)
        for word, count in words.items():
            expected[word] = expected.get(word, 0) + count
    assert tally.often(minimum) == {word: count for word, count in expected.items() if count >= minimum}
    assert len(tally.words) <= most


@pytest.mark.parametrize("lowercase", [True, False])
def test_the_vocabulary_is_that_of_the_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lowercase: bool) -> None:
    monkeypatch.setattr(parts, "CHARACTERS", 60)
    texts = [f"第{n}家ÉCOLE买了iPhone{n % 3}，ΟΔΟΣ花了{n}元，Ångström" for n in range(60)]
    with Workers(count=1) as workers:
        found = screened([texts], Screening(minimum=1, held_out={}), tmp_path / "documents", workers)
        options = {"size": 90, "minimum": 2, "lowercase": lowercase}
        made = counting.vocabulary(found.documents, tmp_path / "vocabulary", workers, **options)
    assert len(found.documents.parts) > 10
    assert made == tokenizer.train(texts, **options)
    assert {"iphone1" if lowercase else "iPhone1", "元"} <= set(made)


@given(st.text("aÉéΣσςǅİ\u0301中①", max_size=12))
def test_counted_characters_are_those_of_folded_text(text: str) -> None:
    characters, _ = tokenizer.count([text])
    assert sorted(characters.elements()) == sorted(tokenizer.fold(text))
