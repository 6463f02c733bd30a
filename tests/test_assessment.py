"""The benchmark of a sentence encoder: who is asked, who is a candidate, and which files are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rosphere import assessment, retrieval
from rosphere.assessment import Benchmark
from rosphere.errors import InputError
from rosphere.pairs import Groups
from rosphere.text import reading, tokenizer
from rosphere.text.tokenizer import Tokenizer

# jieba's own source, where it is compiled for the first time.
pytestmark = pytest.mark.filterwarnings("ignore:invalid escape sequence")

TRAIN = [("怎么退货", ["如何退货", "想退货"]), ("天气如何", ["今天天气"])]
DEV = [("办信用卡", ["信用卡办理"]), ("退款多久", ["多久退款", "几天退款"])]
GOLD = [("怎么退货", "如何退货", 5.0), ("办信用卡", "天气如何", 0.0), ("退款多久", "怎么退货", 2.5)]


def groups(folder: Path, name: str, rows: list[tuple[str, list[str]]]) -> Groups:
    texts = [text for one, others in rows for text in (one, *others)]
    tokenizer.save(tokenizer.train(texts, size=200, minimum=1), folder)
    reading.write_rows(folder / name, [{"text": one, "synonyms": others} for one, others in rows])
    return Groups(folder / name, Tokenizer(folder), longest=20)


def gold(folder: Path, rows: list[tuple[str, str, float]]) -> Path:
    path = folder / "gold.jsonl"
    reading.write_rows(path, [{"sentence1": a, "sentence2": b, "score": score} for a, b, score in rows])
    return path


def built(folder: Path, *, rows: list[tuple[str, str, float]] = GOLD, train: Any = None) -> Benchmark:
    return assessment.benchmark(
        groups(folder, "train.jsonl", train or TRAIN), groups(folder, "dev.jsonl", DEV), gold(folder, rows)
    )


def test_held_out_sentences_ask_and_all_sentences_answer(tmp_path: Path) -> None:
    found = built(tmp_path)
    assert [found.texts[query] for query in found.queries] == [text for one, others in DEV for text in (one, *others)]
    assert found.texts[5:] == [text for one, others in TRAIN for text in (one, *others)]
    assert found.group_of.tolist() == [0, 0, 1, 1, 1, 2, 2, 2, 3, 3]
    pairs = [
        (found.texts[a], found.texts[b], score) for (a, b), score in zip(found.pairs_P2, found.scores, strict=True)
    ]
    assert pairs == GOLD


def test_a_sentence_of_both_sides_is_graded_as_the_held_out_one(tmp_path: Path) -> None:
    found = built(tmp_path, train=[*TRAIN, ("办信用卡", ["办卡"])])
    assert found.texts.count("办信用卡") == 2
    assert found.pairs_P2[1, 0] == 0


def test_the_figures_are_those_of_retrieval(tmp_path: Path) -> None:
    found = built(tmp_path)
    vectors = retrieval.unit(np.random.default_rng(0).standard_normal((10, 4)))
    cosines = [float(vectors[a] @ vectors[b]) for a, b in found.pairs_P2]
    apart = np.argsort(np.argsort(cosines)) - np.argsort(np.argsort(found.scores))
    assert found(vectors) == {
        "recall_at_1": retrieval.recall(vectors, found.group_of, np.arange(5), 1),
        "recall_at_5": retrieval.recall(vectors, found.group_of, np.arange(5), 5),
        "spearman": pytest.approx(1 - 6 * float((apart**2).sum()) / (3 * 8)),
    }


def test_perfect_vectors_score_one(tmp_path: Path) -> None:
    found = built(tmp_path)
    vectors = np.eye(4)[found.group_of]
    vectors[found.texts.index("怎么退货")] = vectors[found.texts.index("怎么退货")] * 0.8 + np.eye(4)[1] * 0.6
    figures = found(vectors)
    assert figures == {"recall_at_1": 1.0, "recall_at_5": 1.0, "spearman": pytest.approx(1.0)}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*GOLD, ("怎么退货", "不在其中", 1.0)], r"gold.jsonl:4: sentence2 stands in no group: '不在其中'"),
        (
            [(a, b, 1.0) for a, b, _ in GOLD],
            r"gold.jsonl: expected pairs with two or more different scores, got 3",
        ),
        ([], r"gold.jsonl: expected pairs with two or more different scores, got 0"),
    ],
)
def test_refuses_pairs_that_measure_nothing(rows: list[Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        built(tmp_path, rows=rows)


def test_refuses_a_pair_without_a_sentence(tmp_path: Path) -> None:
    built(tmp_path)
    path = tmp_path / "gold.jsonl"
    reading.write_rows(path, [{"sentence1": "怎么退货", "score": 1.0}])
    both = [Groups(tmp_path / f"{name}.jsonl", Tokenizer(tmp_path), longest=20) for name in ("train", "dev")]
    with pytest.raises(InputError, match=r"gold.jsonl:1: expected text under 'sentence2', got nothing"):
        assessment.benchmark(*both, path)


def test_whitening_is_measured_on_the_training_rows_alone() -> None:
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((60, 4)) * [1, 2, 3, 4] + 1
    found = assessment.whitened(vectors, 20, None)
    shifted = vectors.copy()
    shifted[:20] = shifted[:20] * 100
    np.testing.assert_allclose(assessment.whitened(shifted, 20, None)[20:], found[20:], atol=1e-12)
    mean, matrix = retrieval.whitening(vectors[20:])
    np.testing.assert_allclose(np.cov(((vectors[20:] - mean) @ matrix).T), np.eye(4), atol=1e-10)
    np.testing.assert_allclose(found, retrieval.unit((vectors - mean) @ matrix), atol=1e-12)
    assert assessment.whitened(vectors, 20, 2).shape == (60, 2)


def test_neighbours_leave_the_query_out() -> None:
    angle = np.radians([0.0, 10.0, 25.0, 180.0])
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert assessment.neighbours(circle, ["a", "b", "c", "d"], [1, 3], 2) == [["a", "c"], ["c", "b"]]
    twins = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert assessment.neighbours(twins, ["a", "b"], [0, 1], 1) == [["b"], ["a"]]
