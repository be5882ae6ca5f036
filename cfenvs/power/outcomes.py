"""Infos on a step of power control, the same in every system whose users set powers and earn rates.

Copies: who writes into an info writes into nothing that the next step, an observation or a picture reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cfenvs.arrays import Float
from cfenvs.core.simulator import Arrays

if TYPE_CHECKING:
    from cfenvs.power.simulator import PowerSimulator


def central_outcome(simulator: PowerSimulator[Any, Any]) -> Arrays:
    """What a central agent is told: `rates`, `powers` (E, K), `objective` (E,), with `info_optimum` its regret too."""
    infos: Arrays = {
        "rates": simulator.rates.copy(),
        "powers": simulator.powers.copy(),
        "objective": simulator.objective_values.copy(),
    }
    if simulator.config.info_optimum:
        infos["optimum"] = simulator.optimum_values.copy()
        infos["regret"] = simulator.optimum_values - simulator.objective_values
    return infos


def users_outcome(simulator: PowerSimulator[Any, Any]) -> Arrays:
    """What each user's agent is told: its `rate` and `power`, with `info_optimum` the regret of all; each (E, K)."""
    infos: Arrays = {"rate": simulator.rates.copy(), "power": simulator.powers.copy()}
    if simulator.config.info_optimum:
        infos["regret"] = for_every_user(simulator, simulator.optimum_values - simulator.objective_values)
    return infos


def for_every_user(simulator: PowerSimulator[Any, Any], values: Float) -> Float:
    """A value of each world (E,) given to all of its users, (E, K)."""
    return np.repeat(values[:, None], simulator.config.users, axis=1)
