"""The pilot phase: channels and pilot noise, and what is estimated from them."""

from __future__ import annotations

from collections.abc import Sequence
from operator import call
from typing import TYPE_CHECKING

import numpy as np

from cfenvs.arrays import Bool, Complex, Float, Int
from cfenvs.core.kept import alone, entry
from cfenvs.kernels import Run
from cfenvs.radio import fading, rician
from cfenvs.radio.central import ClusterBatch, Scheme
from cfenvs.radio.estimation import estimates_from_pilots, filtered_covariances, pilot_filter, received_pilots
from cfenvs.radio.held_fading import held_estimates
from cfenvs.radio.lanes import LANES
from cfenvs.radio.matrix_root import matrix_root
from cfenvs.radio.mmse import MmseBatch
from cfenvs.radio.mmse_kernel import pack_realizations
from cfenvs.radio.pilot_phase import PilotSignals, WhiteSignals, write_estimates
from cfenvs.radio.whitened_filters import whitened_filters

if TYPE_CHECKING:
    from cfenvs.cell_free.config import CellFreeConfig
    from cfenvs.cell_free.scenario import Scenario


class PilotPhase:
    """Channels and pilot noise of several realisations, from which estimates are made."""

    def __init__(self, config: CellFreeConfig, normals: Complex, channels: Complex, noise: Complex) -> None:
        self._config, self.normals, self.channels, self.noise = config, normals, channels, noise

    @classmethod
    def draw(cls, config: CellFreeConfig, count: int, scenario: Scenario, rng: np.random.Generator) -> PilotPhase:
        shape = (count, config.access_points, config.antennas)
        normals = fading.complex_normals((*shape, config.users), rng)
        sight, R = scenario.sight, scenario.correlation
        scattered = R if sight is None else R - rician.outer(sight)
        channels = fading.correlate(normals, matrix_root(np.asarray(scattered)))
        if sight is not None:
            channels += rician.in_phases(sight, count, rng)
        return cls(config, normals, channels, fading.complex_normals((*shape, config.pilot_length), rng))

    def estimate(self, scenario: Scenario, sending: Bool) -> tuple[Complex, Complex]:
        """Estimates (R, L, N, K) and the covariance of their errors (L, K, N, N)."""
        received, filters, C = self._received(scenario, sending)
        return estimates_from_pilots(received, filters, scenario.pilots, self._config.max_power), C

    def hold(self, scenario: Scenario, sending: Bool) -> tuple[Float, Complex, Complex, Int, Bool]:
        """What `ClusterBatch.set` holds."""
        return held_by_clusters(self._config, self.receive(scenario, sending), scenario)

    def receive(self, scenario: Scenario, sending: Bool) -> Received:
        """What estimates are made of."""
        received, filters, C = self._received(scenario, sending)
        return pack_realizations(received), filters, C

    def _received(self, scenario: Scenario, sending: Bool) -> tuple[Complex, Complex, Complex]:
        power, length = self._config.max_power, self._config.pilot_length
        received = received_pilots(self.channels, self.noise, scenario.pilots, power, length, sending)
        R = scenario.correlation
        filters = pilot_filter(R, scenario.pilots, power, length, sending)
        return received, filters, filtered_covariances(R, filters, power, length)[1]


Received = tuple[Float, Complex, Complex]
"""Received pilots (ceil(R / LANES), T, L, N, 2, LANES), filters and the covariance of the errors of estimates.

The first are laid out by `pack_realizations`, the others are (L, K, N, N). Pilots may be white, if filters are for
such.
"""


class PilotDraws:
    """What is drawn in networks (n,) of which only the received pilots are kept, as often as they are asked for.

    Parameters
    ----------
    config : CellFreeConfig
    networks : Scenario
        With a leading axis n.
    sending : (n, K) bool array
        Users that send their pilot.
    """

    def __init__(self, config: CellFreeConfig, networks: Scenario, sending: Bool) -> None:
        self._config, self._networks, self._sending = config, networks, sending
        # What hangs on no draw is worked out of all at once.
        R, pilots, power, length = networks.correlation, networks.pilots, config.max_power, config.pilot_length
        self._signals: WhiteSignals | None = None
        if config.estimates_from == "pilots":
            self._signals = WhiteSignals(len(R), config.access_points, config.antennas, length)
            self._filters, self._errors = whitened_filters(R, pilots, power, length, sending)
        elif networks.sight is None:
            self._signals = PilotSignals(matrix_root(R), pilots, power, length, sending)
            self._filters = pilot_filter(R, pilots, power, length, sending)
            self._errors = filtered_covariances(R, self._filters, power, length)[1]

    def received(self, network: int, count: int, rng: np.random.Generator) -> Received:
        """Of so many realisations: the same draws as `PilotPhase.draw`, or the pilots alone are drawn."""
        if self._signals is not None:
            return self._signals.drawn(network, count, rng), self._filters[network], self._errors[network]
        scenario = entry(self._networks, network)
        return PilotPhase.draw(self._config, count, scenario, rng).receive(scenario, self._sending[network])

    def estimate(self, rngs: Sequence[np.random.Generator], worlds: Int, batch: MmseBatch, run: Run = call) -> None:
        """Estimate in all networks, which are those of some worlds (n,) of a batch, each from its own generator.

        `run` runs the kernel.
        """
        count, scale, pilots = batch.num_realizations, np.sqrt(self._config.max_power), self._networks.pilots
        if self._signals is not None:
            filters = np.ascontiguousarray(scale * self._filters)
            self._signals.estimate(rngs, count, filters, pilots, worlds, batch.estimates, run)
            batch.errors[worlds] = self._errors
            return
        for network, (world, rng) in enumerate(zip(worlds.tolist(), rngs, strict=True)):
            received, filters, batch.errors[world] = self.received(network, count, rng)
            write_estimates(received, scale * filters, pilots[network], batch.estimates[world])


def drawn(config: CellFreeConfig, count: int, scenario: Scenario, rng: np.random.Generator, sending: Bool) -> Received:
    """What `PilotDraws` draws in a single network."""
    return PilotDraws(config, alone(scenario), sending[None]).received(0, count, rng)


def held_by_clusters(
    config: CellFreeConfig, phase: Received, scenario: Scenario
) -> tuple[Float, Complex, Complex, Int, Bool]:
    """What `ClusterBatch.set` holds."""
    received, filters, C = phase
    serving = np.ones(scenario.gains.shape, bool) if scenario.serving is None else scenario.serving
    return received, np.sqrt(config.max_power) * filters, C, scenario.pilots, serving


class HeldDraws:
    """Normals and pilot noise of E worlds that are held while gains and pilots change, in lanes."""

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        self._config = config
        groups, L, N = -(-config.realizations // LANES), config.access_points, config.antennas
        self._normals = np.zeros((num_worlds, groups, config.users, L, N, 2, LANES))
        self._noise = np.zeros((num_worlds, groups, config.pilot_length, L, N, 2, LANES))

    def hold(self, world: int, phase: PilotPhase) -> None:
        """Keep what a new drop was estimated from."""
        self._normals[world], self._noise[world] = pack_realizations(phase.normals), pack_realizations(phase.noise)

    def estimate(self, worlds: Int, now: Scenario, sending: Bool, batch: MmseBatch) -> None:
        """Estimate through the gains and pilots of now, (n, ...)."""
        config = self._config
        roots, filters, batch.errors[worlds] = filtering(config, now, sending)
        held_estimates(
            worlds,
            self._normals,
            self._noise,
            np.ascontiguousarray(roots),
            np.ascontiguousarray(filters),
            (now.pilots, sending, float(config.max_power), config.pilot_length),
            batch.estimates,
        )


def filtering(config: CellFreeConfig, now: Scenario, sending: Bool) -> tuple[Complex, Complex, Complex]:
    """Roots of the correlation, pilot filters and error covariances of n networks, each (n, L, K, N, N)."""
    power, length = config.max_power, config.pilot_length
    if now.scattering is not None:
        R = now.scattering
        filters = pilot_filter(R, now.pilots, power, length, sending)
        return matrix_root(R), filters, filtered_covariances(R, filters, power, length)[1]
    shared = (now.pilots[:, :, None] == now.pilots[:, None, :]) & sending[:, :, None]
    psi = 1.0 + power * length * (now.gains @ shared.astype(float))
    R = now.correlation
    filters = (now.gains / psi * sending[:, None, :])[..., None, None].astype(complex)
    return np.sqrt(R), filters, filtered_covariances(R, filters, power, length)[1]


def cluster_batch(config: CellFreeConfig, scheme: Scheme, num_worlds: int, realizations: int) -> ClusterBatch:
    """What holds so many worlds and realisations of this size."""
    sizes = config.access_points, config.antennas, config.users, config.pilot_length
    return ClusterBatch(scheme, num_worlds, realizations, *sizes)
