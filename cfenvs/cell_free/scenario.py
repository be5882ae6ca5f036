"""One drop of the network: where everybody stands, large-scale gains, spatial correlation, pilots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from cfenvs.arrays import Bool, Complex, Float, Int
from cfenvs.core.drops import Given
from cfenvs.core.kept import entry
from cfenvs.power.drop import Drop, draw_links
from cfenvs.power.given import on_the_ground, replaced
from cfenvs.radio import geometry, rician
from cfenvs.radio.correlation import local_scattering
from cfenvs.radio.draws import normals

if TYPE_CHECKING:
    from cfenvs.cell_free.config import CellFreeConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario(Drop):
    """A drop; what it has of users, heights and walks is said by `cfenvs.power.drop.Drop`.

    Attributes
    ----------
    access_points : (L, 2) array
        Positions in metres.
    gains : (L, K) array
        Large-scale gains beta over the noise power, per mW.
    pilots : (K,) int array
        Pilot of each user.
    side, period : float or (float, float)
        Of the area, and after how much positions repeat, in metres.
    scattering : (L, K, N, N) array, or None for single antennas
        Spatial correlation R of the channels, lines of sight included, where it is more than `gains`.
    sight : (L, K, N) array, or None where fading is Rayleigh
        Lines of sight h_los, whose phases are unknown (`cfenvs.radio.rician`).
    serving : (L, K) bool array, or None where every access point serves every user
        D: which access points serve whom.
    orientation : (L,) array, or None for single antennas
        Azimuth of the broadside of each array in radians; 0 is east.
    """

    access_points: Float
    gains: Float
    pilots: Int
    side: geometry.Side
    period: geometry.Side
    scattering: Complex | None
    serving: Bool | None = None
    orientation: Float | None = None
    sight: Complex | None = None

    @property
    def correlation(self) -> Complex:
        """Spatial correlation R of the channels, (L, K, N, N); trace N beta."""
        return self.gains[..., None, None].astype(complex) if self.scattering is None else self.scattering

    @property
    def nearest(self) -> Int:
        """Other users by rising distance, (K, K - 1)."""
        return geometry.nearest_first(self.users, self.period)


def draw_scenario(config: CellFreeConfig, rng: np.random.Generator, given: Given = MappingProxyType({})) -> Scenario:
    """Draw a drop: access points, users, shadowing, pilots, in this order; what is given replaces what is drawn."""
    scenario: Scenario = entry(draw_scenarios(config, [rng], [given]), 0)
    return scenario


def draw_scenarios(config: CellFreeConfig, rngs: Sequence[np.random.Generator], given: Sequence[Given]) -> Scenario:
    """Draw n drops, each from its own generator: one whose arrays have a leading axis n, `height` being a list."""
    n, side = (len(rngs),), config.side
    if config.placement == "uniform":
        placed = geometry.uniform_positions(config.access_points, side, rngs, n)
    elif all("access_points" in parts for parts in given):
        placed = np.zeros((*n, config.access_points, 2))
    else:
        config.check_placement()  # a function may leave out what it could give
        placed = np.broadcast_to(geometry.grid_positions(config.access_points, side), (*n, config.access_points, 2))
    access_points = on_the_ground(given, "access_points", placed)
    somewhere = geometry.uniform_positions(config.users, side, rngs, n)
    if config.user_placement == "quadrants":
        somewhere = geometry.in_quadrants(somewhere, side)
    users = on_the_ground(given, "users", somewhere)
    between, parts = draw_links(config, rngs, given, "access_points", access_points, users)
    gain_db = replaced(given, "gain_db", config.large_scale.gain_db(between, parts["shadowing_db"]))
    if not config.wandering:
        del parts["shadowing_db"]
    gains = config.large_scale.over_noise(gain_db)
    pilots = config.assignment.pilots(gains, rngs)
    orientation = None
    if config.antennas > 1:
        orientation = replaced(given, "orientation", np.zeros((*n, config.access_points)))
    if config.rician_db == "3gpp":
        strays = normals(rngs, between.distance.shape)
        factors = config.large_scale.scenario.rician_db(between, strays)
        given = [{**parts_of, "rician_db": its} for parts_of, its in zip(given, factors, strict=True)]
        parts["strays"] = strays if config.wandering else None
    return network_of(
        config,
        between,
        given,
        access_points=access_points,
        gains=gains,
        pilots=pilots,
        orientation=orientation,
        **parts,
    )


def network_of(
    config: CellFreeConfig,
    links: geometry.Links | None,
    given: Sequence[Given] = (),
    **parts: Any,
) -> Scenario:
    """Networks (n,) of these parts of a `Scenario`, with what follows from them: scattering, lines of sight, clusters.

    Links are asked for with several antennas or lines of sight only; what is `given` replaces the model of scattering,
    and has Rician factors that are not the same everywhere.
    """
    gains, orientation = parts["gains"], parts["orientation"]
    scattering, sight = None, None
    if links is not None and (config.antennas > 1 or config.rician_db is not None):
        azimuth = links.azimuth if orientation is None else links.azimuth - orientation[..., None]
        scattering = _scattering(config, links, gains, azimuth, given)
        factors = _rician_db(config, links, given)
        if factors is not None:
            sight = rician.line_of_sight(gains, factors, azimuth, links.elevation, config.antennas)
            scattering = None if scattering is None else rician.whole_correlation(scattering, factors, sight)
    return Scenario(
        side=config.side,
        period=config.period,
        scattering=scattering,
        sight=sight,
        serving=config.clustering(gains, parts["pilots"], config),
        **parts,
    )


def _scattering(
    config: CellFreeConfig, links: geometry.Links, gains: Float, azimuth: Float, given: Sequence[Given]
) -> Complex | None:
    """Spatial correlation (n, L, K, N, N) of links with these gains; None for single antennas.

    Azimuths (n, L, K) are those that arrays see; what is given of n networks replaces the model.
    """
    if config.antennas == 1:
        return None
    correlation = local_scattering(azimuth, links.elevation, config.antennas, *config.angular_stds)
    return gains[..., None, None] * replaced(given, "correlation", correlation)


def _rician_db(config: CellFreeConfig, links: geometry.Links, given: Sequence[Given]) -> Float | None:
    """Rician factors in dB (n, L, K), of each link or the same for all; None where fading is Rayleigh."""
    if config.rician_db is None:
        return None
    if isinstance(config.rician_db, str):
        if not all("rician_db" in parts for parts in given):
            raise ValueError('network lacks "rician_db": rician_db="given" takes it from there')
        return np.array([parts["rician_db"] for parts in given])
    return np.full(links.distance.shape, config.rician_db, float)
