"""What a network hears of its rates, and of which situation it was."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import numpy as np

from cfenvs.arrays import Array, Bool, Float


class Heard(NamedTuple):
    """Of every user, (E, K): the rate that it last reported, what was noted in that step, and whether this is new."""

    rates: Float
    noted: Float
    new: Bool


class Listener:
    """Follows the reports of an environment: the rates themselves, unless its options say otherwise.

    Parameters
    ----------
    config : CellFreeConfig or XLMIMOConfig
    num_envs : int
    """

    def __init__(self, config: Any, num_envs: int) -> None:
        self._delay = config.report_delay
        self._notes: deque[Float] = deque(maxlen=self._delay + 1)
        self._noted = np.zeros((num_envs, config.users))

    def hear(self, infos: dict[str, Array], note: Float) -> Heard:
        """What is known after a step, of which something (E, K) is noted, such as the powers that were sent."""
        if "reports" not in infos:
            return Heard(infos["rates"], note, np.ones(note.shape, bool))
        self._notes.append(note)
        # A report is as old as it is late only when it arrives.
        new = (infos["report_ages"] == self._delay) & (infos["reports"] > 0)
        self._noted = np.where(new, self._notes[0], self._noted)
        return Heard(infos["reports"], self._noted, new)
