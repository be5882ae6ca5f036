"""What a network is run for: one number from the rates of its active users.

An objective is called with arrays whose last axis is the users, and returns one value for each of the leading entries.
Your own is a short class; pass an instance, or name it as `"module:Name"` so that the environment's spec can be stored:

>>> class TenthPercentile:
...     def __call__(self, rates, active, powers):
...         return np.nanpercentile(np.where(active, rates, np.nan), 10, axis=-1)
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numba import guvectorize

from cfenvs.arrays import Bool, Float
from cfenvs.core.config import load_object
from cfenvs.core.errors import closest


class Objective(Protocol):
    """Maps rates in bit/s/Hz (..., K), the active users (..., K) and powers in mW (..., K) to values (...)."""

    def __call__(self, rates: Float, active: Bool, powers: Float) -> Float: ...


@guvectorize(["void(float64[:], boolean[:], float64[:])"], "(k),(k)->()", cache=True)
def minimum_active(rates: Float, active: Bool, out: Float) -> None:
    """Smallest rate of an active user; a generalised ufunc, one pass over what would be three in NumPy."""
    lowest = np.inf
    for k in range(rates.size):
        if active[k] and rates[k] < lowest:
            lowest = rates[k]
    out[0] = lowest if lowest < np.inf else 0.0


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
    """The sum of the rates over the power spent: transmit power of all users plus a constant circuit power.

    Parameters
    ----------
    circuit_power : float
        In mW.

    Notes
    -----
    The value is in bit/s/Hz per watt, that is bit/J/Hz.
    """

    def __init__(self, circuit_power: float = 1000.0) -> None:
        self.circuit_power = circuit_power

    def __call__(self, rates: Float, active: Bool, powers: Float) -> Float:
        spent = (powers.sum(axis=-1) + self.circuit_power) / 1e3
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
        raise ValueError(f"objective={objective!r}: must be callable with (rates, active, powers)")
    return found  # type: ignore[no-any-return]
