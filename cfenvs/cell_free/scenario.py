"""One drop of the network: where everybody stands, large-scale gains, spatial correlation, pilots."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from cfenvs.arrays import Complex, Float, Int
from cfenvs.cell_free.config import CellFreeConfig
from cfenvs.core.drops import Given
from cfenvs.power.given import GIVEN_DB, height_above_users, on_the_ground
from cfenvs.radio import geometry, path_loss, pilots, shadowing
from cfenvs.radio.correlation import local_scattering

UNSHADOWED_DISTANCE = 50.0
"""Metres within which the three-slope model has no shadowing (Ngo et al. 2017, below (52))."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A drop.

    Attributes
    ----------
    access_points : (L, 2) array
    users : (K, 2) array
        Positions in metres.
    height : float or (L, K) array
        Of the access points above the users, in metres; an array where heights are given.
    gains : (L, K) array
        Large-scale gains beta over the noise power, per mW.
    correlation : (L, K, N, N) array
        Spatial correlation R of the channels; trace N beta.
    pilots : (K,) int array
        Pilot of each user.
    nearest : (K, K - 1) int array
        Other users by rising wrap-around distance.
    """

    access_points: Float
    users: Float
    height: float | Float
    gains: Float
    correlation: Complex
    pilots: Int
    nearest: Int


def draw_scenario(config: CellFreeConfig, rng: np.random.Generator, given: Given = MappingProxyType({})) -> Scenario:
    """Draw a drop: access points, users, shadowing, pilots, in this order; what is given replaces what is drawn."""
    side, num_users = config.side, config.users
    if config.placement == "uniform":
        placed = geometry.uniform_positions(config.access_points, side, rng)
    elif "access_points" not in given:
        config.check_placement()  # a function may leave out what it could give
        placed = geometry.grid_positions(config.access_points, side)
    else:
        placed = given["access_points"]
    access_points = on_the_ground(given, "access_points", placed)
    users = on_the_ground(given, "users", geometry.uniform_positions(num_users, side, rng))
    height = height_above_users(given, "access_points", config.height)
    links = geometry.link_geometry(access_points, users, side, height)
    between_users = geometry.pairwise_distance(users, side)
    gain_db = _path_gain_db(config, links) + _shadowing_db(config, access_points, links, between_users, rng)
    noise_dbm = path_loss.noise_power_dbm(config.bandwidth, config.noise_figure_db)
    gains = path_loss.db_to_linear(np.minimum(given.get("gain_db", gain_db), GIVEN_DB[1]) - noise_dbm)
    if config.antennas == 1:
        correlation = gains[:, :, None, None].astype(complex)
    else:
        spread = np.deg2rad(config.angular_std_deg)
        correlation = gains[:, :, None, None] * local_scattering(
            links.azimuth, links.elevation, config.antennas, spread, spread
        )
    assigned = _assign_pilots(config, gains, rng)
    nearest = np.argsort(between_users + np.diag(np.full(num_users, -1.0)), axis=1, kind="stable")[:, 1:]
    return Scenario(access_points, users, height, gains, correlation, assigned, nearest)


def _path_gain_db(config: CellFreeConfig, links: geometry.Links) -> Float:
    if config.path_loss == "urban-micro":
        return path_loss.urban_micro_gain_db(links.distance, config.carrier_ghz)
    return path_loss.three_slope_gain_db(links.distance * np.cos(links.elevation), config.carrier_ghz)


def _shadowing_db(
    config: CellFreeConfig, access_points: Float, links: geometry.Links, between_users: Float, rng: np.random.Generator
) -> Float:
    std, decorrelation = config.shadowing_std_db, config.shadowing_decorrelation
    if config.shadowing == "independent":
        decorrelation = 0.0
    if config.shadowing == "two-component":
        between_access_points = geometry.pairwise_distance(access_points, config.side)
        draw = shadowing.two_component_shadowing_db(between_access_points, between_users, std, decorrelation, rng)
    else:
        draw = shadowing.user_correlated_shadowing_db(between_users, config.access_points, std, decorrelation, rng)
    if config.path_loss == "three-slope":
        return np.where(links.distance * np.cos(links.elevation) > UNSHADOWED_DISTANCE, draw, 0.0)
    return draw


def _assign_pilots(config: CellFreeConfig, gains: Float, rng: np.random.Generator) -> Int:
    if config.pilot_assignment == "least-contaminated":
        return pilots.least_contaminated(gains, config.pilot_length)
    if config.pilot_assignment == "greedy":
        return pilots.greedy(gains, config.pilot_length, config.max_power, rng)
    return pilots.balanced_random(config.users, config.pilot_length, rng)
