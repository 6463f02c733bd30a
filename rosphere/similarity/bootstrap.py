"""How far a measured difference of two encoders may be chance: the paired bootstrap (Efron 1979; Koehn 2004).

Both encoders are measured on the same resampled units, so that what makes a unit hard for both is no part of the
spread. A resample is told by how often each unit was drawn, [units]; nothing is sorted again for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from rosphere.randomness.streams import Stream, generator
from rosphere.similarity.vectors import Vectors

DRAWS = 1000  # of which the standard deviation is off by some 2 percent
Counts = NDArray[np.int64]


def resamples(units: int, *, seed: int, draws: int = DRAWS) -> Iterator[Counts]:
    """How often each of ``units`` was drawn, in ``draws`` resamples of as many."""
    random = generator(seed, Stream.BOOTSTRAP)
    for _ in range(draws):
        yield np.bincount(random.integers(units, size=units), minlength=units)


def standard_error(statistic: Callable[[Counts], float], units: int, *, seed: int, draws: int = DRAWS) -> float:
    """Standard deviation of ``statistic`` over resamples; those for which it is not defined are left out.

    0 where there are fewer than two units, or no two resamples for which it is defined: nothing varies.
    """
    found = np.array([statistic(counts) for counts in resamples(units, seed=seed, draws=draws)] if units > 1 else [])
    defined = found[np.isfinite(found)]
    return float(defined.std(ddof=1)) if len(defined) > 1 else 0.0


def of_means(difference_N: NDArray[np.float64], cluster_N: NDArray[np.int64], *, seed: int) -> float:
    """Standard error of the mean of the differences, of which those of one cluster are drawn together: sentences of one
    group are asked with the same answers."""
    _, place_N = np.unique(cluster_N, return_inverse=True)
    sums, sizes = np.bincount(place_N, difference_N), np.bincount(place_N)
    return standard_error(lambda counts: float(counts @ sums / (counts @ sizes)), len(sizes), seed=seed)


def of_correlations(before_P: Vectors, after_P: Vectors, scores_P: Vectors, *, seed: int) -> float:
    """Standard error of Spearman's correlation of ``after`` with the scores less ``before``'s; pairs are drawn."""
    before, after, scores = map(Ranked, (before_P, after_P, scores_P))

    def difference(counts: Counts) -> float:
        wanted = scores(counts)
        return correlation(after(counts), wanted, counts) - correlation(before(counts), wanted, counts)

    return standard_error(difference, len(scores_P), seed=seed)


class Ranked:
    """Values whose ranks in a resample, equal ones sharing their mean, are worked out from the counts alone."""

    def __init__(self, values_P: Vectors) -> None:
        different, self._place_P = np.unique(values_P, return_inverse=True)
        self._different = len(different)

    def __call__(self, counts_P: Counts) -> NDArray[np.float64]:
        """The rank, from 1, that each value has in the resample; of one that was not drawn it means nothing."""
        totals = np.bincount(self._place_P, counts_P, minlength=self._different)
        ranks: NDArray[np.float64] = (np.cumsum(totals) - totals + (totals + 1) / 2)[self._place_P]
        return ranks


def correlation(one_P: NDArray[np.float64], other_P: NDArray[np.float64], counts_P: Counts) -> float:
    """Pearson's correlation where each pair counts so often; nan where one side does not vary."""
    one, other = (values - np.average(values, weights=counts_P) for values in (one_P, other_P))
    variances = (counts_P @ one**2) * (counts_P @ other**2)
    return float(counts_P @ (one * other) / np.sqrt(variances)) if variances > 0 else float("nan")
