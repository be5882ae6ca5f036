"""Scores between random and the reference, what is said of them, and how sure it is.

Scores are arrays (S, D): S training seeds, D scenarios that are common to all algorithms. Intervals are percentile
bootstrap intervals with a fixed seed, so that the same scores always give the same interval. (rliable 1.2.0 ignores the
seed that it is given.) Both axes are resampled, as both are samples of what was meant: the scenarios, and the seeds,
either within each scenario, as in the stratified bootstrap of Agarwal et al., or whole. The first is for trainings that
are independent from scenario to scenario. Where one training gives the policy of all scenarios, its luck is the same in
all of them, and resampling it scenario by scenario would average that luck away.

References
----------
R. Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS 2021.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from cfenvs.arrays import Float

RESAMPLES = 2000


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
    scores, others = np.atleast_2d(scores), np.atleast_2d(others)
    difference = scores[:, None, :] - others[None, :, :]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


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
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic, stratified by scenarios or with seeds resampled whole.

    Parameters
    ----------
    scores : (S, D) array
        Or (D,), of one seed.
    others : (T, D) array, optional
        The second argument of a statistic that compares. Both get the same scenarios in every resample.
    statistic : callable
    whole_seeds : bool
        Whether a training seed is resampled with its scores in all scenarios, because it gave one policy for them.
    confidence : float
    seed : int
        Of the resampling.

    Returns
    -------
    low, high : float
    """
    groups = [scores] if others is None else [scores, others]
    found = [statistic(*drawn) for drawn in resamples(*groups, whole_seeds=whole_seeds, seed=seed)]
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(found, [tail, 100.0 - tail])
    return float(low), float(high)


def resamples(*groups: Float, whole_seeds: bool = False, seed: int = 0) -> Iterator[list[Float]]:
    """The bootstrap samples of `interval`, for statistics that are no single numbers.

    Parameters
    ----------
    *groups : (S, D) or (D,) arrays
        All get the same scenarios in every sample.
    whole_seeds, seed
        As of `interval`.

    Yields
    ------
    list of (S, D) arrays
        One for each group.
    """
    tables = [np.atleast_2d(group) for group in groups]
    num_scenarios = tables[0].shape[1]
    width = 1 if whole_seeds else num_scenarios
    rng = np.random.default_rng(seed)
    for _ in range(RESAMPLES):
        columns = rng.integers(num_scenarios, size=num_scenarios)
        yield [table[rng.integers(len(table), size=(len(table), width)), columns] for table in tables]
