"""One drop of the network: where everybody stands, large-scale gains, spatial correlation, pilots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from cfenvs.arrays import Complex, Float, Int
from cfenvs.core.drops import Given
from cfenvs.core.kept import entry
from cfenvs.power.given import heights_above_users, heights_of_users, on_the_ground, replaced
from cfenvs.radio import geometry
from cfenvs.radio.correlation import local_scattering

if TYPE_CHECKING:
    from cfenvs.cell_free.config import CellFreeConfig


@dataclass(frozen=True, slots=True)
class Scenario:
    """A drop.

    Attributes
    ----------
    access_points : (L, 2) array
    users : (K, 2) array
        Positions in metres; where users walk, those at the start, as are gains, pilots and all else.
    height : float or (L, K) array, or a list of these
        Of the access points above the users, in metres; an array where heights are given.
    gains : (L, K) array
        Large-scale gains beta over the noise power, per mW.
    pilots : (K,) int array
        Pilot of each user.
    side : float
        Of the square, which wraps around, in metres.
    scattering : (L, K, N, N) array, or None for single antennas
        Spatial correlation R of the channels where it is more than `gains`.
    shadowing_db : (L, K) array or None
        Where users walk, in dB, also of links that have none.
    still_db : (L, 1) array or None
        The part of it that stays while users walk.
    """

    access_points: Float
    users: Float
    height: Any
    gains: Float
    pilots: Int
    side: float
    scattering: Complex | None
    shadowing_db: Float | None = None
    still_db: Float | None = None

    @property
    def correlation(self) -> Complex:
        """Spatial correlation R of the channels, (L, K, N, N); trace N beta."""
        return self.gains[..., None, None].astype(complex) if self.scattering is None else self.scattering

    @property
    def nearest(self) -> Int:
        """Other users by rising wrap-around distance, (K, K - 1)."""
        return geometry.nearest_first(self.users, self.side)


def draw_scenario(config: CellFreeConfig, rng: np.random.Generator, given: Given = MappingProxyType({})) -> Scenario:
    """Draw a drop: access points, users, shadowing, pilots, in this order; what is given replaces what is drawn."""
    scenario: Scenario = entry(draw_scenarios(config, [rng], [given]), 0)
    return scenario


def draw_scenarios(config: CellFreeConfig, rngs: Sequence[np.random.Generator], given: Sequence[Given]) -> Scenario:
    """Draw n drops, each from its own generator: one whose arrays have a leading axis n, `height` being a list."""
    n, links, side = (len(rngs),), (config.access_points, config.users), config.side
    if config.placement == "uniform":
        placed = geometry.uniform_positions(config.access_points, side, rngs, n)
    elif all("access_points" in parts for parts in given):
        placed = np.zeros((*n, config.access_points, 2))
    else:
        config.check_placement()  # a function may leave out what it could give
        placed = np.broadcast_to(geometry.grid_positions(config.access_points, side), (*n, config.access_points, 2))
    access_points = on_the_ground(given, "access_points", placed)
    users = on_the_ground(given, "users", geometry.uniform_positions(config.users, side, rngs, n))
    heights, height = heights_above_users(given, "access_points", config.height, links)
    between = geometry.link_geometry(access_points, users, side, height, heights_of_users(given, config.users))
    between = config.large_scale.looked(between, rngs)
    still = config.still_db(between, rngs)
    shadow = config.large_scale.shadowing_db(between, rngs)
    gain_db = replaced(given, "gain_db", config.large_scale.gain_db(between, shadow))
    gains = config.large_scale.over_noise(gain_db)
    pilots = config.assignment.pilots(gains, rngs)
    scattering = scattered(config, between, gains)
    kept = None if config.mobility == "static" else shadow
    return Scenario(access_points, users, heights, gains, pilots, side, scattering, kept, still)


def scattered(config: CellFreeConfig, links: geometry.Links, gains: Float) -> Complex | None:
    """Spatial correlation (..., L, K, N, N) of links with these gains; None for single antennas."""
    if config.antennas == 1:
        return None
    spread = np.deg2rad(config.angular_std_deg)
    return gains[..., None, None] * local_scattering(links.azimuth, links.elevation, config.antennas, spread, spread)
