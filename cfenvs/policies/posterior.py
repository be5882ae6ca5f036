"""What reports say of how far a model's SINRs are from the truth, as a distribution for each user."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfenvs.arrays import Array, Bool, Float
from cfenvs.power.reports import rounding_db
from cfenvs.radio.path_loss import linear_to_db

SPREAD_DB = 3.6
"""Standard deviation of a user's SINR over channel realisations of a network; means over n deviate by a root of n
less. Measured in validation networks, whose own draws deviate by 0.81 dB (40 realisations) and 0.61 dB (160)."""
WANDER_DB = 0.1
"""What a deviation changes by as others come and go, and their powers change."""
KEPT_OF_WALKERS = 0.8
"""Share of what earlier reports said of a user that walks that holds on when it reports anew: chosen on 24 validation
networks of the preset "mobile"."""
GRID_DB = np.linspace(-6.0, 6.0, 97)
LEAST_LIKELIHOOD = 1e-6
"""Of any report: one that nothing explains rules nothing out."""


class Posterior:
    """The truth over a model, of the SINRs of E worlds of K users in dB: known as means of few realisations at first.

    A report is a step of a scale, read with an error (`cfenvs.power.reports`). How likely it is if the truth is so far
    from the model multiplies what was thought of that before: of two reports that contradict each other the nearer
    one counts more, and many that are all but undecided say together what none says alone.

    Parameters
    ----------
    config : CellFreeConfig
    draws, num_envs : int
        Realisations of the model, E.

    Attributes
    ----------
    mean, deviation : (E, K) arrays
        In dB.
    """

    def __init__(self, config: Any, draws: int, num_envs: int) -> None:
        # What is reported of single realisations says little each time about what their mean is.
        single = config.fading != "average"
        prior = SPREAD_DB * np.sqrt(1.0 / draws + (0.0 if single else 1.0 / config.realizations))
        self._error = float(np.hypot(config.report_noise_db, SPREAD_DB if single else WANDER_DB))
        self._config, self._prior = config, -0.5 * (GRID_DB / prior) ** 2
        self._kept = 1.0 if config.mobility == "static" else KEPT_OF_WALKERS
        shape = (num_envs, config.users)
        self._logarithms = np.empty((*shape, len(GRID_DB)))
        self.mean, self.deviation = np.empty(shape), np.empty(shape)
        self.forget(np.ones(num_envs, bool))

    def forget(self, worlds: Bool) -> None:
        """New networks."""
        self._logarithms[worlds] = self._prior
        self.mean[worlds], self.deviation[worlds] = _moments(self._prior)

    def hear(self, told: Bool, reported: Float, expected: Float) -> None:
        """Users who report (E, K), what SINR, and what the model's had been in that step."""
        from scipy.special import ndtr  # an eighth of the time until a first step, and few need it

        reported_db, expected_db = linear_to_db(reported[told]), linear_to_db(expected[told])
        # What is not rounded is a narrow step: the likelihood of that is a density.
        below, above = (np.maximum(half, 0.1 * self._error) for half in rounding_db(self._config, reported_db))
        middle = (reported_db - expected_db)[:, None] - GRID_DB
        likelihood = ndtr((middle + above[:, None]) / self._error) - ndtr((middle - below[:, None]) / self._error)
        earlier = self._prior + self._kept * (self._logarithms[told] - self._prior)
        found = earlier + np.log(np.maximum(likelihood, LEAST_LIKELIHOOD))
        self._logarithms[told] = found
        self.mean[told], self.deviation[told] = _moments(found)


def _moments(logarithms: Float) -> tuple[Array, Array]:
    """Mean and standard deviation of densities (..., G) over the grid."""
    densities = np.exp(logarithms - logarithms.max(axis=-1, keepdims=True))
    densities /= densities.sum(axis=-1, keepdims=True)
    mean = densities @ GRID_DB
    return mean, np.sqrt(np.maximum(densities @ GRID_DB**2 - mean**2, 0.0))
