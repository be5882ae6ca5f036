"""Receivers that combine at access points: maximum ratio and local MMSE."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.cell_free.receivers.base import Receiver, Redrawing
from cfenvs.cell_free.receivers.pilot_phase import PilotPhase, drawn
from cfenvs.cell_free.receivers.pilot_power import PilotPowerReceiver
from cfenvs.cell_free.receivers.statistical import StatisticalReceiver
from cfenvs.radio.clusters import sharing_users
from cfenvs.radio.estimation import estimates_from_pilots
from cfenvs.radio.mmse_kernel import unpack_realizations
from cfenvs.radio.mr_kernel import mr_coefficients_batch
from cfenvs.radio.uatf import Lsfd, lmmse_moments, lsfd_weights, mr_uatf_coefficients, uatf_coefficients

if TYPE_CHECKING:
    from cfenvs.cell_free.config import CellFreeConfig
    from cfenvs.cell_free.scenario import Scenario


class MaximumRatioReceiver(StatisticalReceiver):
    """Maximum-ratio combining at every access point, in closed form."""

    offers: ClassVar[Collection[str]] = (*StatisticalReceiver.offers, "pilots_from")
    variants: ClassVar[Sequence[Mapping[str, Any]]] = ({"pilot_power": "data"},)

    @classmethod
    def suited(cls, config: CellFreeConfig) -> type[Receiver]:
        controlled = cls is MaximumRatioReceiver and config.pilot_power == "data"
        return PilotPowerReceiver if controlled else cls

    def prepare(self, world: int, scenario: Scenario, rng: np.random.Generator, sending: Bool) -> None:
        self.set_pilots(world, scenario, sending)

    def prepare_all(self, worlds: Int, drawn: Scenario, rngs: Sequence[np.random.Generator], sending: Bool) -> None:
        if self._in_kernel(drawn):
            self._set_all(worlds, drawn.gains, drawn.pilots, sending)
        else:
            super().prepare_all(worlds, drawn, rngs, sending)

    def set_pilots(self, world: int, scenario: Scenario, sending: Bool) -> None:
        config, batch = self.config, self._batch
        if self._in_kernel(scenario):
            self._set_all(np.array([world]), scenario.gains[None], scenario.pilots[None], sending[None])
        else:
            power, length, lsfd = config.max_power, config.pilot_length, self.decoding
            R, pilots, serving, sight = scenario.correlation, scenario.pilots, scenario.serving, scenario.sight
            batch.set(world, mr_uatf_coefficients(R, pilots, power, length, lsfd, sending, serving, sight))

    def walk_on(self, world: int, scenario: Scenario, sending: Bool) -> None:
        self.set_pilots(world, scenario, sending)

    def walk_on_all(self, worlds: Int, now: Scenario, sending: Bool) -> None:
        if self._in_kernel(now):
            self._set_all(worlds, now.gains, now.pilots, sending)
        else:
            super().walk_on_all(worlds, now, sending)

    def _in_kernel(self, scenario: Scenario) -> bool:
        plain = scenario.serving is None and scenario.sight is None
        return self.config.antennas == 1 and self.decoding == "none" and plain

    @property
    def in_kernels(self) -> bool:
        config = self.config
        plain = config.clusters in ("auto", "all") and config.rician_db is None
        return config.antennas == 1 and self.decoding == "none" and plain

    def _set_all(self, worlds: Int, gains: Float, pilots: Int, sending: Bool) -> None:
        power, length = float(self.config.max_power), self.config.pilot_length
        mr_coefficients_batch(gains, pilots, sending, power, length, worlds, self._batch.b, self._batch.c)


class LocalMmseReceiver(Redrawing, StatisticalReceiver):
    """Local MMSE combining at every access point; statistics by Monte Carlo at reset."""

    reasons: ClassVar[Mapping[str, str]] = {
        **StatisticalReceiver.reasons,
        "pilots_from": 'is not offered for receiver "l-mmse" and "lp-mmse", whose statistics take a Monte Carlo run; '
        'use "all"',
    }
    usual_decoding: ClassVar[Lsfd] = "optimal"
    shares_resets: ClassVar[bool] = True
    partial: ClassVar[bool] = False
    """Whether an access point knows of those alone that it serves."""

    def draw(self, world: int, scenario: Scenario, rng: np.random.Generator, sending: Bool) -> None:
        config, serving = self.config, scenario.serving
        if scenario.sight is None:
            received, filters, C = drawn(config, config.statistics_realizations, scenario, rng, sending)
            pilots = unpack_realizations(received, config.statistics_realizations)
            h_hat = estimates_from_pilots(pilots, filters, scenario.pilots, config.max_power)
            channels = None
        else:
            phase = PilotPhase.draw(config, config.statistics_realizations, scenario, rng)
            (h_hat, C), channels = phase.estimate(scenario, sending), phase.channels
        powers = np.full(config.users, config.max_power)
        moments = lmmse_moments(h_hat, C, powers, serving, serving if self.partial else None, channels)
        sharing = None if serving is None else sharing_users(serving)
        weights = lsfd_weights(moments, powers, self.decoding, sharing)
        self._batch.set(world, uatf_coefficients(moments, weights))


class LocalPartialMmseReceiver(LocalMmseReceiver):
    """Local MMSE combining with the channels of those alone that an access point serves; statistics likewise."""

    usual_decoding: ClassVar[Lsfd] = "nearly-optimal"
    usual_clusters: ClassVar[str] = "dcc"
    partial: ClassVar[bool] = True
