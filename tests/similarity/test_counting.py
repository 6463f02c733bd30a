"""Which text is counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rosphere.similarity import counting
from rosphere.similarity.counting import Counting
from rosphere.similarity.pairs import Groups
from rosphere.text import corpus, reading, tokenizer
from rosphere.text.corpus import Corpus
from rosphere.text.tokenizer import Tokenizer

DOCUMENTS = ["今天很好。明天！", "不错"]


@pytest.fixture
def tokens(tmp_path: Path) -> Tokenizer:
    tokenizer.save(tokenizer.train([*DOCUMENTS, "怎么办如何"], size=100, minimum=1), tmp_path)
    return Tokenizer(tmp_path)


def test_documents_are_cut_behind_what_ends_a_sentence(tokens: Tokenizer) -> None:
    ids = [np.array(each) for each in tokens.ids(DOCUMENTS)]
    assert [tokens.decode(each) for each in counting.sentences(ids, tokens)] == ["今天很好。", "明天！", "不错"]


def test_the_first_sentences_of_the_corpus_and_the_groups_are_counted(tokens: Tokenizer, tmp_path: Path) -> None:
    rows = [(np.array(ids, np.uint16), np.ones(len(ids), bool)) for ids in tokens.ids(DOCUMENTS)]
    corpus.write(rows, tmp_path / "corpus", vocab_size=len(tokens), shard_tokens=100)
    reading.write_rows(tmp_path / "groups.jsonl", [{"text": "怎么办", "synonyms": ["如何办"]}])
    groups = Groups(tmp_path / "groups.jsonl", tokens, max_length=8)

    def begins(limit: int) -> str:
        settings = Counting(order=3, tokens=limit, groups=0.5)
        model = counting.counted(settings, Corpus(tmp_path / "corpus"), groups, tokens)
        return tokens.decode(model.followers([], 1).tolist())

    assert set(begins(1000)) == set("今明不怎如")
    assert set(begins(5)) == set("今怎如")
    assert set(begins(6)) == set("今明怎如")
