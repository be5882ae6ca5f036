"""The exact max-min optimum over discrete power levels, without exhaustive search."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from cfenvs.arrays import Float, Int
from cfenvs.control.solution import PowerSolution, active_mask


def max_min_discrete(
    rate: Callable[[Float], ArrayLike], levels: ArrayLike, num_users: int, active: ArrayLike | None = None
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

    Returns
    -------
    PowerSolution
        `value` is the minimum of `rate` over active users. `p` is the least of all optimal points: no other one has
        a user at lower power.

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
        return PowerSolution(np.zeros(num_users), 0.0, 0)

    def at(index: Int) -> Float:
        return np.where(mask, grid[index], 0.0)

    def rates(index: Int) -> Float:
        return np.asarray(rate(at(index)), float)[mask]

    users = np.flatnonzero(mask)
    top = grid.size - 1
    index = np.zeros(num_users, np.int64)
    best, best_index, evaluations = -np.inf, index.copy(), 0
    while True:
        u = rates(index)
        evaluations += 1
        lagging = users[u <= best]
        if lagging.size == 0:
            best, best_index = float(u.min()), index.copy()
            lagging = users[u <= best]
        if (index[lagging] == top).any():
            return PowerSolution(at(best_index), best, evaluations)
        index[lagging] += 1
