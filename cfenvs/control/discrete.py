"""The exact max-min optimum over discrete power levels, without exhaustive search, and a search by ever finer ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from cfenvs.arrays import Bool, Float, Int
from cfenvs.control.solution import PowerSolution, active_mask, rounding


def max_min_discrete(
    rate: Callable[[Float], ArrayLike],
    levels: ArrayLike,
    num_users: int,
    active: ArrayLike | None = None,
    near: Float | None = None,
    guess: Callable[[Float], Float] | None = None,
) -> PowerSolution:
    """Powers on a grid that maximise the minimum rate of the active users.

    The set of grid points at which every rate exceeds t is closed under the componentwise minimum, provided that no
    user's rate rises with the power of another. It therefore has a least element, which grows with t. Starting
    from the lowest level, raising just the users whose rate does not exceed the best minimum so far never passes that
    element: the search ends after at most K (n - 1) raises for n levels, with the optimum in hand.

    Parameters
    ----------
    rate : callable
        Maps powers (K,) in mW to rates (K,). User k's rate must not rise with the power of another user.
    levels : (n,) array
        Power levels in mW, in any order; a level 0 is ignored, as a silent user would hold the minimum at zero.
    num_users : int
        K.
    active : (K,) bool array, optional
        Users that transmit and count; all by default.
    near : (K,) array, optional
        Powers that do well, such as the best of all powers. To be given only where a user's rate rises with its own
        power, by no more than that power's share: the search then begins with the minimum of the levels just above,
        and passes levels over that cannot do. It finds the same in a third of the evaluations.
    guess : callable, optional
        About the rates around `near`, cheaply; to be given with it only. What is best by the guess is tried first, and
        the search begins at powers that are hardly too low by the guess, once one evaluation shows that they are too
        low indeed. It finds the same whatever is guessed.

    Returns
    -------
    PowerSolution
        `value` is the minimum of `rate` over active users, proven. `p` is the least of all optimal points: no other
        one has a user at lower power. Where nothing is better than zero, as for a user that nobody hears, all points
        are optimal, and all active users are at the highest level. If a rate is NaN, so is `value`.

    Examples
    --------
    >>> gain = np.array([1.0, 3.0])
    >>> rate = lambda p: np.log2(1 + gain * p / (1 + 0.5 * p[::-1]))
    >>> solution = max_min_discrete(rate, [0, 1, 2, 4], num_users=2)
    >>> solution.p.tolist(), round(solution.value, 3)
    ([4.0, 2.0], 1.585)
    """
    grid = np.unique(np.asarray(levels, float))
    grid = grid[grid > 0]
    if grid.size == 0 or not np.isfinite(grid).all():
        raise ValueError(f"levels={np.asarray(levels).tolist()}: at least one positive, finite level is needed")
    mask = active_mask(active, num_users)
    if not mask.any():
        return PowerSolution(np.zeros(num_users), 0.0, 0, gap=0.0)

    def at(index: Int) -> Float:
        return np.where(mask, grid[index], 0.0)

    def rates(index: Int) -> Float:
        return np.asarray(rate(at(index)), float)[mask]

    users = np.flatnonzero(mask)
    top = grid.size - 1
    index = np.zeros(num_users, np.int64)
    best, best_index, exceeding, evaluations = -np.inf, index.copy(), -np.inf, 0
    tried: Int = index
    known: Float | None = None
    if near is not None:
        tried = np.minimum(np.searchsorted(grid, near * (1.0 - MARGIN)), top)
        if guess is not None:
            tried = np.searchsorted(grid, max_min_discrete(guess, grid, num_users, mask, near).p)
        u = known = rates(tried)
        lowest, evaluations = float(u.min()), 1
        if lowest > 0:
            best, best_index, exceeding = lowest, tried, float(np.nextafter(lowest, 0.0))  # so that equals are found
            if guess is not None:
                low = _hardly_too_low(guess, at(tried), u, grid, mask)
                u = np.asarray(rate(low), float)[mask]
                evaluations += 1
                few = u < exceeding * (1.0 - MARGIN)
                # Where nobody above the lowest level has enough, no better point has a user at less than that.
                if (few | (low[mask] <= grid[0])).all():
                    low[mask] *= np.where(few, best / np.maximum(u, FAINT), 1.0)
                    index = np.minimum(np.searchsorted(grid, low * (1.0 - MARGIN)), tried)
    while True:
        if known is not None and (index == tried).all():
            u = known
        else:
            u = rates(index)
            evaluations += 1
        if np.isnan(u).any():
            return PowerSolution(at(index), np.nan, evaluations)
        behind = u <= exceeding
        if not behind.any():
            best = exceeding = float(u.min())
            best_index, behind = index.copy(), u <= best
        lagging = users[behind]
        raised = index[lagging] + 1
        if near is not None and best > 0:
            needed = grid[index[lagging]] * (best / np.maximum(u[behind], FAINT))
            raised = np.maximum(raised, np.searchsorted(grid, needed * (1.0 - MARGIN)))
        if (raised > top).any():
            if best <= 0:
                best_index = np.full(num_users, top)
            return PowerSolution(at(best_index), best, evaluations, gap=rounding(best))
        index[lagging] = raised


MARGIN = 1e-9
"""What rounding may make of powers and rates, as a share: no level is passed over for less."""
FAINT = 1e-6
"""In bit/s/Hz: of smaller rates rounding is a larger share."""
HUGE = 1e3
"""In bit/s/Hz: the SINR of such a rate is still a number."""
EASE = 0.003
"""Share of a rate that a guess may be wrong by."""
GUESSES = 50
"""Of which each takes some 10 us; those that the last digits would need are left out."""
REFINEMENTS = ((2.0, 0.05), (0.2, 0.005), (0.03, 0.001))
"""Reach and step in dB of the grids around the best powers so far."""


def _hardly_too_low(guess: Callable[[Float], Float], p: Float, u: Float, grid: Float, active: Bool) -> Float:
    """Powers at which each active user is at the lowest level or has nearly the least of the rates u, by the guess.

    The guess is scaled to these rates of active users at powers `p`.
    """
    wanted = _sinr(u.min() * (1.0 - EASE) * guess(p)[active] / u)
    low = np.where(active, grid[0], 0.0)
    # By quotients of SINRs, which are nearer to those of powers than quotients of rates: half of the guesses.
    for _ in range(GUESSES):
        before = low.copy()
        low[active] = np.clip(low[active] * (wanted / _sinr(guess(low)[active])), grid[0], grid[-1])
        if (np.abs(low - before) <= EASE / 10.0 * before).all():
            break
    return low


def _sinr(rate: Float) -> Float:
    """The SINR that has a rate, which may be any guess."""
    return np.asarray(np.expm1(np.log(2.0) * np.clip(rate, FAINT, HUGE)))


def max_min_refined(
    rate: Callable[[Float], ArrayLike], start: Float, p_max: float, active: ArrayLike | None = None
) -> PowerSolution:
    """Powers with a large minimum rate near some start, where rates jump: each grid's best, the best found over all.

    Means of CQI steps are constant but for jumps, so that no gradient leads anywhere and no fixed point exists; over a
    grid `max_min_discrete` is exact for them too. Grids multiply each user's power by the same factors.

    Parameters
    ----------
    rate : callable
        Maps powers (K,) in mW to rates (K,). User k's rate must not rise with the power of another user.
    start : (K,) array
        Powers in mW, positive for active users.
    p_max : float
        In mW.
    active : (K,) bool array, optional
    """
    best, evaluations = PowerSolution(start, -np.inf, 0), 0
    for reach, step in REFINEMENTS:
        centre = best.p
        factors = 10.0 ** (np.arange(-reach, reach + step / 2, step) / 10.0)

        def powers(factor: Float, centre: Float = centre) -> Float:
            return np.minimum(centre * factor, p_max)

        found = max_min_discrete(lambda factor, at=powers: rate(at(factor)), factors, len(start), active)
        evaluations += found.iterations
        if found.value >= best.value:
            best = PowerSolution(powers(found.p), found.value, 0)
    return best._replace(iterations=evaluations)
