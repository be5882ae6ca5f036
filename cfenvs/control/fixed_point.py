"""Max-min fair power control: the exact continuous optimum by a normalised fixed point.

If I(p) is a standard interference function (positive, monotone, I(a p) < a I(p) for a > 1), then p <- I(p) p_max /
max_k I_k(p) converges geometrically to the powers that maximise min_k p_k / I_k(p) (Yates 1995; Nuzman 2007). At any p
whose largest entry is p_max, the optimum lies between the smallest and the largest p_k / I_k(p), so the iteration
carries its own certificate.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from cfenvs.arrays import Complex, Float
from cfenvs.control.solution import (
    TOLERANCE,
    PowerSolution,
    active_mask,
    check_maximum_power,
    relative_gap,
    rounding,
    slopes_of_sinrs,
    spread,
)
from cfenvs.kernels import kernel
from cfenvs.radio.mmse import MmseBatch
from cfenvs.radio.uatf import UatfCoefficients

MAX_ITERATIONS = 100_000
"""Nearly noise-free maximum-ratio cases take some 2500 iterations; after this many the bounds are told as they are."""
PATIENCE = 100
"""Iterations over which the bounds must have come closer: they always do, until rounding keeps them apart."""
FEWEST = 3
"""Groups of realisations of which a part is worth asking first..."""
LARGE = 4_000_000
"""... where users times estimates are so many numbers: with fewer, Python takes longer than what is saved."""
ROUGH = 0.2
"""Relative gap of that part from which on all are asked: about what the two differ by."""
MEMORY = 5
"""Steps that an extrapolation looks back."""
STUCK = 3
"""Extrapolations in turn that need not come closer; then each step is the one with the proof."""
DROWNED = 1e3
"""What the others' powers are divided by where a user that is heard alone has no rate among them."""


def max_min(coefficients: UatfCoefficients, p_max: float, active: ArrayLike | None = None) -> PowerSolution:
    """Powers that maximise the minimum use-and-then-forget SINR of the active users.

    Parameters
    ----------
    coefficients : UatfCoefficients
        Of all users.
    p_max : float
        Maximum power of a user in mW.
    active : (K,) bool array, optional
        Users that transmit and count; all by default.

    Returns
    -------
    PowerSolution
        `value` is the minimum SINR (all active users share it), zero if a user is not heard at all. `gap` is proven
        by the bounds that the iteration ends with.

    References
    ----------
    Demir, Bjornson, Sanguinetti, 2021, Algorithm 7.1, here run to a certified relative gap of 1e-12 instead of a
    spread of 0.01 in SINR.

    Examples
    --------
    >>> two = UatfCoefficients(np.array([1.0, 4.0]), np.array([[0.1, 0.2], [0.2, 0.1]]), np.ones(2))
    >>> solution = max_min(two, p_max=10.0)
    >>> solution.p.round(3).tolist(), round(solution.value, 3)
    ([10.0, 3.151], 3.802)
    """
    check_maximum_power(p_max)
    mask = active_mask(active, len(coefficients.b))
    if not mask.any():
        return PowerSolution(np.zeros(len(mask)), 0.0, 0, gap=0.0)
    among = coefficients.of(mask)
    alone = 1.0 + among.b * p_max / among.s
    if (alone == 1.0).any():
        # A user whose rate is zero even alone at full power holds the minimum there, whatever the powers.
        return PowerSolution(spread(np.full(int(mask.sum()), float(p_max)), mask), 0.0, 1, gap=0.0)
    coupling, noise = among.c / among.b[:, None], among.s / among.b
    p, iterations = _fixed_point(np.ascontiguousarray(coupling), noise, float(p_max), TOLERANCE, MAX_ITERATIONS)
    sinr = p / (coupling @ p + noise)
    value = float(sinr.min())
    return PowerSolution(spread(p, mask), value, iterations, relative_gap(value, float(sinr.max())))


@kernel
def _fixed_point(
    coupling: Float, noise: Float, p_max: float, tolerance: float, max_iterations: int
) -> tuple[Float, int]:
    num_users = noise.size
    p = np.full(num_users, p_max)
    for iteration in range(1, max_iterations + 1):  # noqa: B007  (returned)
        interference = coupling @ p + noise
        lowest, highest, largest = np.inf, 0.0, 0.0
        for k in range(num_users):
            sinr = p[k] / interference[k]
            lowest = min(lowest, sinr)
            highest = max(highest, sinr)
            largest = max(largest, interference[k])
        for k in range(num_users):
            p[k] = interference[k] / largest * p_max
        if not highest > lowest * (1.0 + tolerance):  # NaN ends it too
            break
    return p, iteration


def max_min_mmse(h_hat: Complex, C: Complex, p_max: float, active: ArrayLike | None = None) -> PowerSolution:
    """Powers that maximise the minimum rate of the active users under centralised MMSE combining.

    The combiner is the best one for every power vector and every realisation, so this is the optimum over powers and
    linear combiners.

    Parameters
    ----------
    h_hat : (R, L, N, K) array
        Channel estimates over which rates are averaged.
    C : (L, K, N, N) array
        Covariance of the estimation errors.
    p_max, active
        As for `max_min`.

    Returns
    -------
    PowerSolution
        `value` is the minimum over users of the mean of log2(1 + SINR) over the realisations, in bit/s/Hz.
    """
    return max_min_held(MmseBatch.of(h_hat, C), 0, p_max, active)


def max_min_held(batch: MmseBatch, world: int, p_max: float, active: ArrayLike | None = None) -> PowerSolution:
    """`max_min_mmse` of one of the worlds of a batch.

    Of many realisations a fifth tells where to start, and what the rates do there. Each evaluation of all of them then
    gains two digits in place of one.
    """
    users, here = batch.errors.shape[2], np.array([world])

    def rate(p: Float) -> Float:
        return batch.spectral_efficiencies(p[None], here)[0]

    groups = batch.estimates.shape[1]
    if groups < FEWEST or users * batch.estimates[world].size < LARGE:
        return max_min_rates(rate, users, p_max, active)
    few, only = batch.sample(world, max(groups // 5, 1)), np.array([0])
    start = max_min_rates(
        lambda p: few.spectral_efficiencies(p[None], only)[0], users, p_max, active, tolerance=ROUGH
    ).p
    slopes = few.slopes(start)
    return max_min_rates(rate, users, p_max, active, start=start, slopes=slopes)._replace(slopes=slopes)


def max_min_rates(
    rate: Callable[[Float], Float],
    num_users: int,
    p_max: float,
    active: ArrayLike | None = None,
    *,
    streams: float = 1.0,
    start: Float | None = None,
    slopes: Float | None = None,
    tolerance: float = TOLERANCE,
) -> PowerSolution:
    """Max-min powers for mean rates of MMSE combining, given as a function of the powers.

    p_k / u_k(p) is a standard interference function: u_k rises with p_k, u_k / p_k falls with it, and u_k falls with
    the power of others. p <- p/u is therefore globally convergent, and gives the certificate. It is slow, so the powers
    are first brought close by steps that have the same fixed point: those of `rate_feedback`, or Newton's with slopes
    that are about right, either way extrapolated from the last ones.

    Parameters
    ----------
    rate : callable
        Maps powers (K,) in mW to rates (K,), without pre-log factor.
    num_users : int
    p_max : float
        In mW.
    active : (K,) bool array, optional
    streams : float
        How many streams of about equal SINR the rate of a user adds up; only the acceleration uses it.
    start : (K,) array, optional
        Powers to begin with, the largest of which is `p_max`; full power by default.
    slopes : (K, K) array, optional
        About d rate_k / d ln p_i at the start; only the acceleration uses it.
    tolerance : float
        Relative gap at which it ends.

    Returns
    -------
    PowerSolution
        `value` is the minimum rate, zero if a user is not heard at all. `gap` is proven by the bounds of all iterations
        if `rate` is as said above; this function cannot know that. If a rate is NaN, so is `value`.
    """
    check_maximum_power(p_max)
    mask = active_mask(active, num_users)
    if not mask.any():
        return PowerSolution(np.zeros(num_users), 0.0, 0, gap=0.0)
    full = p = np.where(mask, float(p_max), 0.0)
    if start is not None:
        p = np.where(mask, start, 0.0)
    best, best_value, bound = p, 0.0, np.inf
    acceleration: _Acceleration | None = _Acceleration()
    closest, waited = np.inf, 0
    for iteration in range(1, MAX_ITERATIONS + 1):
        u = rate(p)
        if not np.isfinite(u[mask]).all():
            return PowerSolution(p, np.nan, iteration)
        value = float(u[mask].min())
        if value == 0:
            unheard = np.flatnonzero(mask & (u == 0))
            if any(rate(np.where(np.arange(num_users) == k, full, 0.0))[k] == 0 for k in unheard):
                # A user whose rate is zero even alone at full power holds the minimum there, whatever the powers.
                return PowerSolution(full, 0.0, iteration, gap=0.0)
        if value > best_value:
            best, best_value = p, value
        bound = min(bound, float(u[mask].max()))
        gap = relative_gap(value, float(u[mask].max()))
        if gap <= tolerance:
            break
        waited = 0 if gap < closest else waited + 1
        closest = min(closest, gap)
        if waited == PATIENCE:
            break
        if value == 0:  # drowned by the others: they give way
            p = np.where(u == 0, p, p / DROWNED)
            p *= p_max / p.max()
            acceleration = acceleration and _Acceleration()
            continue
        if iteration == 1 and slopes is not None:
            acceleration = _Acceleration(_inverse(slopes[np.ix_(mask, mask)], u[mask], streams))
        # Accelerated steps as long as they shrink the gap, with slopes first; then the one with the proof for good.
        if waited >= STUCK and slopes is not None:
            acceleration, slopes, waited = _Acceleration(), None, 0
        elif waited >= STUCK:
            acceleration = None
        if acceleration is not None:
            share = acceleration.next(np.log(p[mask] / p_max), np.log(np.expm1(np.log(2.0) / streams * u[mask])))
            p = spread(np.exp(share - share.max()) * p_max, mask)
        else:
            ratio = p[mask] / u[mask]
            p = spread(ratio / ratio.max() * p_max, mask)
    return PowerSolution(best, best_value, iteration, relative_gap(best_value, bound) + rounding(best_value))


class _Acceleration:
    """Steps in logarithms of powers, whose fixed point has equal rates: extrapolated from the last ones.

    Parameters
    ----------
    inverse : (K, K) array, optional
        About that of the slopes of the logarithms of SINRs; those of each user's own power alone by default, one.
    """

    def __init__(self, inverse: Float | None = None) -> None:
        self._inverse = inverse
        self._trail: list[tuple[Float, Float]] = []

    def next(self, x: Float, y: Float) -> Float:
        """Where to go from powers e^x, the largest of which is 1, with SINRs e^y; without slopes up to a factor."""
        if self._inverse is None:
            return self._extrapolated(x, y.mean() - y)
        towards, along = self._inverse @ y, self._inverse.sum(axis=1)
        # Along this direction all SINRs rise by the same factor: it is what remains until the largest power is 1.
        wanted = self._extrapolated(x, along * (towards.mean() / along.mean()) - towards)
        return np.asarray(wanted - along * (wanted / along).max())

    def _extrapolated(self, x: Float, step: Float) -> Float:
        self._trail = [*self._trail[-MEMORY:], (x, step)]
        return _extrapolated(self._trail)


def _inverse(slopes: Float, u: Float, streams: float) -> Float | None:
    """Inverse of the slopes of logarithms of SINRs, from those of rates u; none where they are of no use."""
    try:
        inverse = np.asarray(np.linalg.inv(slopes_of_sinrs(slopes, u, streams)), float)
    except np.linalg.LinAlgError:
        return None
    return inverse if (inverse.sum(axis=1) > 0).all() else None  # with more power for all every SINR rises


def _extrapolated(trail: list[tuple[Float, Float]]) -> Float:
    """Where a fixed-point iteration would end if the last points x and their steps f(x) - x lay on a line in space.

    Anderson's mixing (Walker, Ni, SIAM J. Numer. Anal. 49, 2011, (2.1) with undamped steps).
    """
    points, steps = (np.array(part) for part in zip(*trail, strict=True))
    here, step = points[-1], steps[-1]
    if len(trail) == 1:
        return np.asarray(here + step)
    past, shrunk = points[1:] - points[:-1], steps[1:] - steps[:-1]
    weights = np.linalg.lstsq(shrunk.T, step, rcond=None)[0]
    return np.asarray(here + step - weights @ (past + shrunk))
