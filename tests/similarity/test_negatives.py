"""Hard negatives: whose they are, where they stand in a batch, and what they do to the loss."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from rosphere.similarity import pairs
from rosphere.similarity.losses import info_nce
from rosphere.similarity.negatives import Negatives
from rosphere.similarity.pairs import Batch, Groups
from rosphere.similarity.unlabelled import Unlabelled
from rosphere.text import tokenizer
from rosphere.text.tokenizer import Tokenizer

TEXTS = ["怎么退货", "如何退货", "怎么开发票", "开发票的流程"]
UNLIKE = [("怎么退货！", "怎么换货"), ("退货要钱吗", "怎么退货"), ("甲", "乙")]


@pytest.fixture
def groups(tmp_path: Path) -> Groups:
    tokenizer.save(tokenizer.train([*TEXTS, "怎么换货退货要钱吗"], size=200, minimum=1), tmp_path)
    rows = [{"text": TEXTS[n], "synonyms": [TEXTS[n + 1]]} for n in (0, 2)]
    (tmp_path / "groups.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return Groups(tmp_path / "groups.jsonl", Tokenizer(tmp_path), max_length=16)


@pytest.fixture
def negatives(groups: Groups, tmp_path: Path) -> Negatives:
    rows = [{"sentence1": one, "sentence2": two, "label": "0"} for one, two in UNLIKE]
    (tmp_path / "negatives.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return Negatives(tmp_path / "negatives.jsonl", groups.texts, groups.tokenizer, max_length=5)


def batch(groups: Groups, step: int, negatives: Negatives | None, general: Unlabelled | None = None) -> Batch:
    return pairs.training_batch(
        groups, step, batch_size=2, noise=0.5, rate=0.5, seed=1, unlabelled=general, negatives=negatives
    )


def test_a_pair_is_unlike_both_ways_and_is_cut(groups: Groups, negatives: Negatives) -> None:
    t = groups.tokenizer
    assert {number: [t.decode(ids.tolist()) for ids in each] for number, each in negatives.of.items()} == {
        0: ["怎么换货", "退货要钱吗"]
    }
    cut = Negatives(Path(t.folder) / "negatives.jsonl", groups.texts, t, max_length=2)
    assert [t.decode(ids.tolist()) for ids in cut.of[0]] == ["怎么", "退货"]


def test_the_partner_of_a_sentence_has_its_negatives_too(negatives: Negatives) -> None:
    drawn = [negatives.draw((1, 0), np.random.default_rng(n)) for n in range(20)]
    assert all(len(each) == 2 for each in drawn)
    assert {tuple(ids.tolist()) for each in drawn for ids in each} == {tuple(ids.tolist()) for ids in negatives.of[0]}
    assert negatives.draw((2, 3), np.random.default_rng(0)) == []


@pytest.mark.parametrize("general", [None, Unlabelled(sentences=[np.arange(7, 13)] * 3, batch_size=1, deletion=0.2)])
def test_they_stand_behind_all_rows_and_change_none(
    groups: Groups, negatives: Negatives, general: Unlabelled | None
) -> None:
    before = batch(groups, 3, None, general)
    found = batch(groups, 3, negatives, general)
    rows, t = len(before.ids_NL), groups.tokenizer
    width = before.ids_NL.shape[1]
    assert torch.equal(found.ids_NL[:rows, :width], before.ids_NL) and len(found.ids_NL) == rows + 2
    assert torch.equal(found.sentence_N, before.sentence_N) and found.tokens == before.tokens
    assert [int(found.sentence_N[place]) for place in found.anchor_M] in ([0, 1], [1, 0])
    for ids, keep in zip(found.ids_NL[rows:], found.keep_NL[rows:], strict=True):
        first, *seen, last = ids[keep.bool()].tolist()
        assert (first, last) == (t.cls, t.sep) and seen in [each.tolist() for each in negatives.of[0]]
    assert not found.targets[rows:].any()
    part = found.split(3)[-1]
    assert torch.equal(part.anchor_M, found.anchor_M), "a part knows those of the whole"


def test_without_any_a_batch_is_as_it_was(groups: Groups, tmp_path: Path) -> None:
    none = Negatives(tmp_path / "none.jsonl", groups.texts, groups.tokenizer, max_length=16)
    for step in range(5):
        one, other = batch(groups, step, none), batch(groups, step, None)
        assert all(torch.equal(getattr(one, n), getattr(other, n)) for n in ("ids_NL", "keep_NL", "sentence_N"))
        assert len(one.anchor_M) == 0


def vectors(rows: int) -> Tensor:
    return torch.randn(rows, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_a_negative_is_one_more_candidate_of_its_anchor_alone() -> None:
    rows, temperature = vectors(6), 0.3
    unit = rows / rows.norm(dim=1, keepdim=True)
    expected = 0.0
    for row in range(4):
        candidates = [other for other in range(4) if other != row] + ([4] if row == 2 else [5] if row == 1 else [])
        total = sum(math.exp(float(unit[row] @ unit[other]) / temperature) for other in candidates)
        expected -= math.log(math.exp(float(unit[row] @ unit[row ^ 1]) / temperature) / total) / 4
    found = info_nce(rows, temperature=temperature, anchor_M=torch.tensor([2, 1]))
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_a_nearer_negative_costs_more() -> None:
    rows = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.6, 0.8], [0.0, -1.0], [1.0, 0.1]])
    far = info_nce(rows[[0, 1, 2, 3, 4]], temperature=0.1, anchor_M=torch.tensor([0]))
    near = info_nce(rows[[0, 1, 2, 3, 5]], temperature=0.1, anchor_M=torch.tensor([0]))
    none = info_nce(rows[:4], temperature=0.1)
    assert none < far < near
    assert torch.equal(none, info_nce(rows[:4], temperature=0.1, anchor_M=torch.empty(0, dtype=torch.long)))
