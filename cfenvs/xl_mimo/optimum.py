"""The best powers found for a situation."""

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Float
from cfenvs.control import Optimum, fractional
from cfenvs.control.search import best_continuous, best_discrete
from cfenvs.power.objectives import MinimumRate, Objective, SumRate
from cfenvs.xl_mimo.config import XLMIMOConfig
from cfenvs.xl_mimo.receivers import Receiver

RANDOM_STARTS = 2
"""Beside full power, fractional control, max-min and, under MR, WMMSE; from a fixed seed."""
SEARCH = "L-BFGS-B from several starts"


def find_optimum(config: XLMIMOConfig, receiver: Receiver, objective: Objective, world: int, gains: Float) -> Optimum:
    """Best found by multi-start local search; exact for the minimum rate under maximum ratio without floor and levels.

    Parameters
    ----------
    gains : (M, K) array
        Current large-scale gains.

    Returns
    -------
    Optimum
        `p` in the meaning of `max_power`: of a user, or of one antenna.
    """
    share, p_max, everybody = config.antenna_share, config.max_power, np.ones(config.users, bool)

    def evaluate(powers: Float) -> Float:
        rates = receiver.efficiencies_in(world, powers * share)
        total = powers * share * config.ue_antennas
        return objective(rates, np.broadcast_to(everybody, powers.shape), total)

    def gradient(p: Float) -> Float | None:
        jacobian = receiver.jacobian(world, p * share) if type(objective) is SumRate else None
        return None if jacobian is None else jacobian.sum(axis=0) * share

    free = config.smallest_share == 0 and config.levels is None
    if type(objective) is MinimumRate and receiver.max_min_is_exact and free:
        fair = receiver.max_min(world, p_max * share)
        fair = fair._replace(p=fair.p / share)
        return Optimum.of(fair, fair, certified=fair.proven, method="max-min fixed point")
    starts = [
        np.full(config.users, p_max),
        fractional(gains, p_max, -0.5),
        fractional(gains, p_max, -1.0),
        *(p / share for p in receiver.starting_points(world, p_max * share)),
        *(p_max * np.random.default_rng(0).random((RANDOM_STARTS, config.users))),
    ]
    p_min = p_max * config.smallest_share
    # Under maximum ratio WMMSE is among the starts: of 300 networks one was better by 0.001 bit/s/Hz from elsewhere.
    across = receiver.searched_across and type(objective) is not MinimumRate
    continuous = best_continuous(evaluate, p_max, starts, p_min=p_min, gradient=gradient, across=across)
    if config.levels is None:
        return Optimum.of(continuous, continuous, certified=False, method=SEARCH)
    discrete = best_discrete(evaluate, config.action_levels, [*starts, continuous.p])
    return Optimum.of(continuous, discrete, certified=False, method=f"{SEARCH}, ascent over levels")
