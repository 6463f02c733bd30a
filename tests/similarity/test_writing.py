"""Measures of writing: each on sentences where it can be counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rosphere.similarity import writing
from rosphere.similarity.writing import Judge
from rosphere.text import ngrams, tokenizer
from rosphere.text.tokenizer import Tokenizer

TEXTS = ["今天天气很好", "明天不错"]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    tokenizer.save(tokenizer.train(TEXTS, size=100, minimum=1), tmp_path)
    tokens = Tokenizer(tmp_path)
    ids = tokens.ids(TEXTS)
    counts = ngrams.fit(ids, order=3, vocabulary=len(tokens), begin=tokens.cls, end=tokens.sep)

    def encode(texts: list[str]) -> np.ndarray:
        return np.array([[1.0, 0.0] if "天" in text else [0.0, 1.0] for text in texts], np.float32)

    return Judge(counts=counts, seen=writing.bigrams(ids, len(tokens)), tokenizer=tokens, encode=encode)


def test_shares_are_of_all_sentences(judge: Judge) -> None:
    """Of four sentences one repeats a token three times, two have an unseen pair, three are near by ``encode``."""
    found = judge(["今天天气", "明天", "好"], [["今天天气很好", "好好好"], ["天气", "明气明"], []])
    assert found["sentences"] == 4
    assert found["answered"] == pytest.approx(2 / 3)
    assert (found["unseen_bigram"], found["three_in_a_row"], found["relevance"]) == (0.5, 0.25, 0.5)
    expected = [1 - 3 / 5, 1, 1, 1]
    assert found["distance"] == pytest.approx(np.mean(expected))


def test_perplexity_is_the_judges(judge: Judge) -> None:
    ids = judge.tokenizer.ids(["天气很好", "明天"])
    assert judge(["今天", "今天"], [["天气很好"], ["明天"]])["perplexity"] == pytest.approx(
        judge.counts.perplexity(ids)
    )
    assert judge(["今天"], [[TEXTS[0]]])["perplexity"] < judge(["今天"], [["好很气天天今"]])["perplexity"]


def test_nothing_written_is_all_zero(judge: Judge) -> None:
    assert judge(["今天"], [[]]) == dict.fromkeys(writing.MEASURES, 0.0)


def test_a_copy_is_at_no_distance_and_all_writers_are_measured_alike(judge: Judge) -> None:
    table = writing.compared(
        judge, ["今天", "明天"], [["天"], ["天气"]], people=[["明天"], ["今天"]], nearest=[["好"], ["很好"]]
    )
    assert list(table) == ["model", "people", "nearest", "copy"]
    assert (table["copy"]["distance"], table["copy"]["relevance"]) == (0, 1)
    assert table["people"] == judge(["今天", "明天"], [["明天"], ["今天"]])


def test_the_nearest_sentence_has_the_largest_cosine() -> None:
    queries, candidates = np.eye(2, dtype=np.float32), np.array([[0.6, 0.8], [1, 0]], np.float32)
    assert writing.nearest(queries, candidates, ["a", "b"]) == [["b"], ["a"]]
