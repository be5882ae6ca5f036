"""What a central agent and what single users see of the cell-free uplink; how they act is in `cfenvs.power.views`."""

from __future__ import annotations

import numpy as np
from gymnasium.spaces import Box

from cfenvs.arrays import Float, Float32
from cfenvs.cell_free.config import CellFreeConfig
from cfenvs.cell_free.kernels import observe_neighborhoods, observe_users
from cfenvs.cell_free.simulator import CellFreeSimulator
from cfenvs.core.simulator import Arrays
from cfenvs.power.scaling import GAIN_CLIP, RATE_CLIP, RATE_SCALE
from cfenvs.power.views import CentralPowerView, UsersPowerView


class CentralView(CentralPowerView[CellFreeSimulator]):
    """The CPU: sees everything, sets every user's power, pays for inactive users that send."""

    def __init__(self, simulator: CellFreeSimulator) -> None:
        super().__init__(simulator)
        self.single_observation_space = central_observation_space(simulator.config)

    def observe(self, out: Float32) -> None:
        observe_centrally(self._simulator, out)

    def reward(self) -> Float:
        simulator = self._simulator
        if not simulator.violated:
            return simulator.objective_values.copy()
        return simulator.objective_values - self._config.violation_penalty * simulator.violation_counts

    def outcome(self) -> Arrays:
        infos = super().outcome()
        infos["violations"] = self._simulator.violation_counts.copy()
        return infos


class UsersView(UsersPowerView[CellFreeSimulator]):
    """One agent for each user: sees rates of its neighbourhood, sets its own power."""

    def __init__(self, simulator: CellFreeSimulator) -> None:
        super().__init__(simulator)
        config = simulator.config
        num_users, num_rates = config.users, 1 + config.num_neighbors
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

    def own_reward(self) -> Float:
        """The objective over itself and its active neighbours; 0 while inactive."""
        simulator = self._simulator
        members = simulator.neighborhoods & simulator.acted_active[:, None, :]
        shape = members.shape
        rates = np.broadcast_to(simulator.rates[:, None, :], shape)
        powers = np.broadcast_to(simulator.powers[:, None, :], shape)
        return np.asarray(simulator.objective(rates, members, powers) * simulator.acted_active)

    def state(self) -> Float32:
        out = np.empty((self._simulator.num_worlds, *self.state_space.shape), np.float32)
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
