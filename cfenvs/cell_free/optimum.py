"""The optimum of a situation: exact where an exact algorithm exists, otherwise the best found, and it says which."""

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Bool, Float
from cfenvs.cell_free.config import CellFreeConfig
from cfenvs.cell_free.receivers import Receiver
from cfenvs.control import Optimum, PowerSolution, max_min_discrete
from cfenvs.control.discrete import max_min_refined
from cfenvs.control.search import best_continuous, best_discrete
from cfenvs.control.solution import rates_about, relative_gap
from cfenvs.power.objectives import MinimumRate, Objective
from cfenvs.radio.spectral_efficiency import cqi_of_rate, prelog

RANDOM_STARTS = 4
"""Of the search over levels, beside those that are good guesses; from a fixed seed."""
MAX_MIN = "max-min fixed point, search over all levels"
SEARCH = "L-BFGS-B and ascent over levels, from several starts"


def find_optimum(config: CellFreeConfig, receiver: Receiver, objective: Objective, world: int, active: Bool) -> Optimum:
    """The optimum of one world with these users active.

    For the minimum rate under a receiver whose `max_min` is exact: proven, over all powers by the bounds of the fixed
    point, over levels by a search that passes no better point. For the minimum of means of CQI steps levels are as
    proven, powers the best found on fine grids around the max-min powers of log2(1 + SINR). For other objectives both
    are the best found: levels by ascent of one user and of two at a time, powers by L-BFGS-B, each from full power, the
    max-min powers and, under "mr" and "l-mmse", those of WMMSE, levels also from random points.
    """
    exact = receiver.exact(world)
    receiver, world = (receiver, world) if exact is None else (exact, 0)
    scale = prelog(config.pilot_length, config.coherence_length)
    if not active.any():
        nothing = PowerSolution(np.zeros(config.users), 0.0, 0)
        return Optimum.of(nothing, nothing, certified=True, method="nobody is active")

    def rates(p: Float) -> Float:
        return receiver.efficiencies_in(world, p[None])[0]

    def evaluate(powers: Float) -> Float:
        rates = receiver.efficiencies_in(world, powers) * scale
        return objective(rates, np.broadcast_to(active, powers.shape), powers)

    if type(objective) is MinimumRate:
        continuous = receiver.max_min(world, active)
        standard = receiver.max_min_is_exact and config.utility == "shannon"  # steps of CQI jump
        near = continuous.p if standard else None
        known = near is not None and continuous.slopes is not None and continuous.value > 0
        guess = rates_about(continuous, active) if known else None
        discrete = max_min_discrete(rates, config.levels, config.users, active, near, guess)
        discrete = discrete._replace(value=discrete.value * scale)
        if receiver.max_min_is_exact:
            if config.utility == "cqi":  # the same powers, whose value and bound CQI steps round down
                bound = float(cqi_of_rate(continuous.value * (1.0 + continuous.gap))) * scale
                value = float(evaluate(continuous.p[None])[0])
                continuous = continuous._replace(value=value, gap=relative_gap(value, bound))
            else:
                continuous = continuous._replace(value=continuous.value * scale)
            proven = continuous.proven and discrete.proven
            return Optimum.of(continuous, discrete, certified=proven, method=MAX_MIN)
        refined = max_min_refined(rates, continuous.p, config.max_power, active)
        starts = [continuous.p, discrete.p, refined.p]
        continuous = best_continuous(evaluate, config.max_power, starts, active)
        return Optimum.of(continuous, discrete, certified=False, method=f"{MAX_MIN}, refined on grids and by L-BFGS-B")

    full = np.where(active, config.max_power, 0.0)
    starts = [full, *receiver.starting_points(world, active)]
    anywhere = full * np.random.default_rng(0).random((RANDOM_STARTS, config.users))
    # From points at which all active users send, then from the best of them with silence as a further level.
    discrete = best_discrete(evaluate, [level for level in config.levels if level > 0], [*starts, *anywhere], active)
    if config.action_levels[0] == 0:
        discrete = best_discrete(evaluate, config.action_levels, [*starts, *anywhere, discrete.p], active)
    continuous = best_continuous(evaluate, config.max_power, [*starts, discrete.p], active)
    return Optimum.of(continuous, discrete, certified=False, method=SEARCH)
