"""Receivers: from the powers of antennas to spectral efficiencies, their gradients, and the max-min optimum.

Yours derives from `Receiver` and is given as it is, `receiver=Mine`, with arguments as
`functools.partial(Mine, order=2)`, or as `"module:Mine"`, so that the environment's spec can be stored.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import call
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from cfenvs.arrays import Complex, Float, Int
from cfenvs.control import PowerSolution, max_min, max_min_rates, sum_rate_wmmse
from cfenvs.core.config import require
from cfenvs.core.kept import entry
from cfenvs.kernels import Run, for_kernel
from cfenvs.power.choices import Classes
from cfenvs.power.own_receiver import OwnReceiver
from cfenvs.power.receivers import PowerReceiver, RowsReceiver
from cfenvs.radio import geometry
from cfenvs.radio.near_field import (
    matrix_gradient,
    matrix_spectral_efficiencies,
    planar_array,
    spherical_wave,
    xl_mr_matrices,
)
from cfenvs.radio.pilots import least_contaminated
from cfenvs.radio.plane_wave import array_correlation, array_eigenvalues
from cfenvs.radio.spectral_efficiency import prelog
from cfenvs.radio.uatf import UatfCoefficients, uatf_sinr
from cfenvs.radio.uatf_kernel import UatfBatch
from cfenvs.radio.xl_estimates_kernel import (
    xl_lmmse_pilot_efficiencies,
    xl_lmmse_pilot_gradients,
    xl_lsfd_pilot_efficiencies,
    xl_lsfd_pilot_gradients,
)
from cfenvs.radio.xl_kernel import lmmse_gradient, lmmse_gradients, lmmse_spectral_efficiencies
from cfenvs.radio.xl_lsfd_kernel import xl_lsfd_gradients, xl_lsfd_spectral_efficiencies
from cfenvs.radio.xl_mimo import modes, xl_mr_pilot_coefficients
from cfenvs.radio.xl_mr_kernel import xl_mr_coefficients_batch

if TYPE_CHECKING:
    from cfenvs.xl_mimo.config import XLMIMOConfig
    from cfenvs.xl_mimo.scenario import Scenario


class Receiver(PowerReceiver):
    """Spectral efficiencies of E worlds in bit/s/Hz. Powers are those of one antenna of each user, in mW.

    One's own must have `follow` and `efficiencies_in`, and says in `offers` whether it heeds `pilot_length`.

    Parameters
    ----------
    config : XLMIMOConfig
    num_worlds : int
        E.
    """

    limited: ClassVar[Mapping[str, Any]] = {"pilot_length": None}
    near_field: ClassVar[bool] = False
    """Whether it heeds a line of sight and visibility windows. It is refused there otherwise."""
    searched_across: ClassVar[bool] = True
    """Whether a search for the best powers also goes from each point that it finds across to others: a maximum-ratio
    receiver's starts are good enough without."""

    @classmethod
    def check(cls, config: XLMIMOConfig) -> None:
        super().check(config)
        require(
            cls.near_field or not config.near_field,
            "receiver",
            config.receiver,
            'must be "mr" with a line of sight or visibility windows: '
            + cls.reasons.get("near_field", f"{cls.__name__} does not say that it heeds them (near_field)"),
        )

    config: XLMIMOConfig

    def __init__(self, config: XLMIMOConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        (self._bs_x, self._bs_y), (self._ue_x, self._ue_y) = config.bs_array, config.ue_array
        self.bs_eigenvalues = array_eigenvalues(self._bs_x, self._bs_y, config.bs_spacing, config.correlation)
        self.ue_eigenvalues = array_eigenvalues(self._ue_x, self._ue_y, config.ue_spacing, config.correlation)

    def prepare(self, world: int, scenario: Scenario) -> None:
        """Compute what a new drop needs beyond its gains."""

    def prepare_all(self, worlds: Int, drawn: Scenario) -> None:
        """The same for several drops (n,) that were drawn together, with a leading axis n."""
        if type(self).prepare is not Receiver.prepare:
            for i, world in enumerate(worlds.tolist()):
                self.prepare(world, entry(drawn, i))

    @abstractmethod
    def follow(self, gains: Float, worlds: Int) -> None:
        """Take over the current large-scale gains (E, M, K) of some worlds (n,)."""

    def jacobian(self, world: int, p: Float) -> Float | None:
        """D SE_k / d p_l at one power vector, (K, K); None where only differences give it."""
        return None

    def max_min(self, world: int, p_max: float) -> PowerSolution:
        """Powers with the largest minimum spectral efficiency, that value, and the gap that would be proven."""
        streams = float(np.count_nonzero(self.ue_eigenvalues > 1e-9))
        return max_min_rates(
            lambda p: self.efficiencies_in(world, p[None])[0], self.config.users, p_max, streams=streams
        )

    max_min_is_exact = False
    """Whether the gap that `max_min` tells is proven: if rates are as `max_min_rates` says. Not by default."""

    def starting_points(self, world: int, p_max: float) -> list[Float]:
        """Powers from which a search for other objectives should start."""
        return [self.max_min(world, p_max).p]


class MaximumRatioReceiver(Receiver):
    """Maximum-ratio combining at every base station, exact closed form."""

    offers: ClassVar[Collection[str]] = ("pilot_length",)
    searched_across = False
    max_min_is_exact = True
    variants: ClassVar[Sequence[Mapping[str, Any]]] = ({"rician_factor": 1.0}, {"pilot_length": 18})

    @classmethod
    def suited(cls, config: XLMIMOConfig) -> type[Receiver]:
        if cls is not MaximumRatioReceiver:
            return cls
        if config.near_field:
            return NearFieldReceiver
        return cls if config.pilot_length is None else EstimatedMaximumRatioReceiver

    def __init__(self, config: XLMIMOConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        gains, counts = modes(self.ue_eigenvalues)
        self._batch = UatfBatch(num_worlds, config.users, gains, counts)
        self.work = self._batch.work
        self._gains, self._counts = gains, counts
        squares = float((self.bs_eigenvalues**2).sum())
        self._coupling = config.ue_antennas * squares / config.bs_antennas

    def follow(self, gains: Float, worlds: Int) -> None:
        batch = self._batch
        xl_mr_coefficients_batch(gains, worlds, float(self.config.bs_antennas), self._coupling, batch.b, batch.c)

    def efficiencies(self, powers: Float) -> Float:
        return self._batch.spectral_efficiencies(powers, self.run)

    def efficiencies_in(self, world: int, powers: Float) -> Float:
        return self._of_sinr(uatf_sinr(powers, self._batch.get(world)))

    def gradient(self, powers: Float, cotangents: Float) -> Float:
        return self._batch.gradient(powers, cotangents, self.run)

    def _of_sinr(self, sinr: Float) -> Float:
        return (np.log2(1.0 + sinr[..., None] * self._gains) * self._counts).sum(axis=-1)

    def jacobian(self, world: int, p: Float) -> Float:
        return _jacobian(p, self._batch.get(world), self._gains, self._counts)

    def max_min(self, world: int, p_max: float) -> PowerSolution:
        # Every user has the same streams, so that the smallest SINR has the smallest efficiency.
        solution = max_min(self._batch.get(world), p_max)
        return solution.through(lambda sinr: float(self._of_sinr(np.array(sinr))))

    def starting_points(self, world: int, p_max: float) -> list[Float]:
        best = sum_rate_wmmse(self._batch.get(world), p_max)
        return [*super().starting_points(world, p_max), best.p]


def _jacobian(p: Float, coefficients: UatfCoefficients, gains: Float, counts: Float) -> Float:
    """D SE_k / d p_l of streams that share a SINR, (K, K)."""
    b, c, s = coefficients
    interference = c @ p + s
    sinr = b * p / interference
    slope = (counts * gains / (1.0 + sinr[:, None] * gains)).sum(axis=1) / np.log(2.0)
    return slope[:, None] * (np.diag(b / interference) - (sinr / interference)[:, None] * c)


class _Estimated(Receiver):
    """One whose channels are estimated from pilots that users may share.

    Groups of pilots are assigned by `cfenvs.radio.pilots.least_contaminated`, anew whenever gains change.
    """

    offers: ClassVar[Collection[str]] = ("pilot_length",)

    def __init__(self, config: XLMIMOConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        assert config.pilot_length is not None
        self.num_groups = config.pilot_length // config.ue_antennas
        self.pilot_energy = config.max_power * config.antenna_share * config.pilot_length
        self.prelog = prelog(config.pilot_length, config.coherence_length)
        self.groups = np.zeros((num_worlds, config.users), np.int64)

    @classmethod
    def check(cls, config: XLMIMOConfig) -> None:
        super().check(config)
        length, antennas = config.pilot_length, config.ue_antennas
        require(
            length is not None and length % antennas == 0,
            "pilot_length",
            length,
            f"must be a multiple of the {antennas} antennas of a user (ue_array), each of which sends a pilot",
        )

    def follow(self, gains: Float, worlds: Int) -> None:
        self.groups[worlds] = least_contaminated(gains[worlds], self.num_groups)


class EstimatedMaximumRatioReceiver(_Estimated):
    """Maximum-ratio combining with channels estimated from pilots that users may share, exact closed form."""

    searched_across = False
    # Every stream's SINR is a ratio in which its own power stands above and all powers below.
    max_min_is_exact = True

    def __init__(self, config: XLMIMOConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        self._counts = modes(self.ue_eigenvalues)[1] * self.prelog
        one = np.ones(1)
        self._batches = [UatfBatch(num_worlds, config.users, one, count * one) for count in self._counts]
        self.work = sum(batch.work for batch in self._batches)

    def follow(self, gains: Float, worlds: Int) -> None:
        super().follow(gains, worlds)
        for world in worlds.tolist():
            coefficients = xl_mr_pilot_coefficients(
                gains[world], self.groups[world], self.pilot_energy, self.bs_eigenvalues, self.ue_eigenvalues, 1.0
            )
            for batch, of_mode in zip(self._batches, coefficients, strict=True):
                batch.set(world, of_mode)

    def efficiencies(self, powers: Float) -> Float:
        return np.sum([batch.spectral_efficiencies(powers, self.run) for batch in self._batches], axis=0)

    def efficiencies_in(self, world: int, powers: Float) -> Float:
        each = zip(self._counts, self._batches, strict=True)
        return np.sum([count * np.log2(1.0 + uatf_sinr(powers, batch.get(world))) for count, batch in each], axis=0)

    def gradient(self, powers: Float, cotangents: Float) -> Float:
        return np.sum([batch.gradient(powers, cotangents, self.run) for batch in self._batches], axis=0)

    def jacobian(self, world: int, p: Float) -> Float:
        each = zip(self._counts, self._batches, strict=True)
        return np.sum([_jacobian(p, batch.get(world), np.ones(1), count * np.ones(1)) for count, batch in each], axis=0)

    def starting_points(self, world: int, p_max: float) -> list[Float]:
        best = sum_rate_wmmse(self._batches[0].get(world), p_max)
        return [*super().starting_points(world, p_max), best.p]


class _CompiledReceiver(RowsReceiver, Receiver):
    """One whose efficiencies and derivatives are kernels of powers, gains and the numbers in `_terms`."""

    cost: ClassVar[float]
    """Of `work` for each link, roughly, as measured."""
    _efficiencies: ClassVar[Callable[..., None]]
    _gradients: ClassVar[Callable[..., None]]

    def __init__(self, config: XLMIMOConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        self.work = self.cost * config.base_stations * config.users
        self._heard = np.zeros((num_worlds, config.base_stations, config.users))
        self._terms: tuple[Any, ...] = ()

    def follow(self, gains: Float, worlds: Int) -> None:
        self._heard[worlds] = gains[worlds]

    def efficiencies_at(self, powers: Float, worlds: Int, run: Run = call) -> Float:
        out = np.empty(powers.shape)
        powers = for_kernel(powers)
        run(self._efficiencies, powers, worlds, self._heard, *self._terms, out)
        return out

    def jacobian(self, world: int, p: Float) -> Float:
        return self.gradient_at(np.tile(p, (len(p), 1)), np.eye(len(p)), np.full(len(p), world))

    def gradient_at(self, powers: Float, cotangents: Float, worlds: Int, run: Run = call) -> Float:
        out = np.empty(powers.shape)
        powers, cotangents = for_kernel(powers), for_kernel(cotangents)
        run(self._gradients, powers, cotangents, worlds, self._heard, *self._terms, out)
        return out


class _EstimatedCompiledReceiver(_Estimated, _CompiledReceiver):
    """One of both, whose kernels take pilot groups too."""

    def __init__(self, config: XLMIMOConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        of_both = (modes(self.bs_eigenvalues), modes(self.ue_eigenvalues))
        self._terms = ((self.groups, self.num_groups, float(self.pilot_energy)), of_both, self.prelog)

    def follow(self, gains: Float, worlds: Int) -> None:
        _Estimated.follow(self, gains, worlds)
        _CompiledReceiver.follow(self, gains, worlds)


class DecodedMaximumRatioReceiver(_CompiledReceiver):
    """Maximum-ratio combining at every base station, large-scale fading decoding at the CPU, exact closed form."""

    offers: ClassVar[Collection[str]] = ("pilot_length",)
    reasons: ClassVar[Mapping[str, str]] = {"near_field": "no closed form of its weights is known there"}
    variants: ClassVar[Sequence[Mapping[str, Any]]] = ({"pilot_length": 18},)
    # Every term of gamma_k is concave in its own power and falls with that of others: so are and do sums of logarithms.
    max_min_is_exact = True
    cost = 6.0
    _efficiencies = staticmethod(xl_lsfd_spectral_efficiencies)
    _gradients = staticmethod(xl_lsfd_gradients)

    def __init__(self, config: XLMIMOConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        squares = float((self.bs_eigenvalues**2).sum())
        coupling = config.ue_antennas * squares / config.bs_antennas
        self._terms = (float(config.bs_antennas), coupling, modes(self.ue_eigenvalues))

    @classmethod
    def suited(cls, config: XLMIMOConfig) -> type[Receiver]:
        estimated = cls is DecodedMaximumRatioReceiver and config.pilot_length is not None
        return EstimatedDecodedReceiver if estimated else cls


class EstimatedDecodedReceiver(_EstimatedCompiledReceiver):
    """Maximum-ratio combining of estimated channels, large-scale fading decoding at the CPU, exact closed form."""

    reasons = DecodedMaximumRatioReceiver.reasons
    # What disturbs a stream grows with every power, its user's own included, and by less than they do.
    max_min_is_exact = True
    cost = 40.0
    _efficiencies = staticmethod(xl_lsfd_pilot_efficiencies)
    _gradients = staticmethod(xl_lsfd_pilot_gradients)


class LocalMmseReceiver(_CompiledReceiver):
    """Local MMSE combining at every base station, deterministic equivalent."""

    offers: ClassVar[Collection[str]] = ("pilot_length",)
    reasons: ClassVar[Mapping[str, str]] = {"near_field": 'no closed form is known for "l-mmse" there'}
    variants: ClassVar[Sequence[Mapping[str, Any]]] = ({"pilot_length": 18},)
    cost = 30.0
    _efficiencies = staticmethod(lmmse_spectral_efficiencies)
    _gradients = staticmethod(lmmse_gradients)

    def __init__(self, config: XLMIMOConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        self._terms = ((modes(self.bs_eigenvalues), modes(self.ue_eigenvalues)),)

    @classmethod
    def suited(cls, config: XLMIMOConfig) -> type[Receiver]:
        estimated = cls is LocalMmseReceiver and config.pilot_length is not None
        return EstimatedLocalMmseReceiver if estimated else cls

    def jacobian(self, world: int, p: Float) -> Float:
        num_users = len(p)
        efficiencies, jacobian = np.empty(num_users), np.empty((num_users, num_users))
        lmmse_gradient(np.ascontiguousarray(p), self._heard[world], *self._terms, efficiencies, jacobian)
        return jacobian


class EstimatedLocalMmseReceiver(_EstimatedCompiledReceiver):
    """Local MMSE combining of estimated channels at every base station, deterministic equivalent."""

    reasons = LocalMmseReceiver.reasons
    cost = 300.0
    _efficiencies = staticmethod(xl_lmmse_pilot_efficiencies)
    _gradients = staticmethod(xl_lmmse_pilot_gradients)


class NearFieldReceiver(Receiver):
    """Maximum-ratio combining with a spherical-wave line of sight and visibility windows, by exact moments."""

    near_field = True
    searched_across = False

    def __init__(self, config: XLMIMOConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        nothing = np.zeros(0, complex)
        # Lists: how many streams can be told apart is found out with the moments.
        self._moments: list[tuple[Complex, Complex, Complex]] = [(nothing, nothing, nothing)] * num_worlds
        self._receive = array_correlation(self._bs_x, self._bs_y, config.bs_spacing, config.correlation)
        self._transmit = array_correlation(self._ue_x, self._ue_y, config.ue_spacing, config.correlation)

    def prepare(self, world: int, scenario: Scenario) -> None:
        kappa = np.zeros(scenario.gains.shape) if scenario.rician is None else scenario.rician
        self._moments[world] = xl_mr_matrices(
            scenario.gains, kappa, self._line_of_sight(scenario), scenario.visible, self._receive, self._transmit, 1.0
        )

    def _line_of_sight(self, scenario: Scenario) -> Complex:
        """Unit-modulus responses (M, K, N_r, N_s); all arrays lie flat, base stations above the users."""
        config = self.config
        offset = (
            geometry.wrap(scenario.users[None] - scenario.base_stations[:, None], config.period) / config.wavelength
        )
        receive = planar_array(self._bs_x, self._bs_y, config.bs_spacing)
        transmit = planar_array(self._ue_x, self._ue_y, config.ue_spacing)
        height = np.broadcast_to(scenario.height, offset.shape[:2]) / config.wavelength
        los = np.empty((*offset.shape[:2], len(receive), len(transmit)), complex)
        for m, k in np.ndindex(offset.shape[:2]):
            centre = np.array([*offset[m, k], -height[m, k]])
            los[m, k] = spherical_wave(receive, transmit + centre)
        return los

    def follow(self, gains: Float, worlds: Int) -> None:
        """Nothing moves here: the moments were computed with the drop."""

    def gradient(self, powers: Float, cotangents: Float) -> Float:
        rows = zip(powers[:, None], cotangents[:, None], self._moments, strict=True)
        return np.concatenate([matrix_gradient(p, y, *moments) for p, y, moments in rows])

    def efficiencies_in(self, world: int, powers: Float) -> Float:
        return matrix_spectral_efficiencies(powers, *self._moments[world])


RECEIVERS: Mapping[str, type[Receiver]] = {
    "mr": MaximumRatioReceiver,
    "mr-lsfd": DecodedMaximumRatioReceiver,
    "l-mmse": LocalMmseReceiver,
}
RECEIVER = Classes(RECEIVERS, Receiver, OwnReceiver)


def make_receiver(config: XLMIMOConfig, num_worlds: int) -> Receiver:
    """The receiver that the configuration names."""
    return cast(Receiver, RECEIVER.make(config, "receiver", num_worlds))
