"""Between what bounds reports say that a model of a network errs."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfenvs.arrays import Bool, Float
from cfenvs.policies import OwnDraws
from cfenvs.power.reports import rounding_db
from cfenvs.radio.path_loss import linear_to_db

WIDEST_DB, SCALE_DB = 10.0, 5.0
"""No user's SINR is thought to be further from that of own draws than this; bounds are features in this unit."""


class Bounds:
    """For E worlds of K users what the SINR of own draws must be multiplied by, in dB, by all that was reported.

    A report is a step of a scale: it says that the true SINR lies within that step. What reports of other situations
    said holds on, until a new one contradicts it.

    Attributes
    ----------
    low, high : (E, K) arrays
    """

    def __init__(self, worlds: int, config: Any) -> None:
        shape = (worlds, config.users)
        self.low, self.high = np.full(shape, -WIDEST_DB), np.full(shape, WIDEST_DB)
        self._config = config

    def forget(self, worlds: Bool) -> None:
        """New networks."""
        self.low[worlds], self.high[worlds] = -WIDEST_DB, WIDEST_DB

    def hear(self, draws: OwnDraws) -> None:
        """Take in what own draws were told last."""
        told, reported, expected = draws.told
        reported_db, expected_db = linear_to_db(reported[told]), linear_to_db(expected[told])
        below, above = rounding_db(self._config, reported_db)
        bounds = reported_db - below, reported_db + above
        low, high = (np.clip(bound - expected_db, -WIDEST_DB, WIDEST_DB) for bound in bounds)
        before, after = self.low[told], self.high[told]
        self.low[told] = np.where(before < high, np.maximum(before, low), low)
        self.high[told] = np.where(after > low, np.minimum(after, high), high)

    def features(self) -> list[Float]:
        """For a network, two of (E, K)."""
        return [self.low / SCALE_DB, self.high / SCALE_DB]
