"""Which access points serve whom in the cell-free uplink: by name or your own.

Yours is a function, or a short class whose instances are called, for one network at a time. Name it as `"module:Name"`
so that the environment's spec can be stored:

>>> def strongest(gains, pilots, config):  # clusters=strongest: truth values (L, K), by gains over the noise (L, K)
...     return gains >= np.sort(gains, axis=0)[-3]  # each user's three best

Those of ours take several networks at once: arrays have a leading axis n then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.power.choices import Functions, numbers
from cfenvs.radio.clusters import dynamic_clusters

if TYPE_CHECKING:
    from cfenvs.cell_free.config import CellFreeConfig


def of_receiver(gains: Float, pilots: Int, config: CellFreeConfig) -> Bool | None:
    """Those that the receiver is defined with: "dcc" for "p-mmse", "p-rzf", "central-mr" and "lp-mmse", else "all"."""
    return CLUSTERS[config.usual_clusters](gains, pilots, config)


def everywhere(gains: Float, pilots: Int, config: CellFreeConfig) -> Bool | None:
    """Every access point serves every user."""
    return None


def dynamic(gains: Float, pilots: Int, config: CellFreeConfig) -> Bool | None:
    """On each pilot the user that is heard best, and those whose master one is (Demir et al. 2021, Algorithm 4.1)."""
    return dynamic_clusters(gains, pilots, config.pilot_length)


CLUSTERS: Mapping[str, Callable[[Float, Int, Any], Bool | None]] = {
    "auto": of_receiver,
    "all": everywhere,
    "dcc": dynamic,
}


class OwnClusters:
    """Somebody's own, called for one network at a time with arrays of its own; what it returns is checked."""

    def __init__(self, own: Any) -> None:
        self._own = own

    def __call__(self, gains: Float, pilots: Int, config: CellFreeConfig) -> Bool:
        return np.array([self._serving(*each, config) for each in zip(gains, pilots, strict=True)])

    def _serving(self, gains: Float, pilots: Int, config: CellFreeConfig) -> Bool:
        what, shape = "which access points serve whom", gains.shape
        return numbers("clusters", self._own, what, self._own(gains.copy(), pilots.copy(), config), shape, "b")


CLUSTERINGS = Functions(CLUSTERS, "(gains, pilots, config)", OwnClusters)
