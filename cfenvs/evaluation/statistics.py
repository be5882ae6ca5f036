"""Scores between random and the reference, what is said of them, and how sure it is.

Scores are arrays (S, D): S training seeds, D scenarios that are common to all algorithms. Both are samples of what was
meant, and the luck of a seed may be the same in all scenarios, so that a table has as many independent numbers as it
has seeds, not as it has entries. Intervals are therefore t intervals: each axis has the error of leaving out each of
its seeds or scenarios (the jackknife) and a margin with the degrees of freedom of that axis, and the margins add up as
errors do. A percentile bootstrap of both axes covers the truth too rarely where seeds are few.
`tests/test_statistics.py` simulates how often these intervals cover it.

References
----------
R. Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS 2021.
J. W. Tukey, D. H. McLaughlin, "Less vulnerable confidence and significance procedures for location", Sankhya A, 1963.
E. L. Korn, B. I. Graubard, "Confidence intervals for proportions with small expected number of positive counts
estimated from survey data", Survey Methodology 24, 1998.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import betaincinv, stdtrit

from cfenvs.arrays import Float

ROUNDING = 1e-12
FEW = 3.0
"""Scenarios on the rarer side of a share, below which its own variance is no guide."""


def normalised_scores(reward: Float, random: Float, reference: Float) -> Float:
    """(x - random) / (reference - random), scenario by scenario, never clipped.

    Examples
    --------
    >>> normalised_scores(np.array([1.5]), random=np.array([1.0]), reference=np.array([2.0])).tolist()
    [0.5]
    """
    return (reward - random) / (reference - random)


def interquartile_mean(scores: Float) -> float:
    """Mean of the middle half of all scores (Agarwal et al. 2021).

    Examples
    --------
    >>> interquartile_mean(np.array([0.0, 1.0, 2.0, 100.0]))
    1.5
    """
    return float(interquartile_means(np.ravel(scores), axis=0))


def mean(scores: Float) -> float:
    """Of all scores."""
    return float(np.mean(scores))


def interquartile_means(values: Float, axis: int) -> Float:
    """Mean of the middle half along one axis, of curves point by point.

    Examples
    --------
    >>> interquartile_means(np.array([[0.0, 1.0, 2.0, 100.0], [3.0, 3.0, 3.0, 3.0]]), axis=1).tolist()
    [1.5, 3.0]
    """
    size = values.shape[axis]
    cut = size // 4
    # As `scipy.stats.trim_mean`, without its overhead, which is most of the time of a bootstrap.
    middle = [slice(None)] * values.ndim
    middle[axis] = slice(cut, size - cut)
    return np.asarray(np.partition(values, (cut, size - cut - 1), axis)[tuple(middle)].mean(axis))


def optimality_gap(scores: Float, target: float = 1.0) -> float:
    """Mean of what is missing to the target; what is above it does not make up for it (Agarwal et al. 2021).

    Examples
    --------
    >>> optimality_gap(np.array([0.5, 1.5]))
    0.25
    """
    return float((target - np.minimum(scores, target)).mean())


def probability_of_improvement(scores: Float, others: Float) -> float:
    """How likely a run of the first is better than one of the second on the same scenario (Agarwal et al. 2021).

    Parameters
    ----------
    scores, others : (S, D) and (T, D) arrays
        Ties count half; the mean is over the scenarios.

    Examples
    --------
    >>> probability_of_improvement(np.array([[1.0, 0.0]]), np.array([[0.0, 0.0], [2.0, 0.0]]))
    0.5
    """
    return float(_wins(_pairs(scores, others)).mean())


def _pairs(scores: Float, others: Float) -> Float:
    """Differences (S, T, D) of all pairs of runs."""
    return np.atleast_2d(scores)[:, None, :] - np.atleast_2d(others)[None, :, :]


def _wins(differences: Float) -> Float:
    return (differences > 0) + 0.5 * (differences == 0)


def paired_difference(scores: Float, others: Float) -> float:
    """Mean over the scenarios of the difference of the seeds' means: what varies between scenarios falls out."""
    return float((np.atleast_2d(scores).mean(axis=0) - np.atleast_2d(others).mean(axis=0)).mean())


def interval(
    scores: Float,
    others: Float | None = None,
    *,
    statistic: Callable[..., float] = interquartile_mean,
    whole_seeds: bool = False,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Interval of a statistic by leaving out scenarios and seeds; that of a share in 0..1 is `improvement_interval`.

    Parameters
    ----------
    scores : (S, D) array
        Or (D,), of one seed.
    others : (T, D) array, optional
        The second argument of a statistic that compares; of the same scenarios.
    statistic : callable
        A smooth one: means and what is near to them, no quantile.
    whole_seeds : bool
        Whether a training seed has luck that is the same in all scenarios, because it gave one policy for them. If not,
        the trainings of each scenario are its own, and what varies between scenarios has their luck in it. A single
        seed says nothing of its luck: the interval is then that of the scenarios alone.
    confidence : float

    Returns
    -------
    low, high : float
        NaN where there is one scenario and one seed, of which nothing can be left out.

    Examples
    --------
    >>> scores = np.array([[0.5, 0.7, 0.9, 0.9], [0.6, 0.7, 0.8, 1.0]])
    >>> [round(end, 3) for end in interval(scores, statistic=np.mean, whole_seeds=True)]
    [0.442, 1.083]
    """
    tables = [np.atleast_2d(table) for table in ((scores,) if others is None else (scores, others))]
    estimate = float(statistic(*tables))
    if statistic is interquartile_mean:
        # Its error is that of the mean of winsorised scores. To leave out seeds of the scores themselves moves the
        # quartiles by jumps, where seeds are few and far apart.
        tables, statistic = [_winsorised(tables[0])], np.mean
    num_scenarios = tables[0].shape[1]
    without: list[list[float]] = []
    if num_scenarios > 1:
        rest = ~np.eye(num_scenarios, dtype=bool)
        without.append([statistic(*(table[:, kept] for table in tables)) for kept in rest])
    for i, table in enumerate(tables):
        if whole_seeds and len(table) > 1:
            rest = ~np.eye(len(table), dtype=bool)
            without.append([statistic(*tables[:i], table[kept], *tables[i + 1 :]) for kept in rest])
    # The jackknife: n - 1 times the variance of what is left, divided by n.
    parts = [((len(found) - 1) * float(np.var(found)), len(found) - 1) for found in without]
    margin = _margin(parts, confidence) if parts else np.nan
    return float(estimate - margin), float(estimate + margin)


def improvement_interval(
    scores: Float, others: Float, *, whole_seeds: bool = False, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of `probability_of_improvement`, within 0 and 1: that of Clopper and Pearson for an effective number.

    The effective number is that of independent comparisons that would be as sure (Korn and Graubard). Where hardly any
    comparison is won, or hardly any lost, the wins cannot tell it, and the differences of scores do, if it is smaller.

    Parameters
    ----------
    scores, others : (S, D) and (T, D) arrays
    whole_seeds, confidence
        As of `interval`.

    Returns
    -------
    low, high : float

    Examples
    --------
    >>> low, high = improvement_interval(np.full(100, 0.8), np.full(100, 0.9))
    >>> low, round(high, 3)
    (0.0, 0.036)
    """
    differences = _pairs(scores, others)
    wins = _wins(differences)
    share, num_scenarios = float(wins.mean()), wins.shape[-1]
    parts = _of_means(wins, whole_seeds)
    if not parts:
        return np.nan, np.nan
    variance = sum(part for part, _ in parts)
    effective = share * (1.0 - share) / variance if variance > 0 else np.inf
    if min(share, 1.0 - share) * num_scenarios < FEW or variance == 0:
        of_differences = _of_means(differences, whole_seeds)
        of_scores = sum(part for part, _ in of_differences)
        # All differences the same, but for rounding: nothing varies from scenario to scenario, each counts as one.
        vary = of_scores > ROUNDING**2 * float(np.max(np.abs(differences))) ** 2
        least = float(np.var(differences, ddof=1)) / of_scores if vary else float(num_scenarios)
        if least < effective:
            effective, parts, variance = least, of_differences, of_scores
    effective, quantile = max(effective, 1.0), 0.5 + confidence / 2
    if variance > 0:
        # An effective number that few seeds or scenarios have told is less sure than so many comparisons themselves.
        sure = stdtrit(max(effective - 1.0, 1.0), quantile) * np.sqrt(variance) / _margin(parts, confidence)
        effective *= min(float(sure), 1.0) ** 2
    won = share * effective
    low = betaincinv(won, effective - won + 1.0, 1.0 - quantile) if won > 0 else 0.0
    high = betaincinv(won + 1.0, effective - won, quantile) if won < effective else 1.0
    return float(low), float(high)


def _winsorised(scores: Float) -> Float:
    """Scores whose mean varies as the interquartile mean does: all drawn to the middle half, and stretched."""
    size = scores.size
    cut = size // 4
    ends = np.partition(scores, (cut, size - cut - 1), axis=None)[[cut, size - cut - 1]]
    return np.clip(scores, *ends) * size / (size - 2 * cut)


def _of_means(values: Float, whole_seeds: bool) -> list[tuple[float, int]]:
    """By axis (S, T, D) that varies: the variance of the mean of all, and its degrees of freedom."""
    found = []
    for axis in (0, 1, 2) if whole_seeds else (2,):
        count = values.shape[axis]
        if count > 1:
            means = values.mean(axis=tuple({0, 1, 2} - {axis}))
            found.append((float(np.var(means, ddof=1)) / count, count - 1))
    return found


def _margin(parts: Sequence[tuple[float, int]], confidence: float) -> float:
    """Half the width of an interval, from the variances of independent parts and their degrees of freedom.

    Each has its own t margin, and these add up as errors do, which is on the safe side of Welch's degrees of freedom
    for the sum. So is that what a seed and a scenario have to themselves is in both parts.
    """
    return float(np.sqrt(sum(variance * stdtrit(freedom, 0.5 + confidence / 2) ** 2 for variance, freedom in parts)))
