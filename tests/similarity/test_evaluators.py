"""The benchmark of a sentence encoder: who is asked, who is a candidate, and which files are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from rosphere.errors import InputError
from rosphere.similarity import evaluators, retrieval
from rosphere.similarity.evaluators import Benchmark
from rosphere.similarity.pairs import Groups
from rosphere.similarity.vectors import unit
from rosphere.text import reading
from rosphere.text.tokenizer import Tokenizer
from tests import tiny

TRAIN = [("怎么退货", ["如何退货", "想退货"]), ("天气如何", ["今天天气"])]
DEV = [("办信用卡", ["信用卡办理"]), ("退款多久", ["多久退款", "几天退款"])]
GOLD = [("怎么退货", "如何退货", 5.0), ("办信用卡", "天气如何", 0.0), ("退款多久", "怎么退货", 2.5)]


def groups(folder: Path, name: str, rows: list[tuple[str, list[str]]]) -> Groups:
    texts = [text for one, others in rows for text in (one, *others)]
    pieces = tiny.tokenizer(folder, texts)
    reading.write_rows(folder / name, [{"text": one, "synonyms": others} for one, others in rows])
    return Groups(folder / name, pieces, max_length=20)


def gold(folder: Path, rows: list[tuple[str, str, float]]) -> Path:
    path = folder / "gold.jsonl"
    reading.write_rows(path, [{"sentence1": a, "sentence2": b, "score": score} for a, b, score in rows])
    return path


def built(folder: Path, *, rows: list[tuple[str, str, float]] = GOLD, train: Any = None) -> Benchmark:
    return evaluators.benchmark(
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
    vectors = unit(np.random.default_rng(0).standard_normal((10, 4)))
    cosines = [float(vectors[a] @ vectors[b]) for a, b in found.pairs_P2]
    apart = np.argsort(np.argsort(cosines)) - np.argsort(np.argsort(found.scores))
    ranks = retrieval.ranks(vectors, found.group_of, np.arange(5))
    assert found(vectors) == {
        "recall_at_1": retrieval.recall(vectors, found.group_of, np.arange(5), 1),
        "recall_at_5": retrieval.recall(vectors, found.group_of, np.arange(5), 5),
        "recall_at_10": 1.0,
        "mrr": pytest.approx(sum(1 / rank for rank in ranks) / 5),
        "spearman": pytest.approx(1 - 6 * float((apart**2).sum()) / (3 * 8)),
        "alignment": pytest.approx(retrieval.alignment(vectors[[0, 2, 3]], vectors[[1, 3, 4]])),
        "uniformity": pytest.approx(retrieval.uniformity(vectors)),
    }


def test_perfect_vectors_score_one(tmp_path: Path) -> None:
    found = built(tmp_path)
    vectors = np.eye(4)[found.group_of]
    vectors[found.texts.index("怎么退货")] = vectors[found.texts.index("怎么退货")] * 0.8 + np.eye(4)[1] * 0.6
    figures = found(vectors)
    assert {key: figures[key] for key in ("recall_at_1", "recall_at_5", "recall_at_10", "mrr")} == dict.fromkeys(
        ("recall_at_1", "recall_at_5", "recall_at_10", "mrr"), 1.0
    )
    assert (figures["spearman"], figures["alignment"]) == (pytest.approx(1.0), pytest.approx(0.0))


def test_at_most_so_many_sentences_of_each_side_are_measured(tmp_path: Path) -> None:
    sides = [groups(tmp_path, "train.jsonl", TRAIN), groups(tmp_path, "dev.jsonl", DEV)]
    path = gold(tmp_path, [*GOLD, ("办信用卡", "信用卡办理", 4.0)])
    found = evaluators.benchmark(*sides, path, most=3)
    assert found.texts == ["办信用卡", "信用卡办理", "退款多久", "怎么退货", "如何退货", "想退货"]
    assert found.group_of.tolist() == [0, 0, 1, 2, 2, 2]
    assert found.queries.tolist() == [0, 1, 2]
    assert found.scores == [5.0, 2.5, 4.0], "the pair with a sentence that is not measured is left out"


# --- graded pairs


def graded_file(folder: Path, rows: list[dict[str, Any]]) -> Path:
    reading.write_rows(folder / "stsb.jsonl", rows)
    return folder / "stsb.jsonl"


def rated(one: str, two: str, score: Any, split: str) -> dict[str, Any]:
    return {"sentence1": one, "sentence2": two, "score": score, "split": split}


def test_graded_splits_without_the_training_one(tmp_path: Path) -> None:
    rows = [rated("甲", "乙", 1, "test"), rated("乙", "甲", 2, "test"), rated("丙", "甲", 0, "dev")]
    path = graded_file(tmp_path, [*rows, rated("甲", "丁", 4, "dev"), rated("戊", "己", 5, "train")])
    dev, test = evaluators.graded([path])
    assert (dev.name, dev.split, dev.texts, dev.scores) == ("stsb", "dev", ["丙", "甲", "丁"], [0.0, 4.0])
    assert (test.split, test.texts, test.pairs_P2.tolist()) == ("test", ["甲", "乙"], [[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (rated("甲", "乙", "high", "dev"), r"stsb.jsonl:1: expected a number under 'score', got 'high'"),
        (rated("甲", "乙", 1, "dev"), r"stsb.jsonl: expected two or more different scores in the split 'dev'"),
        ({"sentence1": "甲", "score": 1}, r"stsb.jsonl:1: expected text under 'sentence2', got nothing"),
    ],
)
def test_graded_files_that_measure_nothing_are_refused(tmp_path: Path, row: Any, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        evaluators.graded([graded_file(tmp_path, [row])])


def test_the_first_pairs_of_a_split_alone(tmp_path: Path) -> None:
    rows = [rated(f"甲{n}", f"乙{n}", n % 4, "dev") for n in range(9)]
    [each] = evaluators.graded([graded_file(tmp_path, rows)], most=3)
    assert each.texts == ["甲0", "乙0", "甲1", "乙1", "甲2", "乙2"]
    assert each.scores == [0, 1, 2] and len(each.pairs_P2) == 3


def test_correlations_by_scipy_and_whitening_fitted_on_other_sentences(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    table: dict[str, Any] = {}

    def encode(texts: list[str]) -> dict[str, Any]:
        for text in texts:
            table.setdefault(text, generator.standard_normal(4) + 2)
        return {"random": unit(np.stack([table[text] for text in texts]))}

    rows = [rated(f"甲{n}", f"乙{n % 5}", n % 4, "dev") for n in range(40)]
    fit_on = [f"训练{n}" for n in range(30)]
    [each] = sets = evaluators.graded([graded_file(tmp_path, rows)])
    found = evaluators.correlations(sets, encode, fit_on=fit_on, dimensions=2)["stsb dev"]
    assert set(found) == {"random", "TF-IDF", evaluators.OWN_TF_IDF} and set(found["TF-IDF"]) == {"none"}
    own = retrieval.tf_idf(each.texts, each.texts)  # knows all characters, the training sentences' none but digits
    assert found[evaluators.OWN_TF_IDF] == {"none": pytest.approx(each.spearman(own))}
    assert found[evaluators.OWN_TF_IDF] != found["TF-IDF"]
    one, two = (encode([str(row[key]) for row in rows])["random"] for key in ("sentence1", "sentence2"))
    for how, dimensions in (("none", 0), ("whitened", None), ("whitened to 2", 2)):
        mean, matrix = retrieval.whitening(encode(fit_on)["random"], dimensions)
        first, second = (unit((x - mean) @ matrix) if how != "none" else x for x in (one, two))
        expected = stats.spearmanr((first * second).sum(1), [row["score"] for row in rows]).statistic
        assert found["random"][how] == pytest.approx(expected)
    assert len(set(found["random"].values())) == 3
    assert evaluators.correlations([], encode, fit_on=fit_on, dimensions=2) == {}


def test_the_negation_probe_literally(tmp_path: Path) -> None:
    reading.write_rows(
        tmp_path / "probe.jsonl",
        [{"text": "a", "same": "b", "opposite": "c"}, {"text": "a", "same": "c", "opposite": "b"}],
    )
    table = {"a": [1.0, 0.0], "b": [0.6, 0.8], "c": [0.8, -0.6]}
    found = evaluators.negation(tmp_path / "probe.jsonl", lambda texts: np.array([table[text] for text in texts]))
    expected = {"paraphrase_nearer": 0.5, "paraphrase_cosine": 0.7, "negation_cosine": 0.7}
    assert found == pytest.approx(expected)
    reading.write_rows(tmp_path / "probe.jsonl", [])
    with pytest.raises(InputError, match="probe.jsonl: expected rows with 'text', 'same' and 'opposite'"):
        evaluators.negation(tmp_path / "probe.jsonl", lambda texts: np.eye(3))


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
    both = [Groups(tmp_path / f"{name}.jsonl", Tokenizer(tmp_path), max_length=20) for name in ("train", "dev")]
    with pytest.raises(InputError, match=r"gold.jsonl:1: expected text under 'sentence2', got nothing"):
        evaluators.benchmark(*both, path)


def test_whitening_is_measured_on_the_training_rows_alone() -> None:
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((60, 4)) * [1, 2, 3, 4] + 1
    found = evaluators.whitened(vectors, 20, None)
    shifted = vectors.copy()
    shifted[:20] = shifted[:20] * 100
    np.testing.assert_allclose(evaluators.whitened(shifted, 20, None)[20:], found[20:], atol=1e-12)
    mean, matrix = retrieval.whitening(vectors[20:])
    np.testing.assert_allclose(np.cov(((vectors[20:] - mean) @ matrix).T), np.eye(4), atol=1e-10)
    np.testing.assert_allclose(found, unit((vectors - mean) @ matrix), atol=1e-12)
    assert evaluators.whitened(vectors, 20, 2).shape == (60, 2)


def test_neighbours_leave_the_query_out() -> None:
    angle = np.radians([0.0, 10.0, 25.0, 180.0])
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert evaluators.neighbours(circle, ["a", "b", "c", "d"], [1, 3], 2) == [["a", "c"], ["c", "b"]]
    twins = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert evaluators.neighbours(twins, ["a", "b"], [0, 1], 1) == [["b"], ["a"]]
