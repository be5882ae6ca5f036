"""Receivers that combine centrally within clusters, with combiners for the powers that are sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from operator import call
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.cell_free.receivers.base import CENTRAL, CLUSTER_REASONS, Receiver, Redrawing
from cfenvs.cell_free.receivers.frozen import FrozenPartialMmseReceiver, FrozenPartialRzfReceiver
from cfenvs.cell_free.receivers.pilot_phase import PilotPhase, cluster_batch, drawn, held_by_clusters
from cfenvs.kernels import Run
from cfenvs.power.receivers import RowsReceiver
from cfenvs.radio.central import Scheme
from cfenvs.radio.spectral_efficiency import cqi

if TYPE_CHECKING:
    from cfenvs.cell_free.config import CellFreeConfig
    from cfenvs.cell_free.scenario import Scenario


class ClusterReceiver(RowsReceiver, Redrawing):
    """Central combining within clusters, with combiners for the powers that are sent.

    Rates are averaged over held realisations.
    """

    scheme: ClassVar[Scheme]
    offers: ClassVar[Collection[str]] = CENTRAL
    reasons: ClassVar[Mapping[str, str]] = CLUSTER_REASONS
    usual_clusters: ClassVar[str] = "dcc"
    shares_resets: ClassVar[bool] = True
    frozen: ClassVar[type[Receiver] | None] = None
    """What does the same with the combiners of full power."""

    @classmethod
    def suited(cls, config: CellFreeConfig) -> type[Receiver]:
        frozen = vars(cls).get("frozen")  # of ours alone: what somebody derives from it keeps its own combiners
        return frozen if frozen is not None and config.combiners == "full-power" else cls

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        self._batch = cluster_batch(config, self.scheme, num_worlds, config.realizations)
        self._phases: list[PilotPhase | None] = [None] * num_worlds

    def draw(self, world: int, scenario: Scenario, rng: np.random.Generator, sending: Bool) -> None:
        config = self.config
        if config.pilots_from == "active":
            self._phases[world] = PilotPhase.draw(config, config.realizations, scenario, rng)
            self.set_pilots(world, scenario, sending)
        else:
            phase = drawn(config, config.realizations, scenario, rng, sending)
            self._batch.set(world, *held_by_clusters(config, phase, scenario))

    def set_pilots(self, world: int, scenario: Scenario, sending: Bool) -> None:
        phase = self._phases[world]
        assert phase is not None
        self._batch.set(world, *phase.hold(scenario, sending))

    def gradient_at(self, powers: Float, cotangents: Float, worlds: Int, run: Run = call) -> Float:
        raise NotImplementedError(
            f'{type(self).__name__} has no derivatives: combiners="full-power" has, and so have receivers that combine '
            "at access points"
        )

    def efficiencies_at(self, powers: Float, worlds: Int, run: Run = call) -> Float:
        sinrs = self._batch.sinrs(powers, worlds, run)
        return (cqi(sinrs) if self.config.utility == "cqi" else np.log2(1.0 + sinrs)).mean(axis=1)


class ClusterMmseReceiver(ClusterReceiver):
    """Centralised MMSE combining on the antennas of each user's cluster, with the channels of all users."""

    scheme: ClassVar[Scheme] = "mmse"

    @property
    def max_min_is_exact(self) -> bool:
        return self.config.utility == "shannon"  # as `CentralMmseReceiver`: on the same antennas none is better


class PartialMmseReceiver(ClusterReceiver):
    """Partial MMSE: centralised combining in each user's cluster, with the channels of those that share it."""

    scheme: ClassVar[Scheme] = "p-mmse"
    frozen = FrozenPartialMmseReceiver


class PartialRzfReceiver(ClusterReceiver):
    """Partial regularised zero-forcing: partial MMSE without the covariances of estimation errors."""

    scheme: ClassVar[Scheme] = "p-rzf"
    frozen = FrozenPartialRzfReceiver


class CentralMaximumRatioReceiver(ClusterReceiver):
    """Centralised maximum ratio: the estimates of a user's cluster are its combiner, whatever is sent."""

    scheme: ClassVar[Scheme] = "mr"

    @property
    def max_min_is_exact(self) -> bool:
        return self.config.utility == "shannon"  # combiners stay: a ratio of powers in every realisation
