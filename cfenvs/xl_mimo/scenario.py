"""One drop of the network, and how its users move through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from cfenvs.arrays import Bool, Float
from cfenvs.core.drops import Given
from cfenvs.core.kept import entry
from cfenvs.kernels import kernel
from cfenvs.power.given import GIVEN_DB, heights_above_users, on_the_ground
from cfenvs.radio import geometry, path_loss, shadowing
from cfenvs.radio.near_field import visibility_masks
from cfenvs.xl_mimo.config import XLMIMOConfig


@dataclass(frozen=True, slots=True)
class Scenario:
    """A drop.

    Attributes
    ----------
    base_stations : (M, 2) array
    users : (K, 2) array
        Positions in metres; those of users at the start.
    height : float or (M, K) array, or a list of these
        Of the base stations above the users, in metres; an array where heights are given.
    shadowing_db : (M, K) array
        At the start, in dB.
    gains : (M, K) array
        Large-scale gains beta over the noise power, per mW, at the start.
    visible : (M, K, N_r) bool array
        Antennas of each base station that see each user; empty without visibility windows and line of sight.
    """

    base_stations: Float
    users: Float
    height: Any
    shadowing_db: Float
    gains: Float
    visible: Bool


def draw_scenario(config: XLMIMOConfig, rng: np.random.Generator, given: Given = MappingProxyType({})) -> Scenario:
    """Draw a drop: base stations, users, shadowing, visibility, in this order; what is given replaces what is drawn."""
    scenario: Scenario = entry(draw_scenarios(config, [rng], [given]), 0)
    return scenario


def draw_scenarios(config: XLMIMOConfig, rngs: Sequence[np.random.Generator], given: Sequence[Given]) -> Scenario:
    """Draw n drops, each from its own generator: one whose arrays have a leading axis n, `height` being a list."""
    n, links, side = (len(rngs),), (config.base_stations, config.users), config.side
    base_stations = geometry.uniform_positions(config.base_stations, side, rngs, n)
    base_stations = on_the_ground(given, "base_stations", base_stations)
    users = on_the_ground(given, "users", geometry.uniform_positions(config.users, side, rngs, n))
    heights, height = heights_above_users(given, "base_stations", config.height, links)
    shadow = shadowing.user_correlated_shadowing_db(
        geometry.pairwise_distance(users, side),
        config.base_stations,
        config.shadowing_std_db,
        config.shadowing_decorrelation,
        rngs,
    )
    gain_db = _path_gain_db(config, base_stations, users, height)
    for i, parts in enumerate(given):
        if "gain_db" in parts:
            shadow[i] = parts["gain_db"] - gain_db[i]
    if not config.near_field:
        visible = np.zeros((*n, *links, 0), bool)
    elif config.visibility_window is None:
        visible = np.ones((*n, *links, config.bs_antennas), bool)
    else:
        (rows, columns), (window_x, window_y) = config.bs_array, config.visibility_window
        visible = np.array([visibility_masks(links, rows, columns, window_x, window_y, rng) for rng in rngs])
    return Scenario(base_stations, users, heights, shadow, _over_noise(config, gain_db + shadow), visible)


def gains_at(
    config: XLMIMOConfig, base_stations: Float, users: Float, height: float | Float, shadowing_db: Float
) -> Float:
    """Large-scale gains over the noise power, per mW: positions (..., K, 2), shadowing (..., M, K) -> (..., M, K)."""
    return _over_noise(config, _path_gain_db(config, base_stations, users, height) + shadowing_db)


def _over_noise(config: XLMIMOConfig, gain_db: Float) -> Float:
    return path_loss.db_to_linear(np.minimum(gain_db, GIVEN_DB[1]) - config.noise_dbm)


def _path_gain_db(config: XLMIMOConfig, base_stations: Float, users: Float, height: float | Float) -> Float:
    links = geometry.link_geometry(base_stations, users, config.side, height)
    return path_loss.urban_micro_gain_db(links.distance, config.carrier_ghz)


def walk(config: XLMIMOConfig, scenario: Scenario, rng: np.random.Generator) -> tuple[Float, Float]:
    """Random-waypoint paths of an episode, with the gains along them.

    Each user walks straight, the short way around the square, to a uniformly drawn point, then to the next. Its
    shadowing keeps the correlation 2^(-distance walked / decorrelation) from step to step (Gudmundson 1991), and new
    shadowing has the correlation over users of a fresh drop at the same positions.

    Parameters
    ----------
    config : XLMIMOConfig
    scenario : Scenario
        Where users start.
    rng : numpy.random.Generator

    Returns
    -------
    positions : (T + 1, K, 2) array
        In metres.
    gains : (T + 1, M, K) array
    """
    length = config.episode_length + 1
    goals = config.side * rng.random((length, config.users, 2))
    positions = _waypoint_paths(scenario.users, goals, config.speed * config.step_duration, config.side)
    moved = geometry.wrap(np.diff(positions, axis=0), config.side)
    walked = np.hypot(moved[..., 0], moved[..., 1])
    decorrelation = config.shadowing_decorrelation
    kept = np.exp2(-walked / decorrelation) if decorrelation > 0 else (walked == 0).astype(float)
    between_users = geometry.pairwise_distance(positions[1:], config.side)
    shadow = np.empty((length, config.base_stations, config.users))
    shadow[0] = scenario.shadowing_db
    shadow[1:] = np.sqrt(1.0 - kept[:, None] ** 2) * shadowing.user_correlated_shadowing_db(
        between_users, config.base_stations, config.shadowing_std_db, decorrelation, rng
    )
    for t in range(1, length):
        shadow[t] += kept[t - 1] * shadow[t - 1]
    return positions, gains_at(config, scenario.base_stations, positions, scenario.height, shadow)


@kernel
def _waypoint_paths(start: Float, goals: Float, stride: float, side: float) -> Float:
    """Positions (T + 1, K, 2) of users that walk `stride` metres a step towards one goal of `goals` after another."""
    length, num_users, _ = goals.shape
    positions = np.empty_like(goals)
    for k in range(num_users):
        goal = 0
        x, y = start[k, 0], start[k, 1]
        for t in range(length):
            positions[t, k, 0], positions[t, k, 1] = x, y
            dx, dy = goals[goal, k, 0] - x, goals[goal, k, 1] - y
            dx, dy = dx - side * np.round(dx / side), dy - side * np.round(dy / side)
            left = np.sqrt(dx * dx + dy * dy)
            share = 1.0
            if left > stride:
                share = stride / left
            else:
                goal += 1  # one goal for each step is enough
            x, y = (x + share * dx) % side, (y + share * dy) % side
    return positions
