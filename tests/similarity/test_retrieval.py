"""Retrieval figures against loops, scipy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rosphere.errors import InputError
from rosphere.similarity import retrieval
from rosphere.similarity.vectors import Vectors, unit


def vectors(count: int, width: int, seed: int = 0) -> Vectors:
    return unit(np.random.default_rng(seed).standard_normal((count, width)))


@settings(deadline=None)
@given(
    count=st.integers(2, 20),
    groups=st.integers(1, 6),
    k=st.integers(1, 8),
    seed=st.integers(0, 10**6),
)
def test_recall_is_the_loop(count: int, groups: int, k: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    found = vectors(count, 3, seed)
    group_of = generator.integers(0, groups, count)
    queries = generator.permutation(count)[: max(1, count // 2)]
    hits = 0
    for query in queries:
        others = [number for number in range(count) if number != query]
        nearest = sorted(others, key=lambda other: -float(found[query] @ found[other]))[:k]
        hits += any(group_of[other] == group_of[query] for other in nearest)
    assert retrieval.recall(found, group_of, queries, k) == pytest.approx(hits / len(queries))


def test_recall_literal() -> None:
    """On a circle at 0, 10, 90 and 130 degrees: 0-10 and 90-130 are nearest to each other."""
    angle = np.radians([0.0, 10.0, 90.0, 130.0])
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    everyone = np.arange(4)
    assert retrieval.recall(circle, np.array([0, 0, 1, 1]), everyone) == 1.0
    assert retrieval.recall(circle, np.array([0, 1, 0, 1]), everyone) == 0.0
    assert retrieval.recall(circle, np.array([0, 1, 1, 2]), everyone, k=2) == 0.5
    assert retrieval.recall(circle, np.array([0, 0, 1, 2]), np.array([0, 3])) == 0.5


@settings(deadline=None)
@given(count=st.integers(2, 20), groups=st.integers(1, 6), block=st.integers(1, 7), seed=st.integers(0, 10**6))
def test_ranks_are_the_loop_with_ties_by_order(count: int, groups: int, block: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    found = np.eye(3)[generator.integers(0, 3, count)]  # cosines are 0 or 1: ties everywhere
    group_of = generator.integers(0, groups, count)
    queries = generator.permutation(count)
    for query, rank in zip(queries, retrieval.ranks(found, group_of, queries, block=block), strict=True):
        others = [number for number in range(count) if number != query]
        order = sorted(others, key=lambda other: -float(found[query] @ found[other]))
        places = [place for place, other in enumerate(order, 1) if group_of[other] == group_of[query]]
        assert rank == min(places, default=retrieval.NOWHERE)


def test_vectors_that_are_no_numbers_are_no_perfect_score() -> None:
    vectors = unit(np.random.default_rng(0).standard_normal((4, 3)))
    vectors[2, 1] = np.nan
    with pytest.raises(InputError, match="vectors: expected finite numbers, 1 are not"):
        retrieval.ranks(vectors, np.array([0, 0, 1, 1]), np.arange(4))


def test_alignment_and_uniformity_literal() -> None:
    """Two vectors at a right angle, |u - v|^2 = 2, and one the opposite of the first, 4 and 2 apart."""
    three = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    assert retrieval.alignment(three[:2], three[1:]) == pytest.approx(2.0)
    assert retrieval.alignment(three, three) == 0.0
    expected = np.log((np.exp(-4) + np.exp(-8) + np.exp(-4)) / 3)
    assert retrieval.uniformity(three) == pytest.approx(expected)
    assert retrieval.uniformity(np.repeat(three, 10, axis=0), most=2) == pytest.approx(-8.0)


def test_recall_leaves_the_vectors_as_they_are() -> None:
    found = vectors(5, 3)
    before = found.copy()
    retrieval.recall(found, np.arange(5), np.arange(5))
    assert np.array_equal(found, before)


def test_spearman_with_ties_is_scipys_and_a_literal() -> None:
    one, other = vectors(30, 5, 1), vectors(30, 5, 2)
    scores = np.random.default_rng(3).integers(0, 4, 30).tolist()
    cosines = [float(a @ b) for a, b in zip(one, other, strict=True)]
    assert retrieval.spearman(one, other, scores) == pytest.approx(stats.spearmanr(cosines, scores)[0], abs=1e-12)
    axis = np.tile([1.0, 0.0], (4, 1))
    cosine = np.array([0.1, 0.4, 0.2, 0.9])
    four = np.stack([cosine, np.sqrt(1 - cosine**2)], axis=1)
    # ranks 1 3 2 4 against 1 2 3 4: 1 - 6 * 2 / (4 * 15)
    assert retrieval.spearman(axis, four, [0, 1, 2, 3]) == pytest.approx(0.8, abs=1e-12)


@pytest.mark.parametrize("dimensions", [None, 3])
def test_whitened_vectors_have_mean_zero_and_unit_covariance(dimensions: int | None) -> None:
    generator = np.random.default_rng(0)
    raw = generator.standard_normal((300, 6)) @ generator.standard_normal((6, 6)) + 5
    mean, matrix = retrieval.whitening(raw, dimensions)
    white = (raw - mean) @ matrix
    width = dimensions or 6
    assert white.shape == (300, width)
    np.testing.assert_allclose(np.cov(white.T), np.eye(width), atol=1e-10)
    np.testing.assert_allclose(white.mean(0), 0, atol=1e-10)
    assert np.abs(np.cov(raw.T) - np.eye(6)).max() > 0.5


def test_whitening_keeps_the_directions_of_most_variance() -> None:
    raw = np.random.default_rng(0).standard_normal((500, 3)) * [0.1, 10.0, 1.0]
    matrix = retrieval.whitening(raw, 1)[1]
    assert abs(matrix[1, 0]) > 50 * abs(matrix[[0, 2], 0]).max()


def test_whitening_of_vectors_in_a_subspace_stays_finite() -> None:
    raw = vectors(40, 5)
    raw[:, 4] = raw[:, 0]
    mean, matrix = retrieval.whitening(raw)
    assert np.isfinite((raw - mean) @ matrix).all()


def test_unit_rows_and_the_zero_row() -> None:
    found = unit(np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert found.tolist() == [[0.6, 0.8], [0.0, 0.0]]


def test_tf_idf_finds_exact_duplicates_and_ranks_likeness() -> None:
    texts = ["怎么退货", "信用卡怎么办理", "怎么退货", "信用卡如何办理", "今天天气不错"]
    found = retrieval.tf_idf(texts, texts).toarray()
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-12)
    cosines = found @ found.T
    assert cosines[0, 2] == pytest.approx(1.0, abs=1e-12)
    assert cosines[0, 4] == 0.0
    assert cosines[1, 3] > cosines[1, 0] > cosines[1, 4]
    assert retrieval.recall(found, np.array([0, 1, 0, 1, 2]), np.arange(4)) == 1.0


def test_tf_idf_is_fitted_on_the_first_argument_alone() -> None:
    found = retrieval.tf_idf(["怎么退货"], ["退货", "天气"]).toarray()
    assert np.linalg.norm(found[0]) == pytest.approx(1.0)
    assert not found[1].any()


def test_sparse_rows_give_the_figures_of_dense_ones() -> None:
    texts = ["怎么退货", "如何退货", "退款要几天", "几天退款", "今天天气"]
    rows, group_of = retrieval.tf_idf(texts, texts), np.array([0, 0, 1, 1, 2])
    dense, everyone = rows.toarray(), np.arange(5)
    assert retrieval.ranks(rows, group_of, everyone).tolist() == retrieval.ranks(dense, group_of, everyone).tolist()
    assert retrieval.uniformity(rows) == pytest.approx(retrieval.uniformity(dense))
    assert retrieval.alignment(rows[[0, 2]], rows[[1, 3]]) == pytest.approx(
        retrieval.alignment(dense[[0, 2]], dense[[1, 3]])
    )
    scores = [3.0, 2.0, 1.0]
    both = [retrieval.spearman(r[[0, 2, 0]], r[[1, 3, 4]], scores) for r in (rows, dense)]
    assert both[0] == pytest.approx(both[1])
