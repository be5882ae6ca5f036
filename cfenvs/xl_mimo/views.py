"""What a central agent and single users see of cell-free XL-MIMO; how they act on it is in `cfenvs.power.views`."""

from __future__ import annotations

import numpy as np
from gymnasium.spaces import Box

from cfenvs.arrays import Float, Float32
from cfenvs.power.scaling import GAIN_CLIP, scaled_gains
from cfenvs.power.views import CentralPowerView, UsersPowerView
from cfenvs.radio.path_loss import linear_to_db
from cfenvs.xl_mimo.simulator import XLMIMOSimulator


class CentralView(CentralPowerView[XLMIMOSimulator]):
    """The CPU: sees all large-scale gains, sets every user's power."""

    def __init__(self, simulator: XLMIMOSimulator) -> None:
        super().__init__(simulator)
        config = simulator.config
        self._gains: Float | None = None
        self._scaled = np.zeros((simulator.num_worlds, config.base_stations, config.users), np.float32)
        gains = (config.base_stations, config.users)
        shape = (config.base_stations * config.users,) if config.flat_observation else gains
        self.single_observation_space = Box(-GAIN_CLIP, GAIN_CLIP, shape, np.float32)

    def observe(self, out: Float32) -> None:
        if self._gains is not self._simulator.gains:  # the simulator replaces the array when anything changes
            self._gains = self._simulator.gains
            self._scaled = scaled_gains(linear_to_db(self._gains)).astype(np.float32)
        out[:] = self._scaled.reshape(out.shape)


class UsersView(UsersPowerView[XLMIMOSimulator]):
    """One agent for each user: sees its own large-scale gains, sets its own power, earns the objective or its rate."""

    def __init__(self, simulator: XLMIMOSimulator) -> None:
        super().__init__(simulator)
        config = simulator.config
        self._gains: Float | None = None
        self._scaled = np.zeros((simulator.num_worlds, config.users, config.base_stations + 1))
        self.single_observation_space = Box(-GAIN_CLIP, GAIN_CLIP, (config.base_stations + 1,), np.float32)
        self.state_space = Box(-GAIN_CLIP, GAIN_CLIP, (config.base_stations * config.users,), np.float32)

    def observe(self, out: Float32) -> None:
        if self._gains is not self._simulator.gains:  # the simulator replaces the array when anything changes
            self._gains = self._simulator.gains
            strongest_first = -np.sort(-self._gains.swapaxes(1, 2), axis=2)
            total = self._gains.sum(axis=1)[..., None]
            self._scaled = scaled_gains(linear_to_db(np.concatenate([total, strongest_first], axis=2)))
        out[:] = self._scaled

    def state(self) -> Float32:
        gains_db = linear_to_db(self._simulator.gains)
        return scaled_gains(gains_db).reshape(len(gains_db), -1).astype(np.float32)
