"""E worlds of cell-free XL-MIMO: powers in, spectral efficiencies and the next positions out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cfenvs.arrays import Float, Int
from cfenvs.control import Optimum
from cfenvs.core.drops import Given
from cfenvs.power.actions import PowerActions
from cfenvs.power.simulator import PowerSimulator, Start
from cfenvs.power.walks import Walks
from cfenvs.xl_mimo.config import XLMIMOConfig
from cfenvs.xl_mimo.optimum import find_optimum
from cfenvs.xl_mimo.receivers import make_receiver
from cfenvs.xl_mimo.scenario import Scenario, draw_scenarios


class XLMIMOSimulator(PowerSimulator[XLMIMOConfig, Scenario]):
    """E worlds of cell-free XL-MIMO, where everybody is active. Powers are in the meaning of `max_power`.

    Attributes
    ----------
    gains : (E, M, K) array
        Current large-scale gains over the noise power, per mW.
    positions : (E, K, 2) array
        Current positions of the users in metres.
    walks : Walks
        With walking users only.
    """

    def __init__(self, config: XLMIMOConfig, num_worlds: int) -> None:
        db = config.power_range_db if config.power_scale == "db" else None
        actions = PowerActions(
            config.action_type, config.max_power, config.action_levels, min_share=config.min_share, range_db=db
        )
        super().__init__(config, num_worlds, actions, float(config.ue_antennas))
        self.receiver = make_receiver(config, num_worlds)
        self.gains = np.ones((num_worlds, config.base_stations, config.users))
        self.positions = np.zeros((num_worlds, config.users, 2))
        self._all = np.arange(num_worlds)
        self._moving = config.mobility != "static"
        if self._moving:
            self.walks = Walks(config, num_worlds, config.base_stations, self.given.map)

    def draw(self, drops: Sequence[np.random.Generator], given: Sequence[Given]) -> Scenario:
        return draw_scenarios(self.config, drops, given)

    def begin(self, worlds: Int, starts: Sequence[Start[Scenario]], options: Mapping[str, Any]) -> None:
        self.gains, self.positions = self.gains.copy(), self.positions.copy()
        self.gains[worlds] = self.scenarios.rows("gains")[worlds]
        self.positions[worlds] = self.scenarios.rows("users")[worlds]
        for start in starts:
            new = start.worlds[start.new]
            if start.drawn is not None:
                self.receiver.prepare_all(new, start.drawn)
            for world in (start.worlds if self._moving else new).tolist():
                self.forget(world)
            if self.reports is not None:
                self.reports.start(start.worlds, start.rngs, start.seeded)  # before walks, which move the generators
            if self._moving:
                for world, rng in zip(start.worlds.tolist(), start.rngs, strict=True):
                    scenario = self.scenario(world)
                    self.walks.start(world, scenario, scenario.base_stations, rng)
        self.receiver.follow(self.gains, worlds)

    def step(self, command: Float) -> bool:
        config, undo = self.config, self.hold_finished() if self.live_on else None
        steps = np.minimum(self.steps + 1, self.ends)
        if self._moving:
            self.walks.reach(steps // config.gain_period)
        per_antenna = command * config.antenna_share
        rates = self.receiver.efficiencies(per_antenna)
        self.powers, self.rates = command, rates
        self.judge(per_antenna * config.ue_antennas)
        if undo is not None:
            undo()
        self.steps, self.truncated = steps, steps >= self.ends
        if self._moving and (config.gain_period == 1 or (steps % config.gain_period == 0).any()):
            self.gains, self.positions = self.walks.at(steps // config.gain_period)
            self.receiver.follow(self.gains, self._all)
            self.forget()
        return bool(self.truncated.any())

    def find_optimum(self, world: int) -> Optimum:
        return find_optimum(self.config, self.receiver, self.objective, world, self.gains[world])

    def rates_at(self, powers: Float) -> Float:
        return self.receiver.efficiencies(powers * self.config.antenna_share)

    def rates_gradient(self, powers: Float, cotangents: Float) -> Float:
        share = self.config.antenna_share
        return self.receiver.gradient(powers * share, cotangents) * share
