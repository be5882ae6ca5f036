"""The best found: local search for objectives that have no exact algorithm."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize

from cfenvs.arrays import Bool, Float
from cfenvs.control.solution import PowerSolution, active_mask

Evaluate = Callable[[Float], Float]

MAX_SWEEPS = 100
DIFFERENCE = 1e-6
"""Step of the numerical gradient, as a share of the maximum power."""


def best_discrete(
    evaluate: Evaluate, levels: ArrayLike, starts: Iterable[Float], active: ArrayLike | None = None
) -> PowerSolution:
    """Coordinate ascent on a grid from several starts: a point that no single user can improve, not a certificate.

    Parameters
    ----------
    evaluate : callable
        Maps powers (B, K) in mW to objectives (B,).
    levels : (n,) array
        Power levels in mW.
    starts : arrays of shape (K,)
        Each is first moved to the nearest levels.
    active : (K,) bool array, optional
        Users that are searched over; the others stay silent.
    """
    grid = np.unique(np.asarray(levels, float))
    best = PowerSolution(np.zeros(0), -np.inf, 0)
    evaluations = 0
    for start in starts:
        mask = active_mask(active, len(start))
        p = np.where(mask, grid[np.abs(grid[:, None] - start[None, :]).argmin(axis=0)], 0.0)
        value = float(evaluate(p[None])[0])
        for _ in range(MAX_SWEEPS):
            before = value
            for k in np.flatnonzero(mask):
                candidates = np.repeat(p[None], grid.size, axis=0)
                candidates[:, k] = grid
                values = evaluate(candidates)
                evaluations += grid.size
                if values.max() > value:
                    p, value = candidates[int(values.argmax())], float(values.max())
            if value <= before:
                break
        if value > best.value:
            best = PowerSolution(p, value, 0)
    return best._replace(iterations=evaluations)


def best_continuous(
    evaluate: Evaluate,
    p_max: float,
    starts: Iterable[Float],
    active: ArrayLike | None = None,
    *,
    p_min: float = 0.0,
    gradient: Callable[[Float], Float | None] | None = None,
) -> PowerSolution:
    """L-BFGS-B from several starts; never worse than the best start.

    Parameters
    ----------
    evaluate : callable
        Maps powers (B, K) in mW to objectives (B,).
    p_max : float
        Maximum power in mW.
    starts : arrays of shape (K,)
        Each is first moved into the bounds.
    active : (K,) bool array, optional
        Users that are searched over; the others stay silent.
    p_min : float
        Minimum power of the users that are searched over, in mW.
    gradient : callable, optional
        Maps powers (K,) to the gradient (K,), or to None where it has none; differences are used then.
    """
    best = PowerSolution(np.zeros(0), -np.inf, 0)
    evaluations = 0
    lowest = p_min / p_max
    for start in starts:
        mask = active_mask(active, len(start))
        count = int(mask.sum())

        def negative(shares: Float, mask: Bool = mask, count: int = count) -> tuple[float, Float]:
            p = np.zeros(len(mask))
            p[mask] = p_max * shares
            slope = None if gradient is None else gradient(p)
            if slope is not None:
                return -float(evaluate(p[None])[0]), -p_max * slope[mask]
            steps = np.where(shares > 0.5, -DIFFERENCE, DIFFERENCE)
            points = np.zeros((count + 1, len(mask)))
            points[:, mask] = p_max * np.vstack([shares, shares + np.diag(steps)])
            values = evaluate(points)
            return -float(values[0]), -(values[1:] - values[0]) / steps

        shares = np.clip(start[mask] / p_max, lowest, 1.0)
        found = minimize(negative, shares, jac=True, method="L-BFGS-B", bounds=[(lowest, 1.0)] * count)
        evaluations += int(found.nfev)
        for candidate in (shares, found.x):
            p = np.zeros(len(mask))
            p[mask] = p_max * np.clip(candidate, lowest, 1.0)
            value = float(evaluate(p[None])[0])
            if value > best.value:
                best = PowerSolution(p, value, 0)
    return best._replace(iterations=evaluations)
