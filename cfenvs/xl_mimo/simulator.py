"""E worlds of cell-free XL-MIMO: powers in, spectral efficiencies and the next positions out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.control import Optimum
from cfenvs.power.actions import PowerActions
from cfenvs.power.simulator import PowerSimulator
from cfenvs.xl_mimo.config import XLMIMOConfig
from cfenvs.xl_mimo.optimum import find_optimum
from cfenvs.xl_mimo.receivers import make_receiver
from cfenvs.xl_mimo.scenario import Scenario, draw_scenario, walk


class XLMIMOSimulator(PowerSimulator[XLMIMOConfig, Scenario]):
    """E worlds of cell-free XL-MIMO, where everybody is active. Powers are in the meaning of `max_power`.

    Attributes
    ----------
    gains : (E, M, K) array
        Current large-scale gains over the noise power, per mW.
    positions : (E, K, 2) array
        Current positions of the users in metres.
    position_paths, gain_paths : (E, T + 1, K, 2) and (E, T + 1, M, K) arrays
        Of the episode, with walking users only: what they are before each step, and after the last.
    """

    def __init__(self, config: XLMIMOConfig, num_worlds: int) -> None:
        db = config.power_range_db if config.power_scale == "db" else None
        actions = PowerActions(
            config.action_type, config.max_power, config.action_levels, min_share=config.min_share, range_db=db
        )
        super().__init__(config, num_worlds, actions)
        self.receiver = make_receiver(config, num_worlds)
        self.gains = np.ones((num_worlds, config.base_stations, config.users))
        self.positions = np.zeros((num_worlds, config.users, 2))
        self._moving = config.mobility != "static"
        if self._moving:
            length = config.episode_length + 1
            self.gain_paths = np.ones((num_worlds, length, *self.gains.shape[1:]))
            self.position_paths = np.zeros((num_worlds, length, config.users, 2))
            self._all = np.arange(num_worlds)

    def reset(
        self, worlds: Int, generators: Sequence[np.random.Generator], seeded: Bool, options: Mapping[str, Any]
    ) -> None:
        beginnings = self.drops.begin(worlds, generators, seeded)
        self.gains, self.positions = self.gains.copy(), self.positions.copy()
        for world, (drop, rng, given) in zip(worlds.tolist(), beginnings, strict=True):
            if drop is not None:
                self.scenarios[world] = draw_scenario(self.config, drop, given)
                self.receiver.prepare(world, self.scenario(world))
            scenario = self.scenario(world)
            self.gains[world], self.positions[world] = scenario.gains, scenario.users
            if self._moving:
                self.position_paths[world], self.gain_paths[world] = walk(self.config, scenario, rng)
            if drop is not None or self._moving:
                self.forget(world)
        self.receiver.follow(self.gains)
        self.clear(worlds)

    def step(self, command: Float) -> bool:
        config = self.config
        self.powers = command
        per_antenna = command * config.antenna_share
        self.rates = self.receiver.efficiencies(per_antenna)
        self.judge(per_antenna * config.ue_antennas)
        self.steps = np.minimum(self.steps + 1, config.episode_length)
        self.truncated = self.steps >= config.episode_length
        if self._moving:
            self.gains = self.gain_paths[self._all, self.steps]
            self.positions = self.position_paths[self._all, self.steps]
            self.receiver.follow(self.gains)
            self.forget()
        return bool(self.truncated.any())

    def find_optimum(self, world: int) -> Optimum:
        return find_optimum(self.config, self.receiver, self.objective, world, self.gains[world])
