"""Rows of a batch that say the same: which they are, and that none is a wrong answer to another."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rosphere.similarity import meanings, pairs
from rosphere.similarity.losses import info_nce
from rosphere.similarity.negatives import Negatives
from rosphere.similarity.pairs import Groups
from rosphere.similarity.unlabelled import Unlabelled
from rosphere.text import tokenizer
from rosphere.text.tokenizer import Tokenizer

ROWS = [
    ["怎么退货", "如何退货"],
    ["怎么开发票", "开发票的流程"],
    ["如何退货", "退货的流程"],
    ["今天天气", "天气怎么样"],
]


@pytest.fixture
def groups(tmp_path: Path) -> Groups:
    tokenizer.save(tokenizer.train([text for row in ROWS for text in row], size=200, minimum=1), tmp_path)
    rows = [{"text": first, "synonyms": others} for first, *others in ROWS]
    (tmp_path / "groups.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return Groups(tmp_path / "groups.jsonl", Tokenizer(tmp_path), max_length=16)


def corpus(groups: Groups) -> Unlabelled:
    """A new sentence, one that is a group's, the new one once more."""
    new = np.array(groups.tokenizer.ids(["发票退货"])[0])
    return Unlabelled(sentences=[new, groups.tokens[3][0].astype(np.int64), new], batch_size=3, deletion=0.0)


def test_groups_with_a_sentence_in_common_are_one_and_so_are_equal_sentences(groups: Groups) -> None:
    """Sentences 1 and 4 are equal, as are 3 and 9, 8 and 10."""
    found = meanings.of_batches(groups, corpus(groups)).tolist()
    expected = [{0, 1, 4, 5}, {2, 3, 9}, {6, 7}, {8, 10}]
    assert {frozenset(np.flatnonzero(np.array(found) == each).tolist()) for each in found} == set(
        map(frozenset, expected)
    )


@given(data=st.data())
def test_it_is_the_closure_of_both_relations(data: st.DataObject) -> None:
    group_of = sorted(data.draw(st.lists(st.integers(0, 5), max_size=8)))
    names = [bytes([each]) for each in data.draw(st.lists(st.integers(0, 6), min_size=len(group_of), max_size=12))]
    found = meanings.of_groups(np.array(group_of, np.int64), names)
    count = len(names)
    joined = np.eye(count, dtype=bool)
    for one in range(count):
        for other in range(count):
            both = max(one, other) < len(group_of) and group_of[one] == group_of[other]
            joined[one, other] |= both or names[one] == names[other]
    for _ in range(count):
        joined = joined @ joined
    np.testing.assert_array_equal(found[:, None] == found, joined)


def test_a_batch_knows_the_meaning_of_its_rows_and_is_else_as_it_was(groups: Groups, tmp_path: Path) -> None:
    (tmp_path / "negatives.jsonl").write_text(json.dumps({"sentence1": "怎么退货", "sentence2": "天气"}), "utf-8")
    negatives = Negatives(tmp_path / "negatives.jsonl", groups.texts, groups.tokenizer, max_length=16)
    general, asked = corpus(groups), {"batch_size": 4, "noise": 0.5, "rate": 0.5, "seed": 1}
    of = meanings.of_batches(groups, general)
    without = pairs.training_batch(groups, 2, unlabelled=general, negatives=negatives, **asked)
    found = pairs.training_batch(groups, 2, unlabelled=general, negatives=negatives, meanings=of, **asked)
    assert len(without.meaning_N) == 0 and torch.equal(found.ids_NL, without.ids_NL) and len(found.anchor_M) == 2
    assert found.meaning_N.tolist() == [of[number] for number in found.sentence_N.tolist()]
    assert torch.equal(found.meaning_N[0::2], found.meaning_N[1::2])  # partners
    assert len(set(found.meaning_N.tolist())) < len(found.meaning_N) // 2, "some rows beside the partners are alike"
    assert torch.equal(found.split(3)[-1].meaning_N, found.meaning_N)
    assert torch.equal(found.share(1, 2).meaning_N, found.meaning_N)


def test_two_sentences_of_one_group_are_a_pair_and_no_further_pair(groups: Groups) -> None:
    """What the masks are for is equal sentences alone: a step draws no group twice."""
    for step in range(20):
        batch = pairs.training_batch(groups, step, batch_size=4, noise=0.0, rate=0.0, seed=3)
        drawn = groups.group_of[batch.sentence_N.numpy()]
        assert sorted(drawn) == sorted([*range(4), *range(4)])


def test_rows_that_say_the_same_are_no_candidates() -> None:
    generator = torch.Generator().manual_seed(0)
    rows, temperature = torch.randn(9, 3, generator=generator, dtype=torch.float64), 0.3
    meaning = torch.tensor([5, 5, 7, 7, 5, 5, 2, 2])
    unit = rows / rows.norm(dim=1, keepdim=True)
    expected = 0.0
    for row in range(8):
        wrong = [other for other in range(8) if meaning[other] != meaning[row]] + ([8] if row == 3 else [])
        total = sum(math.exp(float(unit[row] @ unit[other]) / temperature) for other in [*wrong, row ^ 1])
        expected -= math.log(math.exp(float(unit[row] @ unit[row ^ 1]) / temperature) / total) / 8
    anchors = torch.tensor([3])
    found = info_nce(rows, temperature=temperature, anchor_M=anchors, meaning_N=meaning)
    assert float(found) == pytest.approx(expected, rel=1e-12)
    assert found < info_nce(rows, temperature=temperature, anchor_M=anchors)


def test_where_no_two_pairs_say_the_same_nothing_changes() -> None:
    rows = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    apart = torch.tensor([3, 3, 1, 1, 0, 0, 9, 9])
    assert torch.equal(info_nce(rows, temperature=0.1, meaning_N=apart), info_nce(rows, temperature=0.1))
    one = info_nce(rows, temperature=0.1, meaning_N=torch.zeros(8, dtype=torch.long))
    assert float(one) == 0.0, "the partner is the only candidate left"
