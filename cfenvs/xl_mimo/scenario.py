"""One drop of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from cfenvs.arrays import Bool, Float
from cfenvs.core.drops import Given
from cfenvs.core.kept import entry
from cfenvs.power.drop import Drop, draw_links
from cfenvs.power.given import on_the_ground, replaced
from cfenvs.radio import geometry
from cfenvs.radio.near_field import visibility_masks
from cfenvs.xl_mimo.config import XLMIMOConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario(Drop):
    """A drop; what it has of users, heights and walks is said by `cfenvs.power.drop.Drop`.

    Attributes
    ----------
    base_stations : (M, 2) array
        Positions in metres.
    gains : (M, K) array
        Large-scale gains beta over the noise power, per mW, at the start.
    visible : (M, K, N_r) bool array
        Antennas of each base station that see each user; empty without visibility windows and line of sight.
    rician : (M, K) array, or None without a line of sight
        Its power over that of the scattering.
    """

    base_stations: Float
    gains: Float
    visible: Bool
    rician: Float | None = None


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
    between, parts = draw_links(config, rngs, given, "base_stations", base_stations, users)
    shadow = parts["shadowing_db"]
    gain_db = config.large_scale.gain_db(between, shadow)
    if any("gain_db" in said for said in given):
        path_gain_db = config.large_scale.path_gain_db(between)
        for i, said in enumerate(given):
            if "gain_db" in said:
                shadow[i] = said["gain_db"] - path_gain_db[i]
                gain_db[i] = path_gain_db[i] + shadow[i]
    if not config.near_field:
        visible = np.zeros((*n, *links, 0), bool)
    elif config.visibility_window is None:
        visible = np.ones((*n, *links, config.bs_antennas), bool)
    else:
        (rows, columns), (window_x, window_y) = config.bs_array, config.visibility_window
        visible = np.array([visibility_masks(links, rows, columns, window_x, window_y, rng) for rng in rngs])
    gains = config.large_scale.over_noise(gain_db)
    rician = None
    if config.rician_factor > 0:
        everywhere = np.full((*n, *links), float(config.rician_factor))
        rician = replaced(given, "rician_db", everywhere, lambda in_db: 10.0 ** (in_db / 10.0))
    return Scenario(base_stations=base_stations, gains=gains, visible=visible, rician=rician, **parts)
