"""Shards on disk: what is written is what is read, wherever a shard ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.errors import InputError
from rosphere.text import corpus
from rosphere.text.corpus import Corpus, Document

TOKENS = st.lists(st.lists(st.integers(0, 69_999), max_size=9), min_size=1, max_size=12)


def documents(lists: list[list[int]]) -> list[Document]:
    return [(np.array(tokens, dtype=np.uint32), np.array(tokens, dtype=np.uint32) % 3 == 0) for tokens in lists]


@given(lists=TOKENS, shard_tokens=st.integers(1, 40))
def test_a_round_trip_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, lists: list[list[int]], shard_tokens: int
) -> None:
    folder = tmp_path_factory.mktemp("corpus")
    written = documents(lists)
    assert corpus.write(written, folder, vocab_size=70_000, shard_tokens=shard_tokens) == sum(map(len, lists))
    again = Corpus(folder)
    assert len(again) == len(lists)
    assert again.lengths.tolist() == list(map(len, lists))
    for number, (tokens, starts) in enumerate(written):
        read_tokens, read_starts = again.document(number)
        assert read_tokens.tolist() == tokens.tolist()
        assert read_starts.tolist() == starts.tolist()


@given(start=st.integers(0, 12), stop=st.none() | st.integers(0, 12), number=st.integers(0, 2))
def test_a_window_never_leaves_its_document(
    tmp_path_factory: pytest.TempPathFactory, start: int, stop: int | None, number: int
) -> None:
    folder = tmp_path_factory.mktemp("corpus")
    lists = [[1, 2, 3, 4, 5], [6], [7, 8, 9, 10, 11, 12, 13]]
    corpus.write(documents(lists), folder, vocab_size=100, shard_tokens=6)
    tokens, starts = Corpus(folder).document(number, start, stop)
    assert tokens.tolist() == lists[number][start:stop]
    assert len(starts) == len(tokens)


@pytest.mark.parametrize(("vocab_size", "kind"), [(1 << 16, np.uint16), ((1 << 16) + 1, np.uint32)])
def test_tokens_take_two_bytes_where_they_fit(tmp_path: Path, vocab_size: int, kind: type) -> None:
    last = vocab_size - 1
    corpus.write(documents([[last, 0]]), tmp_path, vocab_size=vocab_size, shard_tokens=10)
    tokens, _ = Corpus(tmp_path).document(0)
    assert tokens.dtype == kind
    assert tokens.tolist() == [last, 0]


def test_shards_end_after_the_document_that_fills_them(tmp_path: Path) -> None:
    corpus.write(documents([[1, 2], [3, 4], [5], [6]]), tmp_path, vocab_size=10, shard_tokens=3)
    sizes = [len(np.load(path)) for path in sorted(tmp_path.glob("*.tokens.npy"))]
    assert sizes == [4, 2]


def test_tokens_are_mapped_and_not_loaded(tmp_path: Path) -> None:
    corpus.write(documents([[1, 2, 3]]), tmp_path, vocab_size=10, shard_tokens=3)
    tokens, _ = Corpus(tmp_path).document(0)
    assert isinstance(tokens, np.memmap)


def test_a_shorter_corpus_leaves_no_shard_of_a_longer_one(tmp_path: Path) -> None:
    corpus.write(documents([[1, 2], [3, 4], [5, 6]]), tmp_path, vocab_size=10, shard_tokens=1)
    corpus.write(documents([[7, 8]]), tmp_path, vocab_size=10, shard_tokens=1)
    assert Corpus(tmp_path).lengths.tolist() == [2]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no shards \(\*\.tokens\.npy\)"):
        Corpus(tmp_path)
