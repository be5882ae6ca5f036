"""What a network hears of its rates, and with what powers they were earned."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import numpy as np

from cfenvs.arrays import Array, Bool, Float


class Heard(NamedTuple):
    """Of every user, (E, K): its last report, what it had sent, and whether this was not heard before."""

    rates: Float
    shares: Float
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
        self._sent: deque[Float] = deque(maxlen=self._delay + 1)
        self._shares = np.zeros((num_envs, config.users))

    def hear(self, infos: dict[str, Array], shares: Float) -> Heard:
        """What is known after a step in which these shares (E, K) were sent; anything after a reset."""
        if "reports" not in infos:
            return Heard(infos["rates"], shares, np.ones(shares.shape, bool))
        self._sent.append(shares)
        # A report is as old as it is late only when it arrives.
        new = (infos["report_ages"] == self._delay) & (infos["reports"] > 0)
        self._shares = np.where(new, self._sent[0], self._shares)
        return Heard(infos["reports"], self._shares, new)
