"""One drop of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from cfenvs.arrays import Bool, Float
from cfenvs.core.drops import Given
from cfenvs.core.kept import entry
from cfenvs.power.given import GIVEN_DB, heights_above_users, on_the_ground
from cfenvs.radio import geometry, path_loss, shadowing
from cfenvs.radio.draws import Source
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
    shadow = _shadowing_db(config, users, rngs)
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


class Ground:
    """A drop that users walk through, a `cfenvs.power.walks.Ground`."""

    still_db = None

    def __init__(self, config: XLMIMOConfig, scenario: Scenario) -> None:
        self._config, self._scenario = config, scenario
        self.users, self.shadowing_db, self.columns = scenario.users, scenario.shadowing_db, config.base_stations

    def fresh_shadowing_db(self, positions: Float, rng: np.random.Generator) -> Float:
        """What a new drop would have at positions (T, K, 2), (T, M, K)."""
        return _shadowing_db(self._config, positions, rng)

    def gains(self, positions: Float, shadowing_db: Float) -> Float:
        """Large-scale gains over the noise power, per mW: positions (T, K, 2), shadowing (T, M, K) -> (T, M, K)."""
        config, scenario = self._config, self._scenario
        gain_db = _path_gain_db(config, scenario.base_stations, positions, scenario.height)
        return _over_noise(config, gain_db + shadowing_db)


def _shadowing_db(config: XLMIMOConfig, users: Float, rng: Source) -> Float:
    return shadowing.user_correlated_shadowing_db(
        geometry.pairwise_distance(users, config.period),
        config.base_stations,
        config.shadowing_std_db,
        config.shadowing_decorrelation,
        rng,
    )


def _over_noise(config: XLMIMOConfig, gain_db: Float) -> Float:
    return path_loss.db_to_linear(np.minimum(gain_db, GIVEN_DB[1]) - config.noise_dbm)


def _path_gain_db(config: XLMIMOConfig, base_stations: Float, users: Float, height: float | Float) -> Float:
    links = geometry.link_geometry(base_stations, users, config.period, height)
    return path_loss.urban_micro_gain_db(links.distance, config.carrier_ghz)
