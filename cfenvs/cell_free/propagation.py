"""Path loss, shadowing and pilot assignment of the cell-free uplink, each by name or your own.

Yours is a function, or a short class whose instances are called. It is called for one network at a time, must draw from
nothing but the generator that it is given, and keeps nothing that changes. Name it as `"module:Name"` so that the
environment's spec can be stored:

>>> def two_ray(links, config):  # path_loss=two_ray: gains in dB, (L, K), without shadowing
...     return -40.0 * np.log10(links.distance) + 20.0 * np.log10(config.height * 1.5)
>>> def blocked(links, config, rng):  # shadowing=blocked: in dB, (L, K), added to the path gains
...     return np.where(rng.random(links.distance.shape) < 0.2, -20.0, 0.0)
>>> def in_turn(gains, config, rng):  # pilot_assignment=in_turn: integers from 0, (K,)
...     return np.arange(config.users) % config.pilot_length

Those of ours take several networks at once: arrays have a leading axis n then, and generators are a list of n.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cfenvs.arrays import Array, Bool, Float, Int
from cfenvs.power.choices import Functions, numbers, refuse
from cfenvs.radio import geometry, path_loss, pilots, shadowing
from cfenvs.radio.geometry import Links

if TYPE_CHECKING:
    from cfenvs.cell_free.config import CellFreeConfig

UNSHADOWED_DISTANCE = 50.0
"""Metres within which the three-slope model has no shadowing (Ngo et al. 2017, below (52))."""
Generators = Sequence[np.random.Generator]


class PathLoss(ABC):
    """Gains of links without shadowing. A function of the same arguments is one too, with shadowing on every link."""

    @abstractmethod
    def __call__(self, links: Links, config: CellFreeConfig) -> Float:
        """Gains in dB, that is path losses with the sign changed, (..., L, K)."""

    def shadowed(self, links: Links) -> Bool | None:
        """Which links have shadowing, (..., L, K); None for all."""
        return None


class UrbanMicro(PathLoss):
    """Urban micro street without line of sight, by the distance in space (Demir et al. 2021, (2.16))."""

    def __call__(self, links: Links, config: CellFreeConfig) -> Float:
        return path_loss.urban_micro_gain_db(links.distance, config.carrier_ghz)


class ThreeSlope(PathLoss):
    """Three slopes by the distance on the ground, without shadowing within 50 m (Ngo et al. 2017, (52))."""

    def __call__(self, links: Links, config: CellFreeConfig) -> Float:
        return path_loss.three_slope_gain_db(links.horizontal, config.carrier_ghz)

    def shadowed(self, links: Links) -> Bool:
        return links.horizontal > UNSHADOWED_DISTANCE


def user_correlated(links: Links, config: CellFreeConfig, rngs: Generators) -> Float:
    """Correlated over users by their distance, independent over access points (Demir et al. 2021, (2.17))."""
    return _over_users(links, config, config.shadowing_decorrelation, rngs)


def independent(links: Links, config: CellFreeConfig, rngs: Generators) -> Float:
    """Independent on every link."""
    return _over_users(links, config, 0.0, rngs)


def _over_users(links: Links, config: CellFreeConfig, decorrelation: float, rngs: Generators) -> Float:
    between_users = geometry.pairwise_distance(links.users, links.side)
    return shadowing.user_correlated_shadowing_db(
        between_users, config.access_points, config.shadowing_std_db, decorrelation, rngs
    )


def two_component(links: Links, config: CellFreeConfig, rngs: Generators) -> Float:
    """A component of the access point and one of the user, each correlated by distance (Ngo et al. 2017, (54))."""
    between_access_points, between_users = (
        geometry.pairwise_distance(positions, links.side) for positions in (links.access_points, links.users)
    )
    return shadowing.two_component_shadowing_db(
        between_access_points, between_users, config.shadowing_std_db, config.shadowing_decorrelation, rngs
    )


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


class OwnPathLoss(PathLoss):
    """Somebody's own, called for one network at a time with arrays of its own; what it returns is checked."""

    def __init__(self, own: Any) -> None:
        self._own = own

    def __call__(self, links: Links, config: CellFreeConfig) -> Float:
        return np.array([self._gain_db(links.of(world), config) for world in range(len(links.users))])

    def _gain_db(self, links: Links, config: CellFreeConfig) -> Float:
        far, shape = links.distance >= 1.0, links.distance.shape
        gain_db = numbers("path_loss", self._own, "gains in dB", self._own(links, config), shape).astype(float)
        if np.isnan(gain_db).any() or (gain_db[far] > 0).any() or (gain_db == np.inf).any():
            refuse(
                "path_loss",
                self._own,
                f"returned gains from {gain_db.min():g} to {gain_db.max():g} dB",
                "must return numbers, or -inf for no link, and from a metre on at most 0: a path loss with the sign "
                "changed",
            )
        return gain_db

    def shadowed(self, links: Links) -> Bool | None:
        if not hasattr(self._own, "shadowed"):
            return None
        each = [self._own.shadowed(links.of(world)) for world in range(len(links.users))]
        if all(mask is None for mask in each):
            return None
        shape, what = links.distance.shape[1:], "from `shadowed` which links have shadowing"
        return np.array([numbers("path_loss", self._own, what, mask, shape, "b") for mask in each])


class OwnShadowing:
    """As `OwnPathLoss`."""

    def __init__(self, own: Any) -> None:
        self._own = own

    def __call__(self, links: Links, config: CellFreeConfig, rngs: Generators) -> Float:
        return np.array([self._shadowing_db(links.of(world), config, rng) for world, rng in enumerate(rngs)])

    def _shadowing_db(self, links: Links, config: CellFreeConfig, rng: np.random.Generator) -> Float:
        shape = links.distance.shape
        shadow = numbers("shadowing", self._own, "shadowing in dB", self._own(links, config, rng), shape).astype(float)
        if not np.isfinite(shadow).all():
            refuse("shadowing", self._own, "returned NaN or infinity", "must return finite numbers in dB")
        return shadow


class OwnAssignment:
    """As `OwnPathLoss`."""

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


def in_turn(gains: Float, config: CellFreeConfig, rngs: Generators) -> Int:
    """User k sends pilot k modulo their number: none twice among users that follow each other."""
    return np.tile(np.arange(config.users) % config.pilot_length, (len(rngs), 1))


PATH_LOSS: Mapping[str, type[PathLoss]] = {"urban-micro": UrbanMicro, "three-slope": ThreeSlope}
SHADOWING: Mapping[str, Callable[[Links, Any, Generators], Float]] = {
    "user-correlated": user_correlated,
    "two-component": two_component,
    "independent": independent,
}
PILOT_ASSIGNMENT: Mapping[str, Callable[[Float, Any, Generators], Int]] = {
    "least-contaminated": least_contaminated,
    "greedy": greedy,
    "random": balanced_random,
    "in-turn": in_turn,
}
PATH_LOSSES = Functions(PATH_LOSS, "(links, config)", OwnPathLoss)
SHADOWINGS = Functions(SHADOWING, "(links, config, rng)", OwnShadowing)
ASSIGNMENTS = Functions(PILOT_ASSIGNMENT, "(gains, config, rng)", OwnAssignment)


class LargeScale:
    """Gains of the links of a configuration, as its fields `path_loss` and `shadowing` say."""

    def __init__(self, config: Any) -> None:
        self._config = config
        self._path_loss, self._shadowing = PATH_LOSSES.of(config, "path_loss"), SHADOWINGS.of(config, "shadowing")

    def gain_db(self, links: Links, rngs: Generators) -> Float:
        """Gains with shadowing in dB, (n, L, K)."""
        gain_db, shadow = self._path_loss(links, self._config), self._shadowing(links, self._config, rngs)
        shadowed = self._path_loss.shadowed(links)
        return gain_db + (shadow if shadowed is None else np.where(shadowed, shadow, 0.0))


class Assignment:
    """Pilots of the users of a configuration, as its field `pilot_assignment` says."""

    def __init__(self, config: Any) -> None:
        self._config, self._assign = config, ASSIGNMENTS.of(config, "pilot_assignment")

    def pilots(self, gains: Float, rngs: Generators) -> Int:
        """Pilots (n, K) of users with these gains over the noise (n, L, K)."""
        return self._assign(gains, self._config, rngs)
