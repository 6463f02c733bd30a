"""Labelled pairs: what a row becomes, among which classes, what is refused, and that a pair classifier learns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from rosphere.errors import InputError
from rosphere.similarity.labelled_pairs import ALIKE, CLASSES, INFERENCE, LabelledPair, read
from rosphere.similarity.model import SimilarityModel
from rosphere.similarity.supervised import PairClassifier, Pairs
from rosphere.text.tokenizer import Tokenizer
from tests import tiny

WORDS = "怎么退货款天气好不"
ROWS = [
    LabelledPair(one="怎么退货", two="退货", kind=ALIKE, label="1"),
    LabelledPair(one="怎么退货", two="天气好", kind=ALIKE, label="0"),
    LabelledPair(one="天气好", two="天气不好", kind=INFERENCE, label="contradiction"),
]


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return tiny.tokenizer(tmp_path_factory.mktemp("tokenizer"), [WORDS])


def model(pieces: Tokenizer) -> SimilarityModel:
    return SimilarityModel(tiny.language(len(pieces), **tiny.ONE_BLOCK, **tiny.NO_DROPOUT))


def written(tmp_path: Path, rows: list[dict[str, Any]]) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_labels_and_scores_literally(tmp_path: Path) -> None:
    pair = {"sentence1": "甲", "sentence2": "乙"}
    found = read(
        written(
            tmp_path,
            [
                {**pair, "label": 1},
                {**pair, "label": "neutral"},
                {**pair, "score": 5.0, "split": "train"},
                {**pair, "score": 2.5, "split": "train"},
                {**pair, "score": 0, "split": "train"},
                {**pair, "score": 4.0, "split": "test"},
            ],
        )
    )
    assert [(row.kind, row.label) for row in found] == [
        (ALIKE, "1"),
        (INFERENCE, "neutral"),
        (ALIKE, "1"),
        (ALIKE, "0"),
        (ALIKE, "0"),
    ]
    assert [row.target for row in found] == [1, 4, 1, 0, 0]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (
            {"label": "maybe"},
            r"rows.jsonl:1: expected a label \(0, 1, contradiction, entailment, neutral\) or a score, got 'maybe'",
        ),  # noqa: E501
        ({}, r"rows.jsonl:1: expected a label .* or a score, got None"),
        ({"score": "high"}, r"rows.jsonl:1: expected a number under 'score', got 'high'"),
        ({"score": 1.0, "split": "dev"}, r"rows.jsonl: expected pairs to train on, there are none"),
    ],
)
def test_refusals(tmp_path: Path, row: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        read(written(tmp_path, [{"sentence1": "甲", "sentence2": "乙", **row}]))


def test_a_batch_holds_as_many_pairs_of_each_kind(pieces: Tokenizer) -> None:
    batch = Pairs(ROWS, pieces, max_length=3).training_batch(4, batch_size=8, seed=1)
    assert batch.ids_NL.shape == (16, 5)
    assert batch.allowed_PC.sum(1).tolist() == [2, 3] * 4
    assert all(batch.allowed_PC[place, target] for place, target in enumerate(batch.target_P))
    again, other = (Pairs(ROWS, pieces, max_length=3).training_batch(step, batch_size=8, seed=1) for step in (4, 5))
    assert torch.equal(batch.ids_NL, again.ids_NL) and torch.equal(batch.target_P, again.target_P)
    assert not torch.equal(batch.target_P, other.target_P)


def test_the_logits_are_the_heads_by_hand(pieces: Tokenizer) -> None:
    classifier = PairClassifier(model(pieces)).eval()
    batch = Pairs(ROWS, pieces, max_length=9).batch([1, 2])
    logits = classifier(batch)
    hidden = classifier.model.language.encoder(batch.ids_NL, batch.keep_NL[:, None, None].bool())[:, 0]
    vectors = classifier.model.pooler(hidden)
    for pair, row in enumerate((ROWS[1], ROWS[2])):
        u, v = vectors[2 * pair], vectors[2 * pair + 1]
        whole = classifier.head.weight @ torch.cat((u, v, (u - v).abs()))
        mine = slice(0, 2) if row.kind == ALIKE else slice(2, CLASSES)
        torch.testing.assert_close(logits[pair, mine], whole[mine])
        assert torch.isneginf(logits[pair]).sum() == CLASSES - len(row.kind)


def test_a_judge_learns_its_pairs(pieces: Tokenizer) -> None:
    classifier, pairs = PairClassifier(model(pieces)), Pairs(ROWS, pieces, max_length=9)
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=3e-3)
    batch = pairs.batch([0, 1, 2])
    first = float(classifier.loss(batch)[0].detach())
    for _ in range(60):
        optimizer.zero_grad()
        classifier.loss(batch)[0].backward()
        optimizer.step()
    loss, accuracy = classifier.loss(batch)
    assert first > 0.5 and float(loss.detach()) < 0.1 and float(accuracy) == 1.0
