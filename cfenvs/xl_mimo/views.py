"""What a central agent and single users see of cell-free XL-MIMO; how they act on it is in `cfenvs.power.views`.

`observation` names the pieces. K users, M base stations:

==========  ===========  =========  ===================================================================================
piece       central      user       meaning
==========  ===========  =========  ===================================================================================
"gains"     M K          1 + M      large-scale gains, row by row; a user's own: their sum, then each by falling size:
                                    (dB over the noise at 1 mW + 20) / 20, clipped at -4 and 4
"rates"     K            1          what was last reported of spectral efficiencies, over 10 bit/s/Hz and clipped at 4
"powers"    K            1          what was sent in the last step, as a share of `max_power`; 0 after a reset
"age"       K            1          how many steps before the last one the step was that "rates" tells of, over 10 and
                                    clipped at 4: 0 at once, as without options of reports
==========  ===========  =========  ===================================================================================
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from gymnasium.spaces import Box

from cfenvs.arrays import Float, Float32
from cfenvs.power.pieces import Pieces, layout, pieces_of
from cfenvs.power.scaling import GAIN_CLIP, RATE_CLIP, scaled_ages, scaled_gains
from cfenvs.power.views import CentralPowerView, UsersPowerView
from cfenvs.radio.path_loss import linear_to_db
from cfenvs.xl_mimo.config import XLMIMOConfig
from cfenvs.xl_mimo.simulator import XLMIMOSimulator

STREAMS_RATE_SCALE = 10.0
"""Spectral efficiencies in observations are in units of 10 bit/s/Hz: users have several streams."""


class CentralView(CentralPowerView[XLMIMOSimulator]):
    """The CPU: sees what is asked for of all users, sets every user's power."""

    def __init__(self, simulator: XLMIMOSimulator) -> None:
        super().__init__(simulator)
        self._pieces, config = CentralPieces(simulator), simulator.config
        self.single_observation_space = self._pieces.space
        if config.observation == "gains" and not config.flat_observation:
            shape = (config.base_stations, config.users)
            self.single_observation_space = Box(-GAIN_CLIP, GAIN_CLIP, shape, np.float32)

    def observe(self, out: Float32) -> None:
        self._pieces.write(out.reshape(len(out), -1))


class UsersView(UsersPowerView[XLMIMOSimulator]):
    """One agent for each user: sees what is asked for of its own, sets its power, earns the objective or its rate."""

    def __init__(self, simulator: XLMIMOSimulator) -> None:
        super().__init__(simulator, UsersPieces(simulator), CentralPieces(simulator))


def central_layout(config: XLMIMOConfig) -> dict[str, slice]:
    """Where each piece stands in what the CPU observes, flat.

    Examples
    --------
    >>> central_layout(XLMIMOConfig(base_stations=9, users=6, observation="gains+rates"))
    {'gains': slice(0, 54, None), 'rates': slice(54, 60, None)}
    """
    K, M = config.users, config.base_stations
    return layout({"gains": M * K, "rates": K, "powers": K, "age": K}, pieces_of(config))


def users_layout(config: XLMIMOConfig) -> dict[str, slice]:
    """Where each piece stands in what a user observes."""
    return layout({"gains": 1 + config.base_stations, "rates": 1, "powers": 1, "age": 1}, pieces_of(config))


class _OfOwn(Pieces, ABC):
    """Pieces of which there is one for each user; gains are scaled again when the simulator has others."""

    def __init__(self, simulator: XLMIMOSimulator, parts: dict[str, slice]) -> None:
        super().__init__(parts, RATE_CLIP)
        self._simulator = simulator
        self._gains: Float | None = None
        self._scaled = np.zeros(0, np.float32)

    def gains(self, out: Float32, part: slice) -> None:
        """Scaled gains."""
        if self._gains is not self._simulator.gains:  # the simulator replaces the array when anything changes
            self._gains = self._simulator.gains
            self._scaled = scaled_gains(linear_to_db(self._arranged(self._gains))).astype(np.float32)
        out[..., part] = self._scaled

    def rates(self, out: Float32, part: slice) -> None:
        """As they were reported."""
        self._write(out, part, np.minimum(self._simulator.reported / STREAMS_RATE_SCALE, RATE_CLIP))

    def powers(self, out: Float32, part: slice) -> None:
        """Shares of full power in the last step."""
        self._write(out, part, self._simulator.powers / self._simulator.config.max_power)

    def age(self, out: Float32, part: slice) -> None:
        """Of the reports."""
        self._write(out, part, scaled_ages(self._simulator.report_ages))

    @abstractmethod
    def _arranged(self, gains: Float) -> Float:
        """Gains (E, M, K) as they are observed, not scaled yet."""

    @abstractmethod
    def _write(self, out: Float32, part: slice, values: Float) -> None:
        """Write a number of each user, (E, K)."""


class CentralPieces(_OfOwn):
    """What the CPU observes of all worlds, (E, S)."""

    def __init__(self, simulator: XLMIMOSimulator) -> None:
        super().__init__(simulator, central_layout(simulator.config))

    def _arranged(self, gains: Float) -> Float:
        return gains.reshape(len(gains), -1)

    def _write(self, out: Float32, part: slice, values: Float) -> None:
        out[:, part] = values


class UsersPieces(_OfOwn):
    """What users observe in all worlds, (E, K, D)."""

    def __init__(self, simulator: XLMIMOSimulator) -> None:
        super().__init__(simulator, users_layout(simulator.config))

    def _arranged(self, gains: Float) -> Float:
        strongest_first = -np.sort(-gains.swapaxes(1, 2), axis=2)
        return np.concatenate([gains.sum(axis=1)[..., None], strongest_first], axis=2)

    def _write(self, out: Float32, part: slice, values: Float) -> None:
        out[..., part] = values[..., None]
