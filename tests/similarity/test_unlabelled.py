"""Sentences of the corpus in contrastive batches: two views of each, numbered after the groups', nothing to write."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rosphere.errors import InputError
from rosphere.similarity import pairs, unlabelled
from rosphere.similarity.pairs import Batch, Groups
from rosphere.similarity.unlabelled import Unlabelled
from rosphere.text import corpus, tokenizer
from rosphere.text.tokenizer import Tokenizer

TEXTS = ["北京大学在哪里", "北大在哪儿", "怎么开发票", "发票怎么开"]
SENTENCES = [np.arange(20, 20 + n) for n in (6, 9, 7, 12, 8)]


@pytest.fixture
def groups(tmp_path: Path) -> Groups:
    tokenizer.save(tokenizer.train(TEXTS, size=200, minimum=1), tmp_path)
    rows = [{"text": TEXTS[n], "synonyms": [TEXTS[n + 1]], "family": str(n)} for n in (0, 2)]
    (tmp_path / "groups.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return Groups(tmp_path / "groups.jsonl", Tokenizer(tmp_path), max_length=16)


def batch(groups: Groups, step: int, general: Unlabelled | None) -> Batch:
    return pairs.training_batch(groups, step, batch_size=2, noise=0.5, rate=0.5, seed=1, unlabelled=general)


def test_views_come_first_in_pairs_without_targets_and_change_no_other_row(groups: Groups) -> None:
    general = Unlabelled(sentences=SENTENCES, batch_size=3, deletion=0.4)
    both, alone = batch(groups, 4, general), batch(groups, 4, None)
    assert len(both.ids_NL) == 6 + 4 and both.tokens == alone.tokens
    width = alone.ids_NL.shape[1]
    assert torch.equal(both.ids_NL[6:, :width], alone.ids_NL)
    assert torch.equal(both.sentence_N[6:], alone.sentence_N)
    assert not both.targets[:6].any() and both.targets.sum() == both.tokens
    numbers = both.sentence_N[:6] - len(groups.tokens)
    assert torch.equal(numbers[0::2], numbers[1::2]) and len(set(numbers.tolist())) == 3
    t = groups.tokenizer
    for ids, keep, number in zip(both.ids_NL, both.keep_NL, numbers.tolist(), strict=False):
        first, *seen, last = ids[keep.bool()].tolist()
        assert (first, last) == (t.cls, t.sep)
        assert 1 <= len(seen) <= len(SENTENCES[number])
        assert seen == [token for token in SENTENCES[number].tolist() if token in seen]  # in order, none twice


@given(seed=st.integers(0, 10**6), deletion=st.floats(0, 0.95))
def test_a_view_is_a_subsequence_and_never_empty(seed: int, deletion: float) -> None:
    general = Unlabelled(sentences=SENTENCES, batch_size=5, deletion=deletion)
    for number, *views in general.draw(np.random.default_rng(seed)):
        for view in views:
            assert len(view) and set(view.tolist()) <= set(SENTENCES[number].tolist())
            assert (np.diff(view) > 0).all()
            assert deletion or len(view) == len(SENTENCES[number])


def test_so_many_tokens_are_left_out() -> None:
    general = Unlabelled(sentences=[np.arange(1000)], batch_size=1, deletion=0.3)
    left = [len(view) for seed in range(20) for view in general.draw(np.random.default_rng(seed))[0][1:]]
    assert np.mean(left) == pytest.approx(700, abs=5 * (1000 * 0.3 * 0.7 / 40) ** 0.5)


def test_sentences_of_a_corpus_are_drawn_by_the_seed_and_long_enough(tmp_path: Path) -> None:
    lengths = (3, 6, 9, 5, 30, 8)
    written = [(np.arange(20, 20 + n), np.ones(n, bool)) for n in lengths]
    corpus.write(written, tmp_path, vocab_size=100, shard_tokens=50)
    asked = {"deletion": 0.3, "max_length": 10, "most": 99}
    found = unlabelled.of_corpus(tmp_path, batch_size=8, seed=1, **asked)
    assert found and found.batch_size == 4  # there are no more
    assert sorted(map(len, found.sentences)) == [6, 8, 9, 10]
    again = unlabelled.of_corpus(tmp_path, batch_size=8, seed=1, **asked)
    assert again and all(map(np.array_equal, found.sentences, again.sentences))
    two = unlabelled.of_corpus(tmp_path, batch_size=1, seed=1, **{**asked, "most": 2})
    assert two and all(map(np.array_equal, two.sentences, found.sentences[:2])) and len(two.sentences) == 2
    assert unlabelled.of_corpus(tmp_path, batch_size=0, seed=1, **asked) is None


@pytest.mark.parametrize(
    ("count", "deletion", "message"),
    [
        (9, 0.3, "expected 1 sentence a step or more, of those there are, got 9 of 5"),
        (0, 0.3, "got 0 of 5"),
        (2, 1.0, "deletion: expected a share in .0, 1., got 1.0"),
    ],
)
def test_refuses(count: int, deletion: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Unlabelled(sentences=SENTENCES, batch_size=count, deletion=deletion)
