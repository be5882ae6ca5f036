"""Maximum ratio at access points, of channels that are estimated with the power of the data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from operator import call
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.cell_free.receivers.base import Receiver
from cfenvs.core.config import require
from cfenvs.kernels import Run, for_kernel
from cfenvs.power.receivers import RowsReceiver
from cfenvs.radio.mr_pilot_power import mr_pilot_power_efficiencies, mr_pilot_power_gradients
from cfenvs.radio.spectral_efficiency import cqi_of_rate

if TYPE_CHECKING:
    from cfenvs.cell_free.config import CellFreeConfig
    from cfenvs.cell_free.scenario import Scenario


class PilotPowerReceiver(RowsReceiver, Receiver):
    """Maximum-ratio combining whose pilots have the power of the data, in closed form.

    Estimates, and with them the shape of the rates, depend on the powers: no max-min algorithm is proven here.
    """

    offers: ClassVar[Collection[str]] = ("utility", "mobility", "pilot_power", "estimates_from")
    reasons: ClassVar[Mapping[str, str]] = {
        "lsfd": 'is not offered with pilot_power="data", where no weights could be frozen',
        "pilots_from": 'must be "all" with pilot_power="data": whoever sends data, and nobody else, sends a pilot then',
    }

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        self._gains = np.zeros((num_worlds, config.access_points, config.users))
        self._pilots = np.zeros((num_worlds, config.users), np.int64)

    @classmethod
    def check(cls, config: CellFreeConfig) -> None:
        super().check(config)
        require(config.antennas == 1, "antennas", config.antennas, 'must be 1 with pilot_power="data"')

    def prepare(self, world: int, scenario: Scenario, rng: np.random.Generator, sending: Bool) -> None:
        self._gains[world], self._pilots[world] = scenario.gains, scenario.pilots

    def walk_on(self, world: int, scenario: Scenario, sending: Bool) -> None:
        self._gains[world], self._pilots[world] = scenario.gains, scenario.pilots

    def efficiencies_at(self, powers: Float, worlds: Int, run: Run = call) -> Float:
        out = np.empty(powers.shape)
        powers = for_kernel(powers)
        run(mr_pilot_power_efficiencies, powers, worlds, self._gains, self._pilots, self.config.pilot_length, out)
        return cqi_of_rate(out) if self.config.utility == "cqi" else out

    def gradient(self, powers: Float, cotangents: Float) -> Float:
        out = np.empty(powers.shape)
        powers, cotangents = for_kernel(powers), for_kernel(cotangents)
        length = self.config.pilot_length
        self.run(mr_pilot_power_gradients, powers, cotangents, self._all, self._gains, self._pilots, length, out)
        return out
