"""What a central agent and what single users see of cell-free XL-MIMO, and how they act on it."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete

from cfenvs.arrays import Bool, Float, Float32
from cfenvs.core.actions import check_shares, take_levels
from cfenvs.core.outcomes import central_outcome, for_every_user, users_outcome
from cfenvs.core.scaling import GAIN_CLIP, scaled_gains
from cfenvs.core.simulator import AgentsView, Arrays, View
from cfenvs.radio.path_loss import db_to_linear, linear_to_db
from cfenvs.xl_mimo.config import XLMIMOConfig
from cfenvs.xl_mimo.simulator import XLMIMOSimulator


class CentralView(View):
    """The CPU: sees all large-scale gains, sets every user's power."""

    def __init__(self, simulator: XLMIMOSimulator) -> None:
        self._simulator = simulator
        config = simulator.config
        self._config = config
        self._shape = (simulator.num_worlds, config.users)
        self._everybody = np.ones(self._shape, bool)
        self._gains: Float | None = None
        self._scaled = np.zeros((simulator.num_worlds, config.base_stations, config.users), np.float32)
        gains = (config.base_stations, config.users)
        shape = (config.base_stations * config.users,) if config.flat_observation else gains
        self.single_observation_space = Box(-GAIN_CLIP, GAIN_CLIP, shape, np.float32)
        self.single_action_space: gym.Space[Any]
        if config.levels is None:
            self.single_action_space = Box(0.0, 1.0, (config.users,), np.float32)
        else:
            self.single_action_space = MultiDiscrete([len(config.levels)] * config.users)

    def command(self, actions: Any) -> Float:
        return powers_of(self._config, actions, self._everybody)

    def observe(self, out: Float32) -> None:
        if self._gains is not self._simulator.gains:  # the simulator replaces the array when anything changes
            self._gains = self._simulator.gains
            self._scaled = scaled_gains(linear_to_db(self._gains)).astype(np.float32)
        out[:] = self._scaled.reshape(out.shape)

    def reward(self) -> Float:
        return self._simulator.objective_values.copy()

    def outcome(self) -> Arrays:
        return central_outcome(self._simulator)


class UsersView(AgentsView):
    """One agent for each user: sees its own large-scale gains, sets its own power."""

    def __init__(self, simulator: XLMIMOSimulator) -> None:
        self._simulator = simulator
        config = simulator.config
        self._config = config
        self._shape = (simulator.num_worlds, config.users)
        self._everybody = np.ones(self._shape, bool)
        self._gains: Float | None = None
        self._scaled = np.zeros((*self._shape, config.base_stations + 1))
        self.agents = tuple(f"user_{k}" for k in range(config.users))
        self.single_observation_space = Box(-GAIN_CLIP, GAIN_CLIP, (config.base_stations + 1,), np.float32)
        self.single_action_space: gym.Space[Any] = (
            Box(0.0, 1.0, (1,), np.float32) if config.levels is None else Discrete(len(config.levels))
        )
        self.state_space = Box(-GAIN_CLIP, GAIN_CLIP, (config.base_stations * config.users,), np.float32)

    def may_act(self) -> Bool:
        return self._everybody

    def command(self, actions: Any) -> Float:
        if self._config.levels is None:
            actions = check_shares(actions, (*self._shape, 1))[..., 0]
        return powers_of(self._config, actions, self._everybody)

    def observe(self, out: Float32) -> None:
        if self._gains is not self._simulator.gains:  # the simulator replaces the array when anything changes
            self._gains = self._simulator.gains
            strongest_first = -np.sort(-self._gains.swapaxes(1, 2), axis=2)
            total = self._gains.sum(axis=1)[..., None]
            self._scaled = scaled_gains(linear_to_db(np.concatenate([total, strongest_first], axis=2)))
        out[:] = self._scaled

    def reward(self) -> Float:
        simulator = self._simulator
        if self._config.reward_scope == "own":
            return simulator.rates.copy()
        return for_every_user(simulator, simulator.objective_values)

    def situation(self) -> Arrays:
        if self._config.levels is None:  # Gymnasium's Box takes no mask
            return {"active": self._everybody.copy()}
        mask = np.ones((*self._shape, len(self._config.levels)), np.int8)
        return {"active": self._everybody.copy(), "action_mask": mask}

    def outcome(self) -> Arrays:
        return users_outcome(self._simulator)

    def state(self) -> Float32:
        gains_db = linear_to_db(self._simulator.gains)
        return scaled_gains(gains_db).reshape(self._shape[0], -1).astype(np.float32)


def powers_of(config: XLMIMOConfig, actions: Any, everybody: Bool) -> Float:
    """Powers in mW of actions (E, K): shares of the maximum, linear or in dB, or level indices; with the floor."""
    if config.levels is not None:
        powers = take_levels(actions, np.array(config.levels), everybody)
        return np.maximum(powers, config.min_share * config.max_power)
    shares = check_shares(actions, everybody.shape)
    if config.power_scale == "db":
        shares = db_to_linear((shares - 1.0) * config.power_range_db)
    return config.max_power * np.maximum(shares, config.min_share)
