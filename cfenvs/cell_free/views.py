"""What a central agent and what single users see of the cell-free uplink, and how they act on it."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete

from cfenvs.arrays import Bool, Float, Float32
from cfenvs.cell_free.config import CellFreeConfig
from cfenvs.cell_free.kernels import observe_neighborhoods, observe_users
from cfenvs.cell_free.simulator import VIOLATION_SHARE, CellFreeSimulator, Transmission
from cfenvs.core.actions import as_array, check_indices, check_shares, take_levels
from cfenvs.core.simulator import AgentsView, Arrays, View
from cfenvs.power.outcomes import central_outcome, for_every_user, users_outcome
from cfenvs.power.scaling import GAIN_CLIP, RATE_CLIP, RATE_SCALE


class CentralView(View):
    """The CPU: sees everything, sets every user's power."""

    def __init__(self, simulator: CellFreeSimulator) -> None:
        self._simulator = simulator
        config = simulator.config
        self._config = config
        self._shape = (simulator.num_worlds, config.users)
        self._everybody = np.ones(self._shape, bool)
        self._levels = np.array(config.action_levels)
        self.single_observation_space = central_observation_space(config)
        self.single_action_space: gym.Space[Any]
        if config.action_type == "continuous":
            self.single_action_space = Box(0.0, 1.0, (config.users,), np.float32)
        elif config.action_type == "joint":
            self.single_action_space = Discrete(len(self._levels) ** config.users)
            self._digits = len(self._levels) ** np.arange(config.users)[::-1]
        else:
            self.single_action_space = MultiDiscrete([len(self._levels)] * config.users)

    def command(self, actions: Any) -> Transmission:
        config, levels = self._config, self._levels
        if config.action_type == "continuous":
            shares = check_shares(actions, self._shape)
            return Transmission(shares * config.max_power, VIOLATION_SHARE * config.max_power)
        if config.action_type == "joint":
            joint = check_indices(actions, self._shape[:1], len(levels) ** config.users)
            return Transmission(levels[joint[:, None] // self._digits % len(levels)], 0.0)
        return Transmission(take_levels(actions, levels, self._everybody), 0.0)

    def observe(self, out: Float32) -> None:
        observe_centrally(self._simulator, out)

    def reward(self) -> Float:
        simulator = self._simulator
        return simulator.objective_values - self._config.violation_penalty * simulator.violation_counts

    def outcome(self) -> Arrays:
        simulator = self._simulator
        return {**central_outcome(simulator), "violations": simulator.violation_counts.copy()}


class UsersView(AgentsView):
    """One agent for each user: sees rates of its neighbourhood, sets its own power."""

    def __init__(self, simulator: CellFreeSimulator) -> None:
        self._simulator = simulator
        config = simulator.config
        self._config = config
        num_users = config.users
        self.agents = tuple(f"user_{k}" for k in range(num_users))
        self._levels = np.array(config.action_levels)
        continuous = config.action_type == "continuous"
        self._shape = (simulator.num_worlds, num_users)
        self.single_action_space: gym.Space[Any] = (
            Box(0.0, 1.0, (1,), np.float32) if continuous else Discrete(len(self._levels))
        )
        num_rates = 1 + config.num_neighbors
        low, high = [np.zeros(num_rates)], [np.full(num_rates, RATE_CLIP)]
        if config.observation == "rates+gains":
            low.append(np.full(1 + config.access_points, -GAIN_CLIP))
            high.append(np.full(1 + config.access_points, GAIN_CLIP))
        if config.identity:
            low.append(np.zeros(num_users))
            high.append(np.ones(num_users))
        self.single_observation_space = Box(
            np.concatenate(low).astype(np.float32), np.concatenate(high).astype(np.float32)
        )
        self.state_space = central_observation_space(config)
        self._num_rates = num_rates

    def may_act(self) -> Bool:
        return self._simulator.active

    def command(self, actions: Any) -> Transmission:
        config, active = self._config, self._simulator.active
        if config.action_type == "continuous":
            actions = as_array(actions)
            shape = (*self._shape, 1)
            if actions.shape == shape and actions.dtype.kind in "fiu":
                actions = np.where(active[..., None], actions, 0.0)
            shares = check_shares(actions, shape)
            return Transmission(shares[..., 0] * config.max_power * active, 0.0)
        return Transmission(take_levels(actions, self._levels, active), 0.0)

    def observe(self, out: Float32) -> None:
        simulator, config = self._simulator, self._config
        observe_neighborhoods(simulator.rates, simulator.neighbors, RATE_SCALE, RATE_CLIP, out)
        start = self._num_rates
        if config.observation == "rates+gains":
            stop = start + 1 + config.access_points
            out[..., start:stop] = simulator.scaled_gains
            start = stop
        if config.identity:
            out[..., start:] = np.eye(config.users)

    def reward(self) -> Float:
        simulator, config = self._simulator, self._config
        if config.reward_scope == "global":
            return for_every_user(simulator, simulator.objective_values)
        members = simulator.neighborhoods & simulator.acted_active[:, None, :]
        shape = members.shape
        rates = np.broadcast_to(simulator.rates[:, None, :], shape)
        powers = np.broadcast_to(simulator.powers[:, None, :], shape)
        return np.asarray(simulator.objective(rates, members, powers) * simulator.acted_active)

    def situation(self) -> Arrays:
        """Who is active; an inactive user's mask allows the first action only, which stands for none."""
        active = self._simulator.active
        if self._config.action_type == "continuous":  # Gymnasium's Box takes no mask
            return {"active": active.copy()}
        mask = np.repeat(active[..., None].astype(np.int8), len(self._levels), axis=2)
        mask[..., 0] = 1
        return {"active": active.copy(), "action_mask": mask}

    def outcome(self) -> Arrays:
        return users_outcome(self._simulator)

    def state(self) -> Float32:
        out = np.empty((self._shape[0], *self.state_space.shape), np.float32)
        observe_centrally(self._simulator, out)
        return out


def central_observation_space(config: CellFreeConfig) -> Box:
    """Bounds of [d, v, u] and, with gains, of the K (1 + L) gains."""
    num_users = config.users
    high = [np.ones(2 * num_users), np.full(num_users, RATE_CLIP)]
    low = [np.zeros(3 * num_users)]
    if config.observation == "rates+gains":
        high.append(np.full(num_users * (1 + config.access_points), GAIN_CLIP))
        low.append(-high[-1])
    return Box(np.concatenate(low).astype(np.float32), np.concatenate(high).astype(np.float32))


def observe_centrally(simulator: CellFreeSimulator, out: Float32) -> None:
    """Write the central observation of all worlds, (E, S)."""
    observe_users(simulator.active, simulator.violations, simulator.rates, RATE_SCALE, RATE_CLIP, out)
    if simulator.config.observation == "rates+gains":
        out[:, 3 * simulator.config.users :] = simulator.scaled_gains.reshape(simulator.num_worlds, -1)
