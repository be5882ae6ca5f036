"""Between what bounds reports say that a model of a network errs."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfenvs.arrays import Bool, Float
from cfenvs.policies import OwnDraws
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
        self._lowest, self._highest = config.report_range_db
        rounded = isinstance(config.report_bits, int)
        self._half = 0.5 * (self._highest - self._lowest) / 2.0**config.report_bits if rounded else 0.0
        self._rounded = rounded

    def forget(self, worlds: Bool) -> None:
        """New networks."""
        self.low[worlds], self.high[worlds] = -WIDEST_DB, WIDEST_DB

    def hear(self, draws: OwnDraws) -> None:
        """Take in what own draws were told last."""
        told, reported, expected = draws.told
        reported_db, expected_db = linear_to_db(reported[told]), linear_to_db(expected[told])
        low, high = reported_db - self._half, reported_db + self._half
        if self._rounded:  # the first and the last step have no end outwards
            low = np.where(reported_db < self._lowest + 1.5 * self._half, -np.inf, low)
            high = np.where(reported_db > self._highest - 1.5 * self._half, np.inf, high)
        low, high = (np.clip(bound - expected_db, -WIDEST_DB, WIDEST_DB) for bound in (low, high))
        before, after = self.low[told], self.high[told]
        self.low[told] = np.where(before < high, np.maximum(before, low), low)
        self.high[told] = np.where(after > low, np.minimum(after, high), high)

    def features(self) -> list[Float]:
        """For a network, two of (E, K)."""
        return [self.low / SCALE_DB, self.high / SCALE_DB]
