"""The optimum of a situation: exact where an exact algorithm exists, otherwise the best found, and it says which."""

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Bool, Float
from cfenvs.cell_free.config import CellFreeConfig
from cfenvs.cell_free.receivers import Receiver
from cfenvs.control import Optimum, PowerSolution, max_min_discrete
from cfenvs.control.search import best_continuous, best_discrete
from cfenvs.core.objectives import MinimumRate, Objective
from cfenvs.radio.spectral_efficiency import prelog


def is_exact(receiver: Receiver, objective: Objective) -> bool:
    """Whether the optimum is proven, and not the best found."""
    return type(objective) is MinimumRate and receiver.max_min_is_exact


def find_optimum(config: CellFreeConfig, receiver: Receiver, objective: Objective, world: int, active: Bool) -> Optimum:
    """The optimum of one world with these users active."""
    scale = prelog(config.pilot_length, config.coherence_length)
    if not active.any():
        nothing = PowerSolution(np.zeros(config.users), 0.0, 0)
        return Optimum.of(nothing, nothing, certified=True)

    def rates(p: Float) -> Float:
        return receiver.efficiencies_in(world, p[None])[0] * scale

    def evaluate(powers: Float) -> Float:
        rates = receiver.efficiencies_in(world, powers) * scale
        return objective(rates, np.broadcast_to(active, powers.shape), powers)

    if type(objective) is MinimumRate:
        discrete = max_min_discrete(rates, config.levels, config.users, active)
        continuous = receiver.max_min(world, active)
        if is_exact(receiver, objective):
            value = continuous.value * scale
            if config.utility == "cqi":  # the same powers, whose value CQI steps round down
                value = float(evaluate(continuous.p[None])[0])
            continuous = continuous._replace(value=value)
            return Optimum.of(continuous, discrete, certified=True)
        starts = [continuous.p, discrete.p]
        continuous = best_continuous(evaluate, config.max_power, starts, active)
        return Optimum.of(continuous, discrete, certified=False)

    full = np.where(active, config.max_power, 0.0)
    starts = [full, *receiver.starting_points(world, active)]
    # From points at which all active users send, then from the best of them with silence as a further level.
    discrete = best_discrete(evaluate, [level for level in config.levels if level > 0], starts, active)
    if config.action_levels[0] == 0:
        discrete = best_discrete(evaluate, config.action_levels, [*starts, discrete.p], active)
    continuous = best_continuous(evaluate, config.max_power, [*starts, discrete.p], active)
    return Optimum.of(continuous, discrete, certified=False)
