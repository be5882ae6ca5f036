"""Scores between random and the reference, and how sure they are."""

from __future__ import annotations

import numpy as np
from scipy.stats import trim_mean

from cfenvs.arrays import Float

RESAMPLES = 2000
CHUNK = 100
"""Resamples drawn at once: bounds the memory."""


def normalised_scores(reward: Float, random: Float, reference: Float) -> Float:
    """(x - random) / (reference - random), scenario by scenario, never clipped.

    Examples
    --------
    >>> normalised_scores(np.array([1.5]), random=np.array([1.0]), reference=np.array([2.0])).tolist()
    [0.5]
    """
    return (reward - random) / (reference - random)


def interquartile_mean(scores: Float) -> float:
    """Mean of the middle half of all scores (Agarwal et al., NeurIPS 2021).

    Examples
    --------
    >>> interquartile_mean(np.array([0.0, 1.0, 2.0, 100.0]))
    1.5
    """
    return float(trim_mean(np.asarray(scores), proportiontocut=0.25, axis=None))


def interval(scores: Float, *, confidence: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap interval of the interquartile mean.

    Parameters
    ----------
    scores : (S, D) array
        S training seeds, D scenarios. Seeds and scenarios are both resampled: both are samples of what was meant.
    confidence : float
    seed : int
        Of the resampling; the same scores always give the same interval.

    Returns
    -------
    low, high : float
    """
    scores = np.atleast_2d(scores)
    rng = np.random.default_rng(seed)
    num_seeds, num_scenarios = scores.shape
    means: list[Float] = []
    for _ in range(RESAMPLES // CHUNK):
        rows = rng.integers(num_seeds, size=(CHUNK, num_seeds, 1))
        columns = rng.integers(num_scenarios, size=(CHUNK, 1, num_scenarios))
        samples = scores[rows, columns].reshape(CHUNK, -1)
        means.append(np.asarray(trim_mean(samples, proportiontocut=0.25, axis=1)))
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(np.concatenate(means), [tail, 100.0 - tail])
    return float(low), float(high)
