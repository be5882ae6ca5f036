"""The best found: local search for objectives that have no exact algorithm."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import ArrayLike

from cfenvs.arrays import Float, Int
from cfenvs.control.solution import PowerSolution, active_mask
from cfenvs.core.threads import one_thread

Evaluate = Callable[[Float], Float]

MAX_SWEEPS = 100
DIFFERENCE = 1e-6
"""Step of the numerical gradient, as a share of the maximum power."""
WHISPERS = np.concatenate([[0.0], 10.0 ** -np.arange(4.0, -0.5, -0.5)])
"""Shares of the maximum power at which peaks of the objective are looked for."""
WORTHWHILE = 1e-6
"""Relative gain from which on another solution is a better peak, and not the same one reached more closely."""


def best_discrete(
    evaluate: Evaluate, levels: ArrayLike, starts: Iterable[Float], active: ArrayLike | None = None
) -> PowerSolution:
    """Coordinate ascent on a grid from several starts, then by pairs from the best: no certificate.

    It ends in a point that no single user can improve, nor two that move together, each one level up or down or to
    either end of the grid.

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

    Returns
    -------
    PowerSolution
        `value` is NaN where the objective is NaN at all starts.
    """
    grid = np.unique(np.asarray(levels, float))
    best = _NOTHING
    evaluations = 0

    def ascend(p: Float, value: float, users: Int) -> PowerSolution:
        nonlocal evaluations
        for _ in range(MAX_SWEEPS):
            before = value
            for k in users:
                candidates = np.repeat(p[None], grid.size, axis=0)
                candidates[:, k] = grid
                values = _known(evaluate(candidates))
                evaluations += grid.size
                if values.max() > value:
                    p, value = candidates[int(values.argmax())], float(values.max())
            if not value > before:
                break
        return PowerSolution(p, value, 0)

    for start in starts:
        mask = active_mask(active, len(start))
        users = np.flatnonzero(mask)
        p = np.where(mask, grid[np.abs(grid[:, None] - start[None, :]).argmin(axis=0)], 0.0)
        best = _better(best, ascend(p, float(_known(evaluate(p[None]))[0]), users))
    for _ in range(MAX_SWEEPS):
        moves = _pair_moves(best.p, grid, users)
        if not len(moves):
            break
        values = _known(evaluate(moves))
        evaluations += len(moves)
        if not values.max() > best.value:
            break
        best = ascend(moves[int(values.argmax())], float(values.max()), users)
    if best.value == -np.inf:  # nothing but NaN was met, or it is so
        best = best._replace(value=float(evaluate(best.p[None])[0]))
    return best._replace(iterations=evaluations)


def _pair_moves(p: Float, grid: Float, users: Int) -> Float:
    """Points (B, K) at which two users have moved, each to one of at most four other levels."""
    index = np.searchsorted(grid, p)
    top = grid.size - 1
    moves = []
    for i, k in enumerate(users):
        for j in users[i + 1 :]:
            for of_k in {0, max(index[k] - 1, 0), min(index[k] + 1, top), top} - {index[k]}:
                for of_j in {0, max(index[j] - 1, 0), min(index[j] + 1, top), top} - {index[j]}:
                    moved = p.copy()
                    moved[k], moved[j] = grid[of_k], grid[of_j]
                    moves.append(moved)
    return np.array(moves)


def best_continuous(
    evaluate: Evaluate,
    p_max: float,
    starts: Iterable[Float],
    active: ArrayLike | None = None,
    *,
    p_min: float = 0.0,
    gradient: Callable[[Float], Float | None] | None = None,
    across: bool = False,
) -> PowerSolution:
    """L-BFGS-B from several starts; with `across` also from across the valleys around the best, while that helps.

    Never worse than the best start. With one user's power alone changed, an objective often has a second peak, at a
    whisper or at silence, which few searches from random points reach: every such peak of every user is climbed.

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
    across : bool
        Whether to look for more peaks beside the best. Sums of rates under local MMSE need it: of 300 networks of
        XL-MIMO, the starts of `cfenvs.xl_mimo.optimum` alone missed more than 0.1 bit/s/Hz in five.

    Returns
    -------
    PowerSolution
        `value` is NaN where the objective is NaN at all starts.
    """
    from scipy.optimize import minimize  # a third of what an environment takes to import, and few need it

    lowest = p_min / p_max
    best = _NOTHING
    evaluations = 0

    def climb(start: Float) -> PowerSolution:
        nonlocal evaluations
        mask = active_mask(active, len(start))
        count = int(mask.sum())

        def negative(shares: Float) -> tuple[float, Float]:
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
        reached = _NOTHING
        for candidate in (shares, found.x):
            p = np.zeros(len(mask))
            p[mask] = p_max * np.clip(candidate, lowest, 1.0)
            reached = _better(reached, PowerSolution(p, float(evaluate(p[None])[0]), 0))
        return reached

    # L-BFGS-B solves systems of a few unknowns, which OpenBLAS shares out among threads all the same: on a busy machine
    # each then waits milliseconds for a thread that has next to nothing to do.
    with one_thread():
        for start in starts:
            best = _better(best, climb(start))
        powers = np.unique(np.maximum(p_max * WHISPERS, p_min))
        improved = across and np.isfinite(best.value)
        while improved:
            before, base = best.value, best.p
            for k in np.flatnonzero(active_mask(active, len(base))):
                for power in _other_peaks(evaluate, base, k, powers):
                    other = climb(np.where(np.arange(len(base)) == k, power, base))
                    if other.value > best.value + WORTHWHILE * abs(best.value):
                        best = other
            improved = best.value > before
    return best._replace(iterations=evaluations)


_NOTHING = PowerSolution(np.zeros(0), np.nan, 0)


def _other_peaks(evaluate: Evaluate, p: Float, user: np.integer, powers: Float) -> Float:
    """Those of the rising powers at which one user alone has a peak of the objective, but for where it is now."""
    candidates = np.repeat(p[None], len(powers), axis=0)
    candidates[:, user] = powers
    values = np.concatenate([[-np.inf], _known(evaluate(candidates)), [-np.inf]])
    peaks = (values[1:-1] > values[:-2]) & (values[1:-1] >= values[2:])
    here = np.searchsorted(powers, p[user])
    peaks[max(here - 1, 0) : here + 1] = False
    return powers[peaks] if peaks.any() else np.maximum(powers[-1:] * 1e-2, powers[:1])


def _better(best: PowerSolution, other: PowerSolution) -> PowerSolution:
    """The second one if it is better, or if nothing is known of the first."""
    return other if other.value > best.value or not best.p.size or np.isnan(best.value) else best


def _known(values: Float) -> Float:
    """Values by which to choose: NaN never is."""
    return np.where(np.isnan(values), -np.inf, values)
