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

from typing import Any, NoReturn, Protocol

import numpy as np

from cfenvs.arrays import Array, Bool, Float
from cfenvs.core.config import load_object, require_number, require_positive
from cfenvs.core.errors import closest, shown
from cfenvs.kernels import kernel
from cfenvs.power.config import PowerConfig


class Objective(Protocol):
    """Maps rates in bit/s/Hz (..., K), the active users (..., K) and powers in mW (..., K) to values (...)."""

    def __call__(self, rates: Float, active: Bool, powers: Float) -> Float: ...


def minimum_active(rates: Float, active: Bool) -> Float:
    """Smallest rate of an active user, NaN if one is, 0 where none is active; (..., K) and (..., K) -> (...)."""
    shape = rates.shape if rates.shape == active.shape else np.broadcast_shapes(rates.shape, active.shape)
    out = np.empty(shape[:-1])
    _minimum_active(_rows(rates, shape), _rows(active, shape), out.reshape(-1))
    return out


def _rows(array: Array, shape: tuple[int, ...]) -> Array:
    """An array (..., K) broadcast to a shape, as (n, K) of one layout, writeable: one compiled signature."""
    plain = array.shape == shape and array.flags.c_contiguous and array.flags.writeable
    return (array if plain else np.broadcast_to(array, shape).copy()).reshape(-1, shape[-1])


@kernel
def _minimum_active(rates: Float, active: Bool, out: Float) -> None:
    """One pass over what would be three in NumPy."""
    for e in range(len(rates)):
        lowest = np.inf
        for k in range(rates.shape[1]):
            if active[e, k] and not rates[e, k] >= lowest:
                lowest = rates[e, k]
                if np.isnan(lowest):  # only where a new minimum is: no pass over the rates is spent on it
                    break
        out[e] = 0.0 if lowest == np.inf else lowest


class MinimumRate:
    """The guaranteed rate: the smallest rate of an active user; 0 when none is active."""

    def __call__(self, rates: Float, active: Bool, powers: Float) -> Float:
        return minimum_active(rates, active)


class SumRate:
    """The sum of the rates of the active users."""

    def __call__(self, rates: Float, active: Bool, powers: Float) -> Float:
        return np.asarray((rates * active).sum(axis=-1))


class ProportionalFairness:
    """The geometric mean of the rates of the active users; 0 when none is active.

    It has the maximiser of the sum of logarithms, is in bit/s/Hz, and stays finite when a rate is zero.
    """

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

    def __init__(self, circuit_power: float = 1000.0, amplifier_efficiency: float = 1.0) -> None:
        self.circuit_power = circuit_power
        self.amplifier_efficiency = amplifier_efficiency

    def __call__(self, rates: Float, active: Bool, powers: Float) -> Float:
        spent = (powers.sum(axis=-1) / self.amplifier_efficiency + self.circuit_power) / 1e3
        return np.asarray((rates * active).sum(axis=-1) / spent)


OBJECTIVES: dict[str, type[Objective]] = {
    "min": MinimumRate,
    "sum": SumRate,
    "proportional-fair": ProportionalFairness,
    "energy-efficiency": EnergyEfficiency,
}


def load_objective(objective: Any) -> Objective:
    """An objective from its name, from `"module:Name"`, or as it is.

    Raises
    ------
    ValueError
        If there is no such objective, or what is named cannot be called.
    """
    if isinstance(objective, str) and ":" not in objective:
        if objective not in OBJECTIVES:
            raise ValueError(f"objective={objective!r}: {closest(objective, OBJECTIVES)} (or 'module:Name')")
        return OBJECTIVES[objective]()
    found = load_object(objective)
    if not callable(found):
        raise ValueError(f"objective={shown(objective)}: must be callable with (rates, active, powers)")
    return found if type(found) in OBJECTIVES.values() else _Checked(found)


def objective_of(config: PowerConfig) -> Objective:
    """The objective of a configuration, with the powers that it says an energy efficiency counts."""
    if config.objective == "energy-efficiency":
        return EnergyEfficiency(config.fixed_power, config.amplifier_efficiency)
    return load_objective(config.objective)


def check_objective(config: PowerConfig) -> None:
    """Check the field `objective` of a configuration, and those of energy efficiency, `objective_of` their use."""
    load_objective(config.objective)
    require_positive(config, "circuit_power", "amplifier_efficiency")
    require_number(config, amplifier_efficiency=(0, 1))


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
