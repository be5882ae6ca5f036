"""E worlds of cell-free XL-MIMO: powers in, spectral efficiencies and the next positions out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.control import Optimum
from cfenvs.core.drops import Beginning, Drops
from cfenvs.core.errors import check_options
from cfenvs.core.kept import KeptDrops
from cfenvs.core.simulator import Simulator, blocks, zeroed
from cfenvs.power.choices import whole_or_not_at_all
from cfenvs.power.given import GivenParts
from cfenvs.power.objectives import objective_of
from cfenvs.xl_mimo.config import XLMIMOConfig
from cfenvs.xl_mimo.optimum import find_optimum
from cfenvs.xl_mimo.receivers import make_receiver
from cfenvs.xl_mimo.scenario import draw_scenarios, walk


class XLMIMOSimulator(Simulator):
    """E worlds of cell-free XL-MIMO.

    Attributes
    ----------
    gains : (E, M, K) array
        Current large-scale gains over the noise power, per mW.
    positions : (E, K, 2) array
        Current positions of the users in metres.
    powers : (E, K) array
        Powers of the last step in mW, in the meaning of `max_power`; zero after a reset.
    rates : (E, K) array
        Spectral efficiencies of the last step in bit/s/Hz; zero after a reset.
    objective_values, optimum_values, optimum_certified : (E,) arrays
        Of the last step; the second and whether it is proven with `info_optimum` only.
    steps : (E,) int array
        Steps since the reset.
    position_paths, gain_paths : (E, T + 1, K, 2) and (E, T + 1, M, K) arrays
        Of the episode, with walking users only: what they are before each step, and after the last.
    """

    scenarios: KeptDrops

    def __init__(self, config: XLMIMOConfig, num_worlds: int) -> None:
        self.config = config
        self.num_worlds = num_worlds
        self.objective = objective_of(config)
        self.receiver = make_receiver(config, num_worlds)
        shape = (num_worlds, config.users)
        self.scenarios = KeptDrops(num_worlds)
        self.gains = np.ones((num_worlds, config.base_stations, config.users))
        self.positions = np.zeros((*shape, 2))
        self.powers = np.zeros(shape)
        self.rates = np.zeros(shape)
        self.objective_values = np.zeros(num_worlds)
        self.optimum_values = np.zeros(num_worlds)
        self.optimum_certified = np.zeros(num_worlds, bool)
        self.steps = np.zeros(num_worlds, np.int64)
        self.terminated = np.zeros(num_worlds, bool)
        self.truncated = np.zeros(num_worlds, bool)
        self._all = np.arange(num_worlds)
        self._everybody = np.ones(shape, bool)
        self._drops = Drops(num_worlds, config.scenario_seed, config.resample, GivenParts(config))
        self._optima: list[Optimum | None] = [None] * num_worlds
        self._moving = config.mobility != "static"
        if self._moving:
            length = config.episode_length + 1
            self.gain_paths = np.ones((num_worlds, length, *self.gains.shape[1:]))
            self.position_paths = np.zeros((num_worlds, length, config.users, 2))

    def check_options(self, options: Mapping[str, Any], worlds: Int) -> None:
        check_options(options, [])

    def reset(
        self, worlds: Int, generators: Sequence[np.random.Generator], seeded: Bool, options: Mapping[str, Any]
    ) -> None:
        with whole_or_not_at_all(self, generators):
            beginnings = self._drops.begin(worlds, generators, seeded)
            self.gains, self.positions = self.gains.copy(), self.positions.copy()
            for block in blocks(len(worlds), self.config.base_stations * self.config.users):
                self._begin(worlds[block], beginnings[block])
            self.receiver.follow(self.gains, worlds)
        self.steps[worlds] = 0
        for name in ("powers", "rates", "objective_values", "optimum_values"):
            setattr(self, name, zeroed(getattr(self, name), worlds))
        self.terminated[worlds] = False
        self.truncated[worlds] = False
        self._drops.done(worlds)

    def _begin(self, worlds: Int, beginnings: Sequence[Beginning]) -> None:
        """Networks and walks of some worlds, through each stage together."""
        new = [i for i, beginning in enumerate(beginnings) if beginning.drop is not None]
        if new:
            drops = [beginnings[i].drop for i in new]
            drawn = draw_scenarios(self.config, drops, [beginnings[i].given for i in new])  # type: ignore[arg-type]
            self.scenarios.put(worlds[new], drawn)
            self.receiver.prepare_all(worlds[new], drawn)
        for world in (worlds if self._moving else worlds[new]).tolist():
            self._optima[world] = None
        self.gains[worlds] = self.scenarios.rows("gains")[worlds]
        self.positions[worlds] = self.scenarios.rows("users")[worlds]
        if self._moving:
            for world, beginning in zip(worlds.tolist(), beginnings, strict=True):
                paths = walk(self.config, self.scenarios[world], beginning.rng)
                self.position_paths[world], self.gain_paths[world] = paths

    def step(self, command: Float) -> bool:
        config = self.config
        per_antenna = command * config.antenna_share
        rates = self.receiver.efficiencies(per_antenna)
        self.powers, self.rates = command, rates
        self.objective_values = self.objective(self.rates, self._everybody, per_antenna * config.ue_antennas)
        if config.info_optimum:
            optima = [self.optimum(world) for world in range(self.num_worlds)]
            self.optimum_values = np.array([best.of_actions(config.action_type).value for best in optima])
            self.optimum_certified = np.array([best.certified for best in optima])
        self.steps = np.minimum(self.steps + 1, config.episode_length)
        self.truncated = self.steps >= config.episode_length
        if self._moving:
            self.gains = self.gain_paths[self._all, self.steps]
            self.positions = self.position_paths[self._all, self.steps]
            self.receiver.follow(self.gains, self._all)
            self._optima = [None] * self.num_worlds
        return bool(self.truncated.any())

    def optimum(self, world: int) -> Optimum:
        """The best found for a world's current situation, cached until users move or a new network comes."""
        if self.scenarios[world] is None:
            raise ValueError("there is no situation to optimise before the first reset()")
        found = self._optima[world]
        if found is None:
            found = find_optimum(self.config, self.receiver, self.objective, world, self.gains[world])
            self._optima[world] = found
        return found
