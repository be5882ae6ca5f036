"""Receivers that combine centrally with the combiners of full power: statistics of what they do then."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cfenvs.arrays import Bool
from cfenvs.cell_free.receivers.base import CLUSTER_REASONS, Redrawing
from cfenvs.cell_free.receivers.pilot_phase import PilotDraws, cluster_batch, held_by_clusters
from cfenvs.cell_free.receivers.statistical import StatisticalReceiver
from cfenvs.core.kept import alone
from cfenvs.radio.central import Scheme, central_coefficients

if TYPE_CHECKING:
    from cfenvs.cell_free.scenario import Scenario


STATISTICS_AT_A_TIME = 20
"""Realisations of central combiners whose channels are held at once while statistics are taken."""


class FrozenReceiver(Redrawing, StatisticalReceiver):
    """Central combining within clusters, with the combiners of full power; statistics by Monte Carlo at reset."""

    scheme: ClassVar[Scheme]
    offers: ClassVar[Collection[str]] = ("utility", "mobility", "clusters", "combiners", "estimates_from")
    reasons: ClassVar[Mapping[str, str]] = {
        **CLUSTER_REASONS,
        "pilots_from": 'is not offered with combiners="full-power", whose statistics take a Monte Carlo run; use "all"',
    }
    usual_clusters: ClassVar[str] = "dcc"
    shares_resets: ClassVar[bool] = True

    def draw(self, world: int, scenario: Scenario, rng: np.random.Generator, sending: Bool) -> None:
        config, count = self.config, self.config.statistics_realizations
        powers = np.full(config.users, float(config.max_power))
        sizes = [min(STATISTICS_AT_A_TIME, count - first) for first in range(0, count, STATISTICS_AT_A_TIME)]
        sums: list[Any] = [0.0, 0.0, 0.0]
        draws = PilotDraws(config, alone(scenario), sending[None])
        for size in sizes:
            batch = cluster_batch(config, self.scheme, 1, size)
            batch.set(0, *held_by_clusters(config, draws.received(0, size, rng), scenario))
            moments = batch.moments(0, powers)
            sums = [total + size / count * moment for total, moment in zip(sums, moments, strict=True)]
        self._batch.set(world, central_coefficients(*sums))


class FrozenMmseReceiver(FrozenReceiver):
    """Centralised MMSE combining with the combiners of full power."""

    scheme: ClassVar[Scheme] = "mmse"
    usual_clusters: ClassVar[str] = "all"


class FrozenPartialMmseReceiver(FrozenReceiver):
    """Partial MMSE with the combiners of full power."""

    scheme: ClassVar[Scheme] = "p-mmse"


class FrozenPartialRzfReceiver(FrozenReceiver):
    """Partial regularised zero-forcing with the combiners of full power."""

    scheme: ClassVar[Scheme] = "p-rzf"
