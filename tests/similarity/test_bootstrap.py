"""Spreads of differences: against resampling by hand, closed forms, and what must not vary."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rosphere.similarity import bootstrap


@pytest.mark.parametrize("different", [2, 5, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_the_correlation_of_a_resample_is_that_of_its_pairs_written_out(different: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    cosines, scores = random.standard_normal(60).round(1), random.integers(different, size=60).astype(float)
    one, two = bootstrap.Ranked(cosines), bootstrap.Ranked(scores)
    for counts in bootstrap.resamples(60, seed=seed, draws=5):
        drawn = np.repeat(np.arange(60), counts)
        assert len(drawn) == 60
        expected = stats.spearmanr(cosines[drawn], scores[drawn]).statistic
        assert bootstrap.correlation(one(counts), two(counts), counts) == pytest.approx(expected, abs=1e-12)
        np.testing.assert_allclose(one(counts)[drawn], stats.rankdata(cosines[drawn]))


def test_the_spread_of_a_mean_is_the_textbooks() -> None:
    """sigma / sqrt(n), to the 2 or 3 percent that a thousand resamples leave."""
    values = np.random.default_rng(0).standard_normal(400)
    found = bootstrap.of_means(values, np.arange(400), seed=1)
    assert found == pytest.approx(values.std() / 20, rel=0.1)


def test_sentences_of_one_group_are_no_further_evidence() -> None:
    """Each unit five times in a group of its own says as much as once; taken for units of their own they would not."""
    values = np.random.default_rng(0).standard_normal(50)
    once = bootstrap.of_means(values, np.arange(50), seed=3)
    fivefold = np.repeat(values, 5)
    assert bootstrap.of_means(fivefold, np.repeat(np.arange(50), 5), seed=3) == pytest.approx(once, rel=1e-12)
    assert bootstrap.of_means(fivefold, np.arange(250), seed=3) < 0.6 * once


def test_what_is_hard_for_both_is_no_part_of_the_spread() -> None:
    random = np.random.default_rng(0)
    scores = random.integers(3, size=200).astype(float)
    before = scores + random.standard_normal(200)
    near, far = before + 0.01 * random.standard_normal(200), scores + random.standard_normal(200)
    paired, apart = (bootstrap.of_correlations(before, each, scores, seed=2) for each in (near, far))
    assert paired < apart / 5
    assert bootstrap.of_correlations(before, 2 * before + 1, scores, seed=2) == 0


@pytest.mark.parametrize("scores", [[1.0], [1.0, 1.0, 1.0]])
def test_where_nothing_can_vary_the_spread_is_nothing(scores: list[float]) -> None:
    values = np.arange(len(scores), dtype=float)
    assert bootstrap.of_correlations(values, -values, np.array(scores), seed=0) == 0


def test_the_seed_alone_decides() -> None:
    values = np.arange(9.0)
    one, again, other = (bootstrap.of_means(values, np.arange(9), seed=seed) for seed in (4, 4, 5))
    assert one == again != other
