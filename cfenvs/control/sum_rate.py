"""Sum-rate maximisation by weighted minimum mean square error (WMMSE)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cfenvs.arrays import Float
from cfenvs.control.fixed_point import max_min
from cfenvs.control.solution import PowerSolution, active_mask, check_maximum_power, spread
from cfenvs.kernels import kernel
from cfenvs.radio.uatf import UatfCoefficients, uatf_sinr

TOLERANCE = 1e-13
"""Change of the objective between iterations, relative, at which a run stops."""

MAX_ITERATIONS = 20_000
RANDOM_STARTS = 8


def sum_rate_wmmse(coefficients: UatfCoefficients, p_max: float, active: ArrayLike | None = None) -> PowerSolution:
    """Powers that make the sum of log2(1 + SINR) large: the best of several WMMSE runs.

    Every run ends in a stationary point. Sum-rate maximisation is NP-hard (Luo & Zhang 2008): the result is the best
    found, not a certified optimum. Starts: full power, the max-min powers, and eight random points from a fixed seed.

    Parameters
    ----------
    coefficients, p_max, active
        As for `cfenvs.control.max_min`.

    Returns
    -------
    PowerSolution
        `value` is the sum of log2(1 + SINR) in bit/s/Hz; at least that of full power.

    References
    ----------
    Demir, Bjornson, Sanguinetti, 2021, Algorithm 7.2.

    Examples
    --------
    >>> one = UatfCoefficients(np.array([1.0]), np.array([[0.5]]), np.ones(1))
    >>> round(sum_rate_wmmse(one, p_max=4.0).value, 6)
    1.222392
    """
    check_maximum_power(p_max)
    mask = active_mask(active, len(coefficients.b))
    num_active = int(mask.sum())
    if num_active == 0:
        return PowerSolution(np.zeros(len(mask)), 0.0, 0)
    among = coefficients.of(mask)
    rng = np.random.default_rng(0)
    full = np.full(num_active, float(p_max))
    starts = [full, max_min(among, p_max).p, *(p_max * rng.random((RANDOM_STARTS, num_active)))]
    best, iterations = full, 0
    best_value = _sum_rate(full, among)
    for start in starts:
        p, taken = _wmmse(
            among.b, np.ascontiguousarray(among.c), among.s, start, float(p_max), TOLERANCE, MAX_ITERATIONS
        )
        iterations += taken
        value = _sum_rate(p, among)
        if value > best_value:
            best, best_value = p, value
    return PowerSolution(spread(best, mask), best_value, iterations)


def _sum_rate(p: Float, coefficients: UatfCoefficients) -> float:
    return float(np.log2(1.0 + uatf_sinr(p, coefficients)).sum())


@kernel
def _wmmse(
    b: Float, c: Float, s: Float, start: Float, p_max: float, tolerance: float, max_iterations: int
) -> tuple[Float, int]:
    """One run from `start`. u: receiver gain, e: mean square error, d = 1/e: weight (Algorithm 7.2)."""
    num_users = b.size
    p = start.copy()
    before = -np.inf
    for iteration in range(1, max_iterations + 1):  # noqa: B007  (returned)
        q = c @ p + s + p * b
        e = 1.0 - p * b / q
        d = 1.0 / e
        u = np.sqrt(p * b) / q
        value = np.log(d).sum()
        if not value - before > tolerance * abs(value):  # NaN ends it too
            break
        before = value
        n = b * d * u * u
        m = n + c.T @ (d * u * u)
        for k in range(num_users):
            p[k] = min(p_max, d[k] * n[k] / (m[k] * m[k])) if m[k] > 0 else 0.0
    return p, iteration
