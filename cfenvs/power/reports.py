"""What a network is told of the rates that it earns: rounded, noisy, late, seldom, or not at all.

Nothing that is earned changes, only what is observed of it. After every `report_period` steps, the first step among
them, each user tells its SINR of that step in dB, with an error, rounded to so many bits. The report arrives
`report_delay` steps later, unless it is lost; until another arrives, the last one stands. Who is inactive in a step
reports a rate of 0. Before the first report of an episode there is none: rates of 0, as old as the reset. A reset drops
what is under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cfenvs.arrays import Bool, Float, Int
from cfenvs.kernels import inlined, kernel
from cfenvs.radio.draws import twin, words
from cfenvs.radio.philox import complex_normals
from cfenvs.radio.spectral_efficiency import CQI_EFFICIENCY

_NO_ROUNDING, _UNIFORM, _TABLE = 0, 1, 2
_ROUNDING_ERROR = 1e-9
"""Of a rate that is a step of the table: the same after a factor and back."""
_STEP_BITS = np.uint64(32)
"""Bits of a counter that number the steps of an episode; those above number the episodes."""


class ReportConfig(Protocol):
    """Fields of a configuration that say what is reported; `cfenvs.power.config.Reporting` explains them."""

    @property
    def report_bits(self) -> Any: ...
    @property
    def report_range_db(self) -> Sequence[float]: ...
    @property
    def report_noise_db(self) -> float: ...
    @property
    def report_delay(self) -> int: ...
    @property
    def report_period(self) -> int: ...
    @property
    def report_loss(self) -> float: ...


def are_true(config: ReportConfig) -> bool:
    """Whether what is reported is what was earned, at once and always."""
    return (
        config.report_bits is None
        and config.report_noise_db == 0
        and config.report_delay == 0
        and config.report_period == 1
        and config.report_loss == 0
    )


def rounding_db(config: ReportConfig, reported_db: Float) -> tuple[Float, Float]:
    """How far below and above a report a SINR may lie that is rounded to it, in dB; the outer steps have no end.

    Nothing where reports are exact. What CQIs round is not told of: 0 too.
    """
    if not isinstance(config.report_bits, int):
        return np.zeros_like(reported_db), np.zeros_like(reported_db)
    (low, high), half = config.report_range_db, 0.5 * _step_db(config)
    below = np.where(reported_db < low + 1.5 * half, np.inf, half)
    above = np.where(reported_db > high - 1.5 * half, np.inf, half)
    return below, above


def _step_db(config: ReportConfig) -> float:
    low, high = config.report_range_db
    return float((high - low) / 2.0**config.report_bits)


class Reports:
    """The reports of E worlds.

    Errors and losses are drawn by counter. The key of a world is what its generator would draw next and still does, so
    that networks and channels are the same whatever is reported of them.

    Parameters
    ----------
    config : ReportConfig
    num_worlds, users : int
        E, K.
    scale : float
        Rate of a SINR of 1 in bit/s/Hz: the pre-log factor, or the number of streams that share a rate.

    Attributes
    ----------
    rates : (E, K) array
        What was last reported, as rates in bit/s/Hz.
    ages : (E, K) int array
        How many steps before the last one that was, 0 being the last one; without any report the steps so far.
    """

    def __init__(self, config: ReportConfig, num_worlds: int, users: int, scale: float) -> None:
        self._scale, self._period, self._noise_db = float(scale), config.report_period, float(config.report_noise_db)
        # A report is lost where a standard normal is below this.
        self._lost_below = NormalDist().inv_cdf(config.report_loss) if config.report_loss > 0 else -np.inf
        self._rounding, self._steps_db = _NO_ROUNDING, np.zeros(3)
        if config.report_bits == "cqi":
            self._rounding = _TABLE
        elif config.report_bits is not None:
            low, count = config.report_range_db[0], 2.0 ** int(config.report_bits)
            self._rounding, self._steps_db = _UNIFORM, np.array([low, _step_db(config), count])
        self.rates = np.zeros((num_worlds, users))
        self.ages = np.zeros((num_worlds, users), np.int64)
        # A ring of what was told of the last steps: step t stands at t modulo its length.
        ring = (num_worlds, config.report_delay + 1, users)
        self._told, self._arrives = np.zeros(ring), np.zeros(ring, bool)
        self._keys = np.zeros(num_worlds, np.uint64)
        self._episodes = np.zeros(num_worlds, np.uint64)

    def start(self, worlds: Int, generators: Sequence[np.random.Generator], seeded: Bool) -> None:
        """Episodes begin in these worlds; a generator is left as it is, one of `seeded` is new."""
        self.rates[worlds] = 0.0
        self.ages[worlds] = 0
        self._arrives[worlds] = False
        if self._noise_db > 0 or self._lost_below > -np.inf:
            self._keys[worlds] = words([twin(generator) for generator in generators], 1)[:, 0]
            # Where nothing else is drawn, the next key is the same.
            self._episodes[worlds] = np.where(seeded, 0, self._episodes[worlds] + 1)

    def of(self, worlds: Int) -> tuple[Any, ...]:
        """What is held of some worlds, copied."""
        return tuple(part[worlds] for part in (self.rates, self.ages, self._told, self._arrives))

    def put(self, worlds: Int, held: tuple[Any, ...]) -> None:
        """Hold it again."""
        for part, rows in zip((self.rates, self.ages, self._told, self._arrives), held, strict=True):
            part[worlds] = rows

    def take(self, rates: Float, active: Bool, steps: Int) -> None:
        """What users tell of the rates (E, K) that they earned in step number `steps` (E,), and what arrives by now."""
        _take(
            rates,
            active,
            steps,
            self._keys,
            self._episodes,
            self._period,
            self._scale,
            self._noise_db,
            self._lost_below,
            self._rounding,
            self._steps_db,
            CQI_EFFICIENCY,
            self._told,
            self._arrives,
            self.rates,
            self.ages,
        )


@kernel
def _take(
    rates: Float,
    active: Bool,
    steps: Int,
    keys: NDArray[np.uint64],
    episodes: NDArray[np.uint64],
    period: int,
    scale: float,
    noise_db: float,
    lost_below: float,
    rounding: int,
    steps_db: Float,
    table: Float,
    told: Float,
    arrives: Bool,
    reported: Float,
    ages: Int,
) -> None:
    """Enter the reports of a step in the ring, and take from it those that are due."""
    num_worlds, num_users = rates.shape
    length = arrives.shape[1]
    random = noise_db > 0.0 or lost_below > -np.inf
    draws = np.zeros(2 * num_users)
    for e in range(num_worlds):
        t = steps[e]
        now, due = t % length, (t + 1) % length  # of the entry that is oldest, or the only one
        if t % period != 0:
            arrives[e, now] = False
        else:
            if random:
                complex_normals(keys[e], (episodes[e] << _STEP_BITS) + np.uint64(t), draws)
            for k in range(num_users):
                value = rates[e, k]
                if active[e, k] and (rounding > 0 or noise_db > 0.0):
                    value = scale * _read(
                        value / scale, noise_db * np.sqrt(2.0) * draws[2 * k], rounding, steps_db, table
                    )
                told[e, now, k] = value
                arrives[e, now, k] = np.sqrt(2.0) * draws[2 * k + 1] >= lost_below
        for k in range(num_users):
            ages[e, k] += 1
            if arrives[e, due, k]:
                reported[e, k] = told[e, due, k]
                ages[e, k] = length - 1


@inlined
def _read(rate: float, error_db: float, rounding: int, steps_db: Float, table: Float) -> float:
    """log2(1 + SINR) as it is told: with an error of its SINR in dB, rounded."""
    if rounding == _UNIFORM or error_db != 0.0:
        value_db = 10.0 * np.log10(np.expm1(rate * np.log(2.0))) + error_db
        if rounding == _UNIFORM:
            step = np.floor((value_db - steps_db[0]) / steps_db[1])
            value_db = steps_db[0] + (min(max(step, 0.0), steps_db[2] - 1.0) + 0.5) * steps_db[1]
        rate = np.log1p(10.0 ** (value_db / 10.0)) / np.log(2.0)
    if rounding == _TABLE:
        supported = 0.0
        for efficiency in table:
            if efficiency <= rate + _ROUNDING_ERROR:
                supported = efficiency
        rate = supported
    return rate
