"""Pilot assignment of the cell-free uplink, by name or your own.

Yours is a function, or a short class whose instances are called, as a path loss is (`cfenvs.power.propagation`):

>>> def in_turn(gains, config, rng):  # pilot_assignment=in_turn: integers from 0, (K,)
...     return np.arange(config.users) % config.pilot_length

Those of ours take several networks at once: arrays have a leading axis n then, and generators are a list of n.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cfenvs.arrays import Array, Float, Int
from cfenvs.power.choices import Functions, numbers, refuse
from cfenvs.radio import pilots

if TYPE_CHECKING:
    from cfenvs.cell_free.config import CellFreeConfig

Generators = Sequence[np.random.Generator]


def least_contaminated(gains: Float, config: CellFreeConfig, rngs: Generators) -> Int:
    """One user after another takes the pilot that is least used at its strongest access point (Demir et al. 2021)."""
    return pilots.least_contaminated(gains, config.pilot_length)


def greedy(gains: Float, config: CellFreeConfig, rngs: Generators) -> Int:
    """From a random start the user with the lowest rate moves to its best pilot, K times (Ngo et al. 2017)."""
    length, power = config.pilot_length, config.max_power
    return np.array([pilots.greedy(each, length, power, rng) for each, rng in zip(gains, rngs, strict=True)])


def balanced_random(gains: Float, config: CellFreeConfig, rngs: Generators) -> Int:
    """At random, every pilot serving as many users as any other, up to one."""
    return np.array([pilots.balanced_random(config.users, config.pilot_length, rng) for rng in rngs])


def in_turn(gains: Float, config: CellFreeConfig, rngs: Generators) -> Int:
    """User k sends pilot k modulo their number: none twice among users that follow each other."""
    return np.tile(np.arange(config.users) % config.pilot_length, (len(rngs), 1))


class OwnAssignment:
    """Somebody's own, called for one network at a time with arrays of its own; what it returns is checked."""

    def __init__(self, own: Any) -> None:
        self._own = own

    def __call__(self, gains: Float, config: CellFreeConfig, rngs: Generators) -> Int:
        each = zip(gains, rngs, strict=True)
        return np.array([self._assigned(of_one.copy(), config, rng) for of_one, rng in each], np.int64)

    def _assigned(self, gains: Float, config: CellFreeConfig, rng: np.random.Generator) -> Array:
        assigned = self._own(gains, config, rng)
        assigned = numbers("pilot_assignment", self._own, "pilots of users", assigned, (config.users,), "iu")
        if not ((assigned >= 0) & (assigned < config.pilot_length)).all():
            refuse(
                "pilot_assignment",
                self._own,
                f"returned pilots from {assigned.min()} to {assigned.max()}",
                f"must return integers from 0 to {config.pilot_length - 1}, of pilot_length={config.pilot_length}",
            )
        return assigned


PILOT_ASSIGNMENT: Mapping[str, Callable[[Float, Any, Generators], Int]] = {
    "least-contaminated": least_contaminated,
    "greedy": greedy,
    "random": balanced_random,
    "in-turn": in_turn,
}
ASSIGNMENTS = Functions(PILOT_ASSIGNMENT, "(gains, config, rng)", OwnAssignment)


class Assignment:
    """Pilots of the users of a configuration, as its field `pilot_assignment` says."""

    def __init__(self, config: Any) -> None:
        self._config, self._assign = config, ASSIGNMENTS.of(config, "pilot_assignment")

    def pilots(self, gains: Float, rngs: Generators) -> Int:
        """Pilots (n, K) of users with these gains over the noise (n, L, K)."""
        return self._assign(gains, self._config, rngs)
