"""What a network is run for: one number from the rates of its active users.

An objective is called with arrays whose last axis is the users, and returns one value for each of the leading entries,
however many there are. It must not write into its arguments, and no value may be NaN, but where no user is active: what
is not finite there counts as 0. Your own is a function or a short class; pass it, or an instance, or name it as
`"module:Name"` so that the environment's spec can be stored:

>>> class TenthPercentile:
...     def __call__(self, rates, active, powers):
...         return np.nanpercentile(np.where(active, rates, np.nan), 10, axis=-1)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import call
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np

from cfenvs.arrays import Array, Bool, Float
from cfenvs.core.config import is_number, load_object, require_takes
from cfenvs.core.errors import closest, shown
from cfenvs.emitted import bits_of, of_bits
from cfenvs.kernels import Run, kernel

if TYPE_CHECKING:
    from cfenvs.power.config import PowerConfig

PAIRED = 128
"""Numbers of which NumPy's sum has eight partial ones; of more it makes two sums."""
_SIZE, _INFINITY = np.int64(0x7FFFFFFFFFFFFFFF), np.int64(0x7FF0000000000000)
"""Of a float's bits those without the sign, and those of infinity; what is larger stands for no number."""


class Objective(Protocol):
    """Maps rates in bit/s/Hz (..., K), the active users (..., K) and powers in mW (..., K) to values (...)."""

    def __call__(self, rates: Float, active: Bool, powers: Float) -> Float: ...


def minimum_active(rates: Float, active: Bool, run: Run = call) -> Float:
    """Smallest rate of an active user, NaN if one is, 0 where none is active; (..., K) and (..., K) -> (...).

    `run` runs the kernel.
    """
    if _as_compiled(rates, active):
        out = np.empty(len(rates))
        run(_minimum_active, rates, active, out)
        return out
    shape = np.broadcast_shapes(rates.shape, active.shape)
    rates = np.broadcast_to(rates, shape).reshape(-1, shape[-1]).astype(float, order="C")
    active = np.broadcast_to(active, shape).reshape(-1, shape[-1]).astype(bool, order="C")
    out = np.empty(len(rates))
    _minimum_active(rates, active, out)
    return out.reshape(shape[:-1])


@kernel(of_worlds="rates active out")
def _minimum_active(rates: Float, active: Bool, out: Float) -> None:
    """One pass over what would be three in NumPy, without branches: on integers in the order of the rates.

    A minimum of floats does not vectorise, as LLVM must heed NaN in it; the bits of a float are an integer whose order,
    with those of negative numbers turned over, is that of the numbers.
    """
    for e in range(len(rates)):
        lowest, unknown = _INFINITY, np.int64(0)
        for k in range(rates.shape[1]):
            bits = bits_of(rates[e, k])
            size = bits & _SIZE
            key = bits ^ ((bits >> np.int64(63)) & _SIZE)
            unknown |= np.int64(active[e, k] and size > _INFINITY)
            if not active[e, k]:
                key = _INFINITY
            lowest = key if key < lowest else lowest
        value = of_bits(lowest ^ ((lowest >> np.int64(63)) & _SIZE))
        out[e] = np.nan if unknown else (0.0 if lowest == _INFINITY else value)


def sum_active(rates: Float, active: Bool, run: Run = call) -> Float:
    """Sum of the rates of active users, to the bits of NumPy's; (..., K) and (..., K) -> (...).

    `run` runs the kernel.
    """
    if not _as_compiled(rates, active) or rates.shape[1] > PAIRED:
        return np.asarray((rates * active).sum(axis=-1))
    out = np.empty(len(rates))
    run(_sum_active, rates, active, out)
    return out


def _as_compiled(rates: Array, active: Array) -> bool:
    """Whether rates and who is active are as steps have them: kernels are compiled for one signature."""
    usual = rates.ndim == 2 and rates.shape == active.shape and rates.dtype == float and active.dtype == bool
    return usual and rates.flags.carray and active.flags.carray


@kernel(of_worlds="rates active out")
def _sum_active(rates: Float, active: Bool, out: Float) -> None:
    """One pass, in the order of NumPy's pairwise sums."""
    num_users = rates.shape[1]
    eights = num_users - num_users % 8
    sums = np.empty(8)
    for e in range(len(rates)):
        total = 0.0
        if eights > 0:
            for j in range(8):
                sums[j] = rates[e, j] * active[e, j]
            for k in range(8, eights, 8):
                for j in range(8):
                    sums[j] += rates[e, k + j] * active[e, k + j]
            total = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))
        for k in range(eights, num_users):
            total += rates[e, k] * active[e, k]
        out[e] = total


class MinimumRate:
    """The guaranteed rate: the smallest rate of an active user; 0 when none is active."""

    unit = "bit/s/Hz"

    def __call__(self, rates: Float, active: Bool, powers: Float) -> Float:
        return minimum_active(rates, active)


class SumRate:
    """The sum of the rates of the active users."""

    unit = "bit/s/Hz"

    def __call__(self, rates: Float, active: Bool, powers: Float) -> Float:
        return sum_active(rates, active)


class ProportionalFairness:
    """The geometric mean of the rates of the active users; 0 when none is active.

    It has the maximiser of the sum of logarithms, is in bit/s/Hz, and stays finite when a rate is zero.
    """

    unit = "bit/s/Hz"

    def __call__(self, rates: Float, active: Bool, powers: Float) -> Float:
        count = active.sum(axis=-1)
        with np.errstate(divide="ignore"):
            logarithms = np.where(active, np.log(np.where(active, rates, 1.0)), 0.0).sum(axis=-1)
        return np.asarray(np.where(count > 0, np.exp(logarithms / np.maximum(count, 1)), 0.0))


class EnergyEfficiency:
    """The sum of the rates over the power spent: what the amplifiers of all users take, and a constant circuit power.

    Parameters
    ----------
    circuit_power : float
        In mW: what does not depend on the powers sent, of all users and stations together.
    amplifier_efficiency : float
        Share of what a user's amplifier takes that is sent, in (0, 1].

    Notes
    -----
    The value is in bit/s/Hz per watt, that is bit/J/Hz.
    """

    unit = "bit/J/Hz"

    def __init__(self, circuit_power: float = 1000.0, amplifier_efficiency: float = 1.0) -> None:
        self.circuit_power = circuit_power
        self.amplifier_efficiency = amplifier_efficiency

    def __call__(self, rates: Float, active: Bool, powers: Float) -> Float:
        spent = (powers.sum(axis=-1) / self.amplifier_efficiency + self.circuit_power) / 1e3
        return np.asarray(sum_active(rates, active) / spent)


class FifthPercentile:
    """The rate that 95 % of the active users reach: between two users' rates linearly; 0 when none is active.

    Of up to 20 active users it lies between the smallest two rates.
    """

    unit = "bit/s/Hz"
    share = 0.05

    def __call__(self, rates: Float, active: Bool, powers: Float) -> Float:
        count = active.sum(axis=-1)
        place = self.share * np.maximum(count - 1, 0)
        below = place.astype(np.int64)
        rising = np.sort(np.where(active, rates, np.inf), axis=-1)  # NaN comes last
        low, high = (
            np.take_along_axis(rising, at[..., None], axis=-1)[..., 0]
            for at in (below, np.minimum(below + 1, np.maximum(count - 1, 0)))
        )
        part = np.where(high > low, place - below, 0.0)
        with np.errstate(invalid="ignore"):  # of nobody: infinity less infinity
            value = np.where(count > 0, low + part * (high - low), 0.0)
        return np.where(_unknown(rates, active), np.nan, value)


class TargetRate:
    """The share of the active users that reach a target rate: one less the outage; 0 when none is active.

    It is flat between its steps, where neither gradients nor random changes tell the way. In a weighted sum with
    another objective they do.

    Parameters
    ----------
    target_rate : float
        In bit/s/Hz.
    """

    unit = "share of the active users"

    def __init__(self, target_rate: float = 1.0) -> None:
        self.target_rate = target_rate

    def __call__(self, rates: Float, active: Bool, powers: Float) -> Float:
        value = 1.0 - outage(rates, active, self.target_rate)
        return np.where(active.any(axis=-1), value, 0.0)


def outage(rates: Float, active: Bool, target_rate: float) -> Float:
    """Share of the active users whose rate is below a target, 0 where none is active; (..., K), (..., K) -> (...)."""
    missed = (active & (rates < target_rate)).sum(axis=-1) / np.maximum(active.sum(axis=-1), 1)
    return np.where(_unknown(rates, active), np.nan, missed)


def _unknown(rates: Float, active: Bool) -> Bool:
    return np.asarray((np.isnan(rates) & active).any(axis=-1))


class WeightedSum:
    """The sum of the rates of the active users, each times a weight of its own.

    Parameters
    ----------
    weights : sequence of K floats, optional
        By default 1 for each, the sum.
    """

    unit = "bit/s/Hz"

    def __init__(self, weights: Sequence[float] | None = None) -> None:
        self.weights = 1.0 if weights is None else np.array(weights, float)

    def __call__(self, rates: Float, active: Bool, powers: Float) -> Float:
        return np.asarray((rates * active * self.weights).sum(axis=-1))


class Mixture:
    """A sum of objectives, each times a weight.

    Parameters
    ----------
    parts : sequence of (objective, float)
    """

    unit = "mixed"

    def __init__(self, parts: Sequence[tuple[Objective, float]]) -> None:
        self.parts = tuple(parts)

    def __call__(self, rates: Float, active: Bool, powers: Float) -> Float:
        values = [weight * objective(rates, active, powers) for objective, weight in self.parts]
        return np.asarray(sum(values))


OBJECTIVES: dict[str, type[Objective]] = {
    "min": MinimumRate,
    "sum": SumRate,
    "proportional-fair": ProportionalFairness,
    "energy-efficiency": EnergyEfficiency,
    "fifth-percentile": FifthPercentile,
    "target-rate": TargetRate,
    "weighted-sum": WeightedSum,
}


def load_objective(objective: Any) -> Objective:
    """An objective from its name, from `"module:Name"`, as a weighted sum of such, or as it is.

    Raises
    ------
    ValueError
        If there is no such objective, or what is named cannot be called so.
    """
    if isinstance(objective, Mapping):
        if not objective or not all(map(is_number, objective.values())):
            raise ValueError(
                f"objective={shown(dict(objective))}: a weighted sum must map objectives to finite weights, such as "
                '{"min": 1.0, "sum": 0.1}'
            )
        return Mixture([(load_objective(name), float(weight)) for name, weight in objective.items()])
    if isinstance(objective, str) and ":" not in objective:
        if objective not in OBJECTIVES:
            raise ValueError(f"objective={objective!r}: {closest(objective, OBJECTIVES)} (or 'module:Name')")
        return OBJECTIVES[objective]()
    found = load_object(objective, "objective")
    if not callable(found):
        raise ValueError(f"objective={shown(objective)}: must be callable with (rates, active, powers)")
    require_takes(found, "objective", "(rates, active, powers)")
    return found if type(found) in OBJECTIVES.values() else _Checked(found)


IN_KERNELS: Mapping[type, Callable[[Float, Bool, Run], Float]] = {MinimumRate: minimum_active, SumRate: sum_active}
"""What objectives are that take no more than a kernel."""
NEEDED = {"target-rate": "target_rate", "weighted-sum": "user_weights"}
"""Objectives that need a field of the configuration."""


def parts_of(objective: Any) -> Mapping[Any, float]:
    """Of what an objective is made, with weights: itself, if it is no weighted sum."""
    return objective if isinstance(objective, Mapping) else {objective: 1.0} if isinstance(objective, str) else {}


def objective_of(config: PowerConfig) -> Objective:
    """The objective of a configuration, with what it says of powers, targets and weights."""
    if isinstance(config.objective, Mapping):
        return Mixture([(_of(name, config), weight) for name, weight in config.objective.items()])
    return _of(config.objective, config)


def _of(objective: Any, config: PowerConfig) -> Objective:
    if objective == "energy-efficiency":
        return EnergyEfficiency(config.fixed_power, config.amplifier_efficiency)
    if objective == "target-rate":
        assert config.target_rate is not None
        return TargetRate(config.target_rate)
    if objective == "weighted-sum":
        return WeightedSum(config.user_weights)
    return load_objective(objective)


class _Checked:
    """Somebody's own objective, whose values are checked, and which must not write into what it is given."""

    def __init__(self, own: Any) -> None:
        self._own = own
        self._tried: set[int] = set()

    def __call__(self, rates: Float, active: Bool, powers: Float) -> Float:
        if rates.ndim not in self._tried:
            self._try(rates, active, powers)
        values = np.asarray(self._own(rates, active, powers), float)
        if values.shape != rates.shape[:-1]:
            self._refuse_values(values, rates.shape)
        if not _all_finite(values.ravel()):
            values = np.where(np.isfinite(values) | active.any(axis=-1), values, 0.0)
            if np.isnan(values).any():
                self._refuse("returned NaN", "must be a number wherever a user is active")
        return values

    def _try(self, rates: Float, active: Bool, powers: Float) -> None:
        """Call it once on arrays that cannot be written to: to make these in every step would slow light ones.

        Where sizes coincide, shapes do not tell over which axis it reduces: entries are repeated to other sizes.
        """
        shape = rates.shape
        if len(set(shape)) < len(shape):
            shape = (*range(shape[-1] + len(shape) - 1, shape[-1], -1), shape[-1])
        trial = [np.resize(array, shape) for array in (rates, active, powers)]
        for array in trial:
            array.flags.writeable = False
        try:
            values = np.asarray(self._own(*trial))
        except ValueError as error:
            if "read-only" in str(error):
                self._refuse("writes into its arguments", "must compute new arrays, as by np.where", error)
            raise
        if values.shape != shape[:-1] or values.dtype.kind not in "fiub":
            self._refuse_values(values, shape)
        self._tried.add(rates.ndim)

    def _refuse_values(self, values: Array, shape: tuple[int, ...]) -> NoReturn:
        self._refuse(
            f"returned shape {values.shape} of type {values.dtype} for rates of shape {shape}",
            f"must be numbers of shape {shape[:-1]}, one for each of the leading entries: reduce axis -1 only",
        )

    def _refuse(self, what: str, allowed: str, cause: Exception | None = None) -> NoReturn:
        raise ValueError(f"objective={self._own!r} {what}: {allowed}") from cause


@kernel
def _all_finite(values: Float) -> bool:
    """One quick pass, at a fifth of the price of three in NumPy."""
    finite = True
    for i in range(values.size):
        finite &= np.isfinite(values[i])
    return finite
