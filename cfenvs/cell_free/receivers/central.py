"""Receivers that combine all antennas centrally, with the best combiners for the powers that are sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from operator import call
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.cell_free.receivers.base import CENTRAL, NO_DECODING, Receiver
from cfenvs.cell_free.receivers.clusters import ClusterMmseReceiver
from cfenvs.cell_free.receivers.frozen import FrozenMmseReceiver
from cfenvs.cell_free.receivers.pilot_phase import HeldDraws, PilotDraws, PilotPhase, filtering
from cfenvs.control import PowerSolution
from cfenvs.control.fixed_point import max_min_held
from cfenvs.core.kept import alone, entry
from cfenvs.core.simulator import blocks
from cfenvs.kernels import Run
from cfenvs.power.receivers import RowsReceiver
from cfenvs.radio.block_fading import block_estimates
from cfenvs.radio.draws import twin
from cfenvs.radio.estimation import filtered_covariances, pilot_filter
from cfenvs.radio.matrix_root import matrix_root
from cfenvs.radio.mmse import MmseBatch
from cfenvs.radio.spectral_efficiency import cqi

if TYPE_CHECKING:
    from cfenvs.cell_free.config import CellFreeConfig
    from cfenvs.cell_free.scenario import Scenario


class CentralMmseReceiver(RowsReceiver, Receiver):
    """Centralised MMSE combining; rates averaged over held channel estimates, or of a fresh one every step."""

    offers: ClassVar[Collection[str]] = (*CENTRAL, "precision")
    reasons: ClassVar[Mapping[str, str]] = {"lsfd": NO_DECODING}
    shares_resets: ClassVar[bool] = True
    variants: ClassVar[Sequence[Mapping[str, Any]]] = ({"fading": "block"},)

    @classmethod
    def suited(cls, config: CellFreeConfig) -> type[Receiver]:
        if cls is not CentralMmseReceiver:
            return cls
        if config.combiners == "full-power":
            return FrozenMmseReceiver
        if config.clusters not in ("auto", "all"):
            return ClusterMmseReceiver
        return BlockMmseReceiver if config.fading != "average" else cls

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        sizes = self._realizations, config.access_points, config.antennas, config.users
        self._batch = MmseBatch(num_worlds, *sizes, config.precision)
        self.work = self._batch.work
        self._phases: list[PilotPhase | None] = [None] * num_worlds
        self._held = HeldDraws(config, num_worlds) if self._holds_draws else None
        self._rngs: list[np.random.Generator | None] = [None] * num_worlds

    @property
    def _realizations(self) -> int:
        return self.config.realizations

    @property
    def _holds_draws(self) -> bool:
        return self.config.mobility != "static" and self.config.rician_db is None

    @property
    def runs_resets(self) -> bool:
        config, sighted = self.config, self.config.rician_db is not None and self.config.estimates_from == "channels"
        return self._held is None and config.pilots_from == "all" and config.fading == "average" and not sighted

    def walk_on(self, world: int, scenario: Scenario, sending: Bool) -> None:
        self.walk_on_all(np.array([world]), alone(scenario), sending[None])

    def walk_on_all(self, worlds: Int, now: Scenario, sending: Bool) -> None:
        if self._held is not None:
            self._held.estimate(worlds, now, sending, self._batch)
            return
        for i, world in enumerate(worlds.tolist()):
            rng = self._rngs[world]
            assert rng is not None
            self.prepare(world, entry(now, i), twin(rng), sending[i])  # the same draws, through other gains

    def prepare_all(self, worlds: Int, drawn: Scenario, rngs: Sequence[np.random.Generator], sending: Bool) -> None:
        config = self.config
        if self._held is not None or config.pilots_from == "active":
            super().prepare_all(worlds, drawn, rngs, sending)
            return
        if config.mobility != "static":
            for world, rng in zip(worlds.tolist(), rngs, strict=True):
                self._rngs[world] = twin(rng)
        for some in blocks(len(worlds), config.access_points * config.users * config.antennas**2):
            draws = PilotDraws(config, entry(drawn, some), sending[some])
            draws.estimate(rngs[some], worlds[some], self._batch, self.run)

    def prepare(self, world: int, scenario: Scenario, rng: np.random.Generator, sending: Bool) -> None:
        config = self.config
        if self._held is None and config.pilots_from == "all":
            self.prepare_all(np.array([world]), alone(scenario), [rng], sending[None])
            return
        if self._held is None and config.mobility != "static":
            self._rngs[world] = twin(rng)
        # Channels and pilot noise are kept only where estimates will be made from them again.
        phase = PilotPhase.draw(config, config.realizations, scenario, rng)
        if self._held is not None:
            self._held.hold(world, phase)
        self._phases[world] = phase if config.pilots_from == "active" else None
        self._batch.set(world, *phase.estimate(scenario, sending))

    def set_pilots(self, world: int, scenario: Scenario, sending: Bool) -> None:
        phase = self._phases[world]
        assert phase is not None
        self._batch.set(world, *phase.estimate(scenario, sending))

    def gradient_at(self, powers: Float, cotangents: Float, worlds: Int, run: Run = call) -> Float:
        return self._batch.gradient(powers, cotangents, worlds, run)

    def efficiencies_at(self, powers: Float, worlds: Int, run: Run = call) -> Float:
        if self.config.utility == "cqi":
            return cqi(self._batch.sinrs(powers, worlds, run)).mean(axis=1)
        return self._batch.spectral_efficiencies(powers, worlds, run)

    @property
    def max_min_is_exact(self) -> bool:
        # The best combiner for every power vector; means of rates are standard too, but means of CQI steps are not.
        return self.config.utility == "shannon"

    def exact(self, world: int) -> Receiver | None:
        if self.config.precision == "float64":
            return None
        one = copy(self)
        one._batch = self._batch.exact(world)
        return one

    def max_min(self, world: int, active: Bool) -> PowerSolution:
        return max_min_held(self._batch, world, self.config.max_power, active)


class BlockMmseReceiver(CentralMmseReceiver):
    """Centralised MMSE combining; the rate is that of one realisation at every step, fresh or evolved from the last."""

    offers: ClassVar[Collection[str]] = ("pilots_from", "utility", "fading", "mobility", "clusters", "estimates_from")

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        shape = (num_worlds, config.access_points, config.users, config.antennas, config.antennas)
        self._roots = np.zeros(shape, complex)
        self._filters = np.zeros(shape, complex)
        self._pilots = np.zeros((num_worlds, config.users), np.int64)
        self._sending = np.ones((num_worlds, config.users), bool)
        self._keys = np.zeros(num_worlds, np.uint64)
        self._evolving = config.fading == "clarke"
        self._stride = config.stride / config.wavelength if self._evolving else 0.0

    @property
    def _realizations(self) -> int:
        return 1

    @property
    def _holds_draws(self) -> bool:
        return False

    @property
    def max_min_is_exact(self) -> bool:
        return True  # one SINR per user: rounding down to a CQI keeps its order

    def prepare_all(self, worlds: Int, drawn: Scenario, rngs: Sequence[np.random.Generator], sending: Bool) -> None:
        self._roots[worlds] = matrix_root(drawn.correlation)
        self._pilots[worlds] = drawn.pilots
        self._estimate(worlds, drawn, sending)

    def prepare(self, world: int, scenario: Scenario, rng: np.random.Generator, sending: Bool) -> None:
        self.prepare_all(np.array([world]), alone(scenario), [rng], sending[None])

    def walk_on_all(self, worlds: Int, now: Scenario, sending: Bool) -> None:
        roots, filters, errors = filtering(self.config, now, sending)
        self._roots[worlds], self._filters[worlds], self._batch.errors[worlds] = roots, filters, errors
        self._pilots[worlds], self._sending[worlds] = now.pilots, sending

    def set_pilots(self, world: int, scenario: Scenario, sending: Bool) -> None:
        self._estimate(np.array([world]), alone(scenario), sending[None])

    def _estimate(self, worlds: Int, networks: Scenario, sending: Bool) -> None:
        R, power, length = networks.correlation, self.config.max_power, self.config.pilot_length
        filters = pilot_filter(R, networks.pilots, power, length, sending)
        self._filters[worlds], self._sending[worlds] = filters, sending
        self._batch.errors[worlds] = filtered_covariances(R, filters, power, length)[1]

    def start_fading(self, world: int, rng: np.random.Generator) -> None:
        self._keys[world] = rng.integers(2**64, dtype=np.uint64)

    def fade(self, steps: Int) -> None:
        config = self.config
        block_estimates(
            self._keys,
            steps,
            steps * self._stride,
            self._evolving,
            self._roots,
            self._filters,
            (self._pilots, self._sending, config.max_power, config.pilot_length),
            self._batch.estimates,
        )
