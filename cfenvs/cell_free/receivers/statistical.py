"""Receivers that know statistics of their channels: SINRs in the use-and-then-forget form."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cfenvs.arrays import Bool, Float
from cfenvs.cell_free.receivers.base import Receiver
from cfenvs.control import PowerSolution, max_min, sum_rate_wmmse
from cfenvs.radio.spectral_efficiency import cqi, cqi_of_rate
from cfenvs.radio.uatf import UatfCoefficients, uatf_sinr
from cfenvs.radio.uatf_kernel import UatfBatch

if TYPE_CHECKING:
    from cfenvs.cell_free.config import CellFreeConfig


class StatisticalReceiver(Receiver):
    """One that reduces to the use-and-then-forget form."""

    offers: ClassVar[Collection[str]] = ("lsfd", "utility", "mobility", "clusters", "rician_db", "estimates_from")
    reasons: ClassVar[Mapping[str, str]] = {
        "fading": 'is for receiver "mmse" without clusters; this one knows statistics only',
        "combiners": "is for receivers that combine centrally; this one's combiners are those of full power",
    }

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        self._batch = UatfBatch(num_worlds, config.users)
        self.work = self._batch.work

    def efficiencies(self, powers: Float) -> Float:
        rates = self._batch.spectral_efficiencies(powers, self.run)
        return cqi_of_rate(rates) if self.config.utility == "cqi" else rates

    def efficiencies_in(self, world: int, powers: Float) -> Float:
        sinr = uatf_sinr(powers, self._batch.get(world))
        return cqi(sinr) if self.config.utility == "cqi" else np.log2(1.0 + sinr)

    def gradient(self, powers: Float, cotangents: Float) -> Float:
        return self._batch.gradient(powers, cotangents, self.run)

    def coefficients(self, world: int) -> UatfCoefficients:
        """Coefficients of the use-and-then-forget SINR."""
        return self._batch.get(world)

    def max_min(self, world: int, active: Bool) -> PowerSolution:
        solution = max_min(self._batch.get(world), self.config.max_power, active)
        return solution.through(lambda sinr: float(np.log2(1.0 + sinr)))

    @property
    def max_min_is_exact(self) -> bool:
        return True  # one SINR per user: rounding down to a CQI keeps its order

    def starting_points(self, world: int, active: Bool) -> list[Float]:
        best = sum_rate_wmmse(self._batch.get(world), self.config.max_power, active)
        return [*super().starting_points(world, active), best.p]
