"""Receivers: from powers to rates, and to the optimum that belongs to them.

A receiver holds what it knows of E worlds (drawn at reset) and evaluates power vectors in any of them. Yours derives
from `Receiver` and is given as it is, `receiver=Mine`, with arguments as `functools.partial(Mine, order=2)`, or as
`"module:Mine"`, so that the environment's spec can be stored.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from cfenvs.arrays import Bool, Complex, Float, Int
from cfenvs.control import PowerSolution, max_min, max_min_rates, sum_rate_wmmse
from cfenvs.core.kept import alone, entry
from cfenvs.power.choices import Classes
from cfenvs.power.own_receiver import OwnReceiver
from cfenvs.power.receivers import PowerReceiver
from cfenvs.radio import fading
from cfenvs.radio.block_fading import block_estimates
from cfenvs.radio.central import ClusterBatch, Scheme, central_coefficients
from cfenvs.radio.clusters import sharing_users
from cfenvs.radio.draws import twin
from cfenvs.radio.estimation import (
    estimates_from_pilots,
    filtered_covariances,
    pilot_filter,
    received_pilots,
)
from cfenvs.radio.held_fading import held_estimates
from cfenvs.radio.lanes import LANES
from cfenvs.radio.mmse import MmseBatch
from cfenvs.radio.mmse_kernel import pack_realizations
from cfenvs.radio.mr_kernel import mr_coefficients_batch
from cfenvs.radio.spectral_efficiency import cqi, cqi_of_rate
from cfenvs.radio.uatf import (
    Lsfd,
    UatfCoefficients,
    lmmse_moments,
    lsfd_weights,
    mr_uatf_coefficients,
    uatf_coefficients,
    uatf_sinr,
)
from cfenvs.radio.uatf_kernel import UatfBatch

if TYPE_CHECKING:
    from cfenvs.cell_free.config import CellFreeConfig
    from cfenvs.cell_free.scenario import Scenario


class Receiver(PowerReceiver):
    """Rates of E worlds without pre-log factor, in bit/s/Hz.

    One's own must have `prepare` and `efficiencies_in`, and says in `offers` which of the fields `lsfd`, `fading`,
    `pilots_from`, `utility`, `clusters` and `combiners` it heeds: at other values than those that all know it is
    refused otherwise.

    Parameters
    ----------
    config : CellFreeConfig
    num_worlds : int
        E.
    """

    limited: ClassVar[Mapping[str, Any]] = {
        "lsfd": None,
        "fading": "average",
        "pilots_from": "all",
        "utility": "shannon",
        "mobility": "static",
        "clusters": "auto",
        "combiners": "current",
    }
    usual_decoding: ClassVar[Lsfd] = "none"
    """What `lsfd=None` means for it."""
    usual_clusters: ClassVar[str] = "all"
    """What `clusters="auto"` means for it."""

    config: CellFreeConfig

    @property
    def in_kernels(self) -> bool:
        """Whether all of its work on the way is done in kernels, which no library of linear algebra splits."""
        return False

    @property
    def decoding(self) -> Lsfd:
        """The large-scale fading decoding in use."""
        return self.config.lsfd or self.usual_decoding  # type: ignore[return-value]

    @abstractmethod
    def prepare(self, world: int, scenario: Scenario, rng: np.random.Generator, sending: Bool) -> None:
        """Draw and compute what the receiver holds of a new drop; the users of the mask `sending` (K,) send pilots."""

    def prepare_all(self, worlds: Int, drawn: Scenario, rngs: Sequence[np.random.Generator], sending: Bool) -> None:
        """The same for several drops (n,) that were drawn together, with a leading axis n; `sending` is (n, K)."""
        for i, (world, rng) in enumerate(zip(worlds.tolist(), rngs, strict=True)):
            self.prepare(world, entry(drawn, i), rng, sending[i])

    def set_pilots(self, world: int, scenario: Scenario, sending: Bool) -> None:
        """Estimate anew from what is held, with these users sending pilots: for `pilots_from="active"`."""
        raise NotImplementedError(f"{type(self).__name__} does not offer pilots_from")

    def walk_on(self, world: int, scenario: Scenario, sending: Bool) -> None:
        """Go on with other gains, scattering and pilots in the same episode, and with these users sending pilots.

        For `mobility`: `scenario` is the network as it is now.
        """
        raise NotImplementedError(f"{type(self).__name__} does not offer mobility")

    def walk_on_all(self, worlds: Int, now: Scenario, sending: Bool) -> None:
        """The same in several worlds (n,), with a leading axis n; `sending` is (n, K)."""
        for i, world in enumerate(worlds.tolist()):
            self.walk_on(world, entry(now, i), sending[i])

    def max_min(self, world: int, active: Bool) -> PowerSolution:
        """Powers with the largest minimum of log2(1 + SINR), that value, and the gap that would be proven."""
        config = self.config
        return max_min_rates(lambda p: self.efficiencies_in(world, p[None])[0], config.users, config.max_power, active)

    def start_fading(self, world: int, rng: np.random.Generator) -> None:
        """Begin an episode of fresh realisations; nothing to do where the rate is an average."""

    def fade(self, steps: Int) -> None:
        """Draw the realisation of each world's step; nothing to do where the rate is an average."""

    @property
    def max_min_is_exact(self) -> bool:
        """Whether the largest minimum of `efficiencies` is proven to the gap that `max_min` tells.

        No, unless the receiver says so. It may where the rate of each user rises with its own power, rises by less than
        that power's share, and never rises with the power of another; where what `max_min` maximises and
        `efficiencies` have the same order; and where the gap of `max_min` is a proven one, such as that of
        `cfenvs.control.max_min_rates`. Then the search over levels is exact too.
        """
        return False

    def starting_points(self, world: int, active: Bool) -> list[Float]:
        """Powers from which a search for other objectives should start."""
        return [self.max_min(world, active).p]


class _StatisticalReceiver(Receiver):
    """One that reduces to the use-and-then-forget form."""

    offers: ClassVar[Collection[str]] = ("lsfd", "utility", "mobility", "clusters")
    reasons: ClassVar[Mapping[str, str]] = {
        "fading": 'is for receiver "mmse" without clusters; this one knows statistics only',
        "combiners": "is for receivers that combine centrally; this one's combiners are those of full power",
    }

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        self._batch = UatfBatch(num_worlds, config.users)
        self.grain = self._batch.lanes

    def efficiencies(self, powers: Float) -> Float:
        rates = self._batch.spectral_efficiencies(powers)
        return cqi_of_rate(rates) if self.config.utility == "cqi" else rates

    def efficiencies_of(self, rows: slice, powers: Float) -> Float:
        rates = self._batch.spectral_efficiencies(powers, rows)
        return cqi_of_rate(rates) if self.config.utility == "cqi" else rates

    def efficiencies_in(self, world: int, powers: Float) -> Float:
        sinr = uatf_sinr(powers, self._batch.get(world))
        return cqi(sinr) if self.config.utility == "cqi" else np.log2(1.0 + sinr)

    def gradient(self, powers: Float, cotangents: Float) -> Float:
        return self._batch.gradient(powers, cotangents)

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


class MaximumRatioReceiver(_StatisticalReceiver):
    """Maximum-ratio combining at every access point, in closed form."""

    offers: ClassVar[Collection[str]] = ("lsfd", "utility", "pilots_from", "mobility", "clusters")

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
            R, pilots, serving = scenario.correlation, scenario.pilots, scenario.serving
            batch.set(world, mr_uatf_coefficients(R, pilots, power, length, lsfd, sending, serving))

    def walk_on(self, world: int, scenario: Scenario, sending: Bool) -> None:
        self.set_pilots(world, scenario, sending)

    def walk_on_all(self, worlds: Int, now: Scenario, sending: Bool) -> None:
        if self._in_kernel(now):
            self._set_all(worlds, now.gains, now.pilots, sending)
        else:
            super().walk_on_all(worlds, now, sending)

    def _in_kernel(self, scenario: Scenario) -> bool:
        return self.config.antennas == 1 and self.decoding == "none" and scenario.serving is None

    @property
    def in_kernels(self) -> bool:
        return self.config.antennas == 1 and self.decoding == "none" and self.config.clusters in ("auto", "all")

    def _set_all(self, worlds: Int, gains: Float, pilots: Int, sending: Bool) -> None:
        power, length = float(self.config.max_power), self.config.pilot_length
        mr_coefficients_batch(gains, pilots, sending, power, length, worlds, self._batch.b, self._batch.c)


class LocalMmseReceiver(_StatisticalReceiver):
    """Local MMSE combining at every access point; statistics by Monte Carlo at reset."""

    reasons: ClassVar[Mapping[str, str]] = {
        **_StatisticalReceiver.reasons,
        "pilots_from": 'is not offered for receiver "l-mmse" and "lp-mmse", whose statistics take a Monte Carlo run; '
        'use "all"',
    }
    usual_decoding: ClassVar[Lsfd] = "optimal"
    partial: ClassVar[bool] = False
    """Whether an access point knows of those alone that it serves."""

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        self._rngs: list[np.random.Generator | None] = [None] * num_worlds

    def walk_on(self, world: int, scenario: Scenario, sending: Bool) -> None:
        rng = self._rngs[world]
        assert rng is not None
        self._take_statistics(world, scenario, twin(rng), sending)  # the same draws, through other gains

    def prepare(self, world: int, scenario: Scenario, rng: np.random.Generator, sending: Bool) -> None:
        if self.config.mobility != "static":
            self._rngs[world] = twin(rng)
        self._take_statistics(world, scenario, rng, sending)

    def _take_statistics(self, world: int, scenario: Scenario, rng: np.random.Generator, sending: Bool) -> None:
        config, serving = self.config, scenario.serving
        h_hat, C = _PilotPhase.draw(config, config.statistics_realizations, scenario, rng).estimate(scenario, sending)
        powers = np.full(config.users, config.max_power)
        moments = lmmse_moments(h_hat, C, powers, serving, serving if self.partial else None)
        sharing = None if serving is None else sharing_users(serving)
        weights = lsfd_weights(moments, powers, self.decoding, sharing)
        self._batch.set(world, uatf_coefficients(moments, weights))


class LocalPartialMmseReceiver(LocalMmseReceiver):
    """Local MMSE combining with the channels of those alone that an access point serves; statistics likewise."""

    usual_decoding: ClassVar[Lsfd] = "nearly-optimal"
    usual_clusters: ClassVar[str] = "dcc"
    partial: ClassVar[bool] = True


_NO_DECODING = "is for receivers that combine at access points; central combining has no decoding step to weight"


class CentralMmseReceiver(Receiver):
    """Centralised MMSE combining; rates averaged over held channel estimates, or of a fresh one every step."""

    grain = 1
    offers: ClassVar[Collection[str]] = ("pilots_from", "utility", "mobility", "clusters")
    reasons: ClassVar[Mapping[str, str]] = {"lsfd": _NO_DECODING}

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
        self._batch = MmseBatch(num_worlds, self._realizations, config.access_points, config.antennas, config.users)
        self._all = np.arange(num_worlds)
        self._phases: list[_PilotPhase | None] = [None] * num_worlds
        self._held = _HeldDraws(config, num_worlds) if self._holds_draws else None

    @property
    def _realizations(self) -> int:
        return self.config.realizations

    @property
    def _holds_draws(self) -> bool:
        return self.config.mobility != "static"

    def walk_on(self, world: int, scenario: Scenario, sending: Bool) -> None:
        self.walk_on_all(np.array([world]), alone(scenario), sending[None])

    def walk_on_all(self, worlds: Int, now: Scenario, sending: Bool) -> None:
        assert self._held is not None
        self._held.estimate(worlds, now, sending, self._batch)

    def prepare(self, world: int, scenario: Scenario, rng: np.random.Generator, sending: Bool) -> None:
        phase = _PilotPhase.draw(self.config, self.config.realizations, scenario, rng)
        if self._held is not None:
            self._held.hold(world, phase)
        # Channels and pilot noise are kept only where estimates will be made from them again.
        self._phases[world] = phase if self.config.pilots_from == "active" else None
        self._batch.set(world, *phase.estimate(scenario, sending))

    def set_pilots(self, world: int, scenario: Scenario, sending: Bool) -> None:
        phase = self._phases[world]
        assert phase is not None
        self._batch.set(world, *phase.estimate(scenario, sending))

    def efficiencies(self, powers: Float) -> Float:
        return self._evaluate(powers, self._all)

    def efficiencies_of(self, rows: slice, powers: Float) -> Float:
        return self._evaluate(powers, self._all[rows])

    def efficiencies_in(self, world: int, powers: Float) -> Float:
        return self._evaluate(powers, np.full(len(powers), world))

    def gradient(self, powers: Float, cotangents: Float) -> Float:
        return self._batch.gradient(powers, cotangents, self._all)

    def _evaluate(self, powers: Float, worlds: Int) -> Float:
        if self.config.utility == "cqi":
            return cqi(self._batch.sinrs(powers, worlds)).mean(axis=1)
        return self._batch.spectral_efficiencies(powers, worlds)

    @property
    def max_min_is_exact(self) -> bool:
        # The best combiner for every power vector; means of rates are standard too, but means of CQI steps are not.
        return self.config.utility == "shannon"

    def max_min(self, world: int, active: Bool) -> PowerSolution:
        index = np.array([world])
        return max_min_rates(
            lambda p: self._batch.spectral_efficiencies(p[None], index)[0],
            self.config.users,
            self.config.max_power,
            active,
        )


class BlockMmseReceiver(CentralMmseReceiver):
    """Centralised MMSE combining; the rate is that of one realisation at every step, fresh or evolved from the last."""

    offers: ClassVar[Collection[str]] = ("pilots_from", "utility", "fading", "mobility", "clusters")

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

    def prepare(self, world: int, scenario: Scenario, rng: np.random.Generator, sending: Bool) -> None:
        self._roots[world] = fading.matrix_root(scenario.correlation)
        self._pilots[world] = scenario.pilots
        self.set_pilots(world, scenario, sending)

    def walk_on_all(self, worlds: Int, now: Scenario, sending: Bool) -> None:
        roots, filters, errors = _filtering(self.config, now, sending)
        self._roots[worlds], self._filters[worlds], self._batch.errors[worlds] = roots, filters, errors
        self._pilots[worlds], self._sending[worlds] = now.pilots, sending

    def set_pilots(self, world: int, scenario: Scenario, sending: Bool) -> None:
        config = self.config
        R, power, length = scenario.correlation, config.max_power, config.pilot_length
        self._filters[world] = pilot_filter(R, scenario.pilots, power, length, sending)
        self._batch.errors[world] = filtered_covariances(R, self._filters[world], power, length)[1]
        self._sending[world] = sending

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
            self._pilots,
            self._sending,
            config.max_power,
            config.pilot_length,
            self._batch.estimates,
        )


_CLUSTER_REASONS: Mapping[str, str] = {
    "lsfd": _NO_DECODING,
    "fading": 'is for receiver "mmse" without clusters, with combiners="current"',
}


class _ClusterReceiver(Receiver):
    """Central combining within clusters, with combiners for the powers that are sent.

    Rates are averaged over held realisations.
    """

    scheme: ClassVar[Scheme]
    grain = 1
    offers: ClassVar[Collection[str]] = ("pilots_from", "utility", "mobility", "clusters")
    reasons: ClassVar[Mapping[str, str]] = _CLUSTER_REASONS
    usual_clusters: ClassVar[str] = "dcc"

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        self._batch = _cluster_batch(config, self.scheme, num_worlds, config.realizations)
        self._all = np.arange(num_worlds)
        self._phases: list[_PilotPhase | None] = [None] * num_worlds
        self._rngs: list[np.random.Generator | None] = [None] * num_worlds

    def prepare(self, world: int, scenario: Scenario, rng: np.random.Generator, sending: Bool) -> None:
        if self.config.mobility != "static":
            self._rngs[world] = twin(rng)
        phase = _PilotPhase.draw(self.config, self.config.realizations, scenario, rng)
        self._phases[world] = phase if self.config.pilots_from == "active" else None
        self._batch.set(world, *phase.hold(scenario, sending))

    def walk_on(self, world: int, scenario: Scenario, sending: Bool) -> None:
        rng = self._rngs[world]
        assert rng is not None
        self.prepare(world, scenario, twin(rng), sending)  # the same draws, through other gains

    def set_pilots(self, world: int, scenario: Scenario, sending: Bool) -> None:
        phase = self._phases[world]
        assert phase is not None
        self._batch.set(world, *phase.hold(scenario, sending))

    def efficiencies(self, powers: Float) -> Float:
        return self._evaluate(powers, self._all)

    def efficiencies_of(self, rows: slice, powers: Float) -> Float:
        return self._evaluate(powers, self._all[rows])

    def efficiencies_in(self, world: int, powers: Float) -> Float:
        return self._evaluate(powers, np.full(len(powers), world))

    def gradient(self, powers: Float, cotangents: Float) -> Float:
        raise NotImplementedError(
            f'{type(self).__name__} has no derivatives: combiners="full-power" has, and so have receivers that combine '
            "at access points"
        )

    def _evaluate(self, powers: Float, worlds: Int) -> Float:
        sinrs = self._batch.sinrs(powers, worlds)
        return (cqi(sinrs) if self.config.utility == "cqi" else np.log2(1.0 + sinrs)).mean(axis=1)


class ClusterMmseReceiver(_ClusterReceiver):
    """Centralised MMSE combining on the antennas of each user's cluster, with the channels of all users."""

    scheme: ClassVar[Scheme] = "mmse"

    @property
    def max_min_is_exact(self) -> bool:
        return self.config.utility == "shannon"  # as `CentralMmseReceiver`: on the same antennas none is better


class PartialMmseReceiver(_ClusterReceiver):
    """Partial MMSE: centralised combining in each user's cluster, with the channels of those that share it."""

    scheme: ClassVar[Scheme] = "p-mmse"

    @classmethod
    def suited(cls, config: CellFreeConfig) -> type[Receiver]:
        frozen = cls is PartialMmseReceiver and config.combiners == "full-power"
        return FrozenPartialMmseReceiver if frozen else cls


class PartialRzfReceiver(_ClusterReceiver):
    """Partial regularised zero-forcing: partial MMSE without the covariances of estimation errors."""

    scheme: ClassVar[Scheme] = "p-rzf"

    @classmethod
    def suited(cls, config: CellFreeConfig) -> type[Receiver]:
        frozen = cls is PartialRzfReceiver and config.combiners == "full-power"
        return FrozenPartialRzfReceiver if frozen else cls


class CentralMaximumRatioReceiver(_ClusterReceiver):
    """Centralised maximum ratio: the estimates of a user's cluster are its combiner, whatever is sent."""

    scheme: ClassVar[Scheme] = "mr"

    @property
    def max_min_is_exact(self) -> bool:
        return self.config.utility == "shannon"  # combiners stay: a ratio of powers in every realisation


class _FrozenReceiver(_StatisticalReceiver):
    """Central combining within clusters, with the combiners of full power; statistics by Monte Carlo at reset."""

    scheme: ClassVar[Scheme]
    offers: ClassVar[Collection[str]] = ("utility", "mobility", "clusters", "combiners")
    reasons: ClassVar[Mapping[str, str]] = {
        **_CLUSTER_REASONS,
        "pilots_from": 'is not offered with combiners="full-power", whose statistics take a Monte Carlo run; use "all"',
    }
    usual_clusters: ClassVar[str] = "dcc"

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        self._rngs: list[np.random.Generator | None] = [None] * num_worlds

    def walk_on(self, world: int, scenario: Scenario, sending: Bool) -> None:
        rng = self._rngs[world]
        assert rng is not None
        self.prepare(world, scenario, twin(rng), sending)  # the same draws, through other gains

    def prepare(self, world: int, scenario: Scenario, rng: np.random.Generator, sending: Bool) -> None:
        if self.config.mobility != "static":
            self._rngs[world] = twin(rng)
        config, count = self.config, self.config.statistics_realizations
        powers = np.full(config.users, float(config.max_power))
        sizes = [min(STATISTICS_AT_A_TIME, count - first) for first in range(0, count, STATISTICS_AT_A_TIME)]
        sums: list[Any] = [0.0, 0.0, 0.0]
        for size in sizes:
            batch = _cluster_batch(config, self.scheme, 1, size)
            batch.set(0, *_PilotPhase.draw(config, size, scenario, rng).hold(scenario, sending))
            moments = batch.moments(0, powers)
            sums = [total + size / count * moment for total, moment in zip(sums, moments, strict=True)]
        self._batch.set(world, central_coefficients(*sums))


class FrozenMmseReceiver(_FrozenReceiver):
    """Centralised MMSE combining with the combiners of full power."""

    scheme: ClassVar[Scheme] = "mmse"
    usual_clusters: ClassVar[str] = "all"


class FrozenPartialMmseReceiver(_FrozenReceiver):
    """Partial MMSE with the combiners of full power."""

    scheme: ClassVar[Scheme] = "p-mmse"


class FrozenPartialRzfReceiver(_FrozenReceiver):
    """Partial regularised zero-forcing with the combiners of full power."""

    scheme: ClassVar[Scheme] = "p-rzf"


STATISTICS_AT_A_TIME = 20
"""Realisations of central combiners whose channels are held at once while statistics are taken."""


def _cluster_batch(config: CellFreeConfig, scheme: Scheme, num_worlds: int, realizations: int) -> ClusterBatch:
    sizes = config.access_points, config.antennas, config.users, config.pilot_length
    return ClusterBatch(scheme, num_worlds, realizations, *sizes)


class _PilotPhase:
    """Channels and pilot noise of several realisations, from which estimates are made."""

    def __init__(self, config: CellFreeConfig, normals: Complex, channels: Complex, noise: Complex) -> None:
        self._config, self.normals, self._channels, self.noise = config, normals, channels, noise

    @classmethod
    def draw(cls, config: CellFreeConfig, count: int, scenario: Scenario, rng: np.random.Generator) -> _PilotPhase:
        shape = (count, config.access_points, config.antennas)
        normals = fading.complex_normals((*shape, config.users), rng)
        channels = fading.correlate(normals, fading.matrix_root(scenario.correlation))
        return cls(config, normals, channels, fading.complex_normals((*shape, config.pilot_length), rng))

    def estimate(self, scenario: Scenario, sending: Bool) -> tuple[Complex, Complex]:
        """Estimates (R, L, N, K) and the covariance of their errors (L, K, N, N)."""
        received, filters, C = self._receive(scenario, sending)
        return estimates_from_pilots(received, filters, scenario.pilots, self._config.max_power), C

    def hold(self, scenario: Scenario, sending: Bool) -> tuple[Complex, Complex, Complex, Int, Bool]:
        """What `ClusterBatch.set` holds."""
        received, filters, C = self._receive(scenario, sending)
        serving = np.ones(scenario.gains.shape, bool) if scenario.serving is None else scenario.serving
        return received, np.sqrt(self._config.max_power) * filters, C, scenario.pilots, serving

    def _receive(self, scenario: Scenario, sending: Bool) -> tuple[Complex, Complex, Complex]:
        """Received pilots (R, L, N, T), filters and the covariance of errors (L, K, N, N)."""
        power, length = self._config.max_power, self._config.pilot_length
        received = received_pilots(self._channels, self.noise, scenario.pilots, power, length, sending)
        filters = pilot_filter(scenario.correlation, scenario.pilots, power, length, sending)
        return received, filters, filtered_covariances(scenario.correlation, filters, power, length)[1]


class _HeldDraws:
    """Normals and pilot noise of E worlds that are held while gains and pilots change, in lanes."""

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        self._config = config
        groups, L, N = -(-config.realizations // LANES), config.access_points, config.antennas
        self._normals = np.zeros((num_worlds, groups, config.users, L, N, 2, LANES))
        self._noise = np.zeros((num_worlds, groups, config.pilot_length, L, N, 2, LANES))

    def hold(self, world: int, phase: _PilotPhase) -> None:
        """Keep what a new drop was estimated from."""
        self._normals[world], self._noise[world] = pack_realizations(phase.normals), pack_realizations(phase.noise)

    def estimate(self, worlds: Int, now: Scenario, sending: Bool, batch: MmseBatch) -> None:
        """Estimate through the gains and pilots of now, (n, ...)."""
        config = self._config
        roots, filters, batch.errors[worlds] = _filtering(config, now, sending)
        held_estimates(
            worlds,
            self._normals,
            self._noise,
            roots,
            filters,
            now.pilots,
            sending,
            float(config.max_power),
            config.pilot_length,
            batch.estimates,
        )


def _filtering(config: CellFreeConfig, now: Scenario, sending: Bool) -> tuple[Complex, Complex, Complex]:
    """Roots of the correlation, pilot filters and error covariances of n networks, each (n, L, K, N, N)."""
    power, length = config.max_power, config.pilot_length
    if now.scattering is not None:
        each = [
            (R, pilot_filter(R, pilots, power, length, heard))
            for R, pilots, heard in zip(now.scattering, now.pilots, sending, strict=True)
        ]
        R, filters = (np.array(part) for part in zip(*each, strict=True))
        return fading.matrix_root(R), filters, filtered_covariances(R, filters, power, length)[1]
    shared = (now.pilots[:, :, None] == now.pilots[:, None, :]) & sending[:, :, None]
    psi = 1.0 + power * length * (now.gains @ shared.astype(float))
    R = now.correlation
    filters = (now.gains / psi * sending[:, None, :])[..., None, None].astype(complex)
    return np.sqrt(R), filters, filtered_covariances(R, filters, power, length)[1]


RECEIVERS: Mapping[str, type[Receiver]] = {
    "mmse": CentralMmseReceiver,
    "p-mmse": PartialMmseReceiver,
    "p-rzf": PartialRzfReceiver,
    "central-mr": CentralMaximumRatioReceiver,
    "l-mmse": LocalMmseReceiver,
    "lp-mmse": LocalPartialMmseReceiver,
    "mr": MaximumRatioReceiver,
}
RECEIVER = Classes(RECEIVERS, Receiver, OwnReceiver)


def make_receiver(config: CellFreeConfig, num_worlds: int) -> Receiver:
    """The receiver that the configuration names."""
    return cast(Receiver, RECEIVER.make(config, "receiver", num_worlds))
