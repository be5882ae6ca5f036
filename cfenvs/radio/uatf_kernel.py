"""Rates of the use-and-then-forget form for many worlds at once.

Worlds are stored in groups of `LANES`, the world innermost: `c[group, k, i, lane]`. The inner loop then runs over
worlds with unit stride and vectorises, for any number of users. Each lane does the arithmetic of its world in the same
order whatever the group's width, so the rates of a world do not depend on how many worlds there are.
"""

from __future__ import annotations

from operator import call

import numpy as np

from cfenvs.arrays import Float
from cfenvs.kernels import Run, for_kernel, inlined, kernel
from cfenvs.radio.spectral_efficiency import log2_1p
from cfenvs.radio.uatf import UatfCoefficients

LANES = 64
"""Worlds in a group: the powers of 64 worlds with 40 users take 20 KiB, which first-level caches hold."""


class UatfBatch:
    """Coefficients of many worlds, in the layout of the kernel.

    Parameters
    ----------
    num_worlds, num_users : int
    gains, counts : (J,) arrays, optional
        Streams of a user: `counts[j]` of them have `gains[j]` times its SINR. One of gain 1 by default.

    Attributes
    ----------
    work : float
        Multiplications and additions that a world takes.
    """

    def __init__(
        self, num_worlds: int, num_users: int, gains: Float | None = None, counts: Float | None = None
    ) -> None:
        self.gains = np.ones(1) if gains is None else np.asarray(gains, float)
        self.counts = np.ones(len(self.gains)) if counts is None else np.asarray(counts, float)
        lanes = min(LANES, num_worlds)
        self.work = float(num_users**2)
        groups = -(-num_worlds // lanes)
        self.b = np.zeros((groups, num_users, lanes))
        self.c = np.zeros((groups, num_users, num_users, lanes))

    def set(self, world: int, coefficients: UatfCoefficients) -> None:
        """Store the coefficients of one world; `s` must be one."""
        group, lane = divmod(world, self.b.shape[-1])
        self.b[group, :, lane] = coefficients.b
        self.c[group, :, :, lane] = coefficients.c

    def get(self, world: int) -> UatfCoefficients:
        """The coefficients of one world."""
        group, lane = divmod(world, self.b.shape[-1])
        b = self.b[group, :, lane].copy()
        return UatfCoefficients(b, self.c[group, :, :, lane].copy(), np.ones_like(b))

    def spectral_efficiencies(self, powers: Float, run: Run = call) -> Float:
        """Sum of log2(1 + gain SINR) over the streams of every user in every world; powers (E, K) in mW -> (E, K).

        `run` runs the kernel.
        """
        out, powers = np.empty(powers.shape), for_kernel(powers)
        run(uatf_spectral_efficiencies, powers, self.b, self.c, self.gains, self.counts, out)
        return out

    def gradient(self, powers: Float, cotangents: Float, run: Run = call) -> Float:
        """sum_k y_k d efficiency_k / d p_i in every world; powers in mW and weights y (E, K) -> (E, K)."""
        out, powers, cotangents = np.empty(powers.shape), for_kernel(powers), for_kernel(cotangents)
        run(uatf_gradient, powers, cotangents, self.b, self.c, self.gains, self.counts, out)
        return out


@inlined
def _take(powers: Float, first: int, p: Float) -> int:
    """Write the powers of the worlds of a group (K, W), and return how many worlds it has."""
    width = min(p.shape[1], len(powers) - first)
    for k in range(len(p)):
        for e in range(width):
            p[k, e] = powers[first + e, k]
    return width


@kernel(nogil=True, of_worlds="powers out", of_groups="c b")
def uatf_spectral_efficiencies(powers: Float, b: Float, c: Float, gains: Float, counts: Float, out: Float) -> None:
    """sum_j counts_j log2(1 + gains_j SINR_k), SINR_k = b_k p_k / (sum_i c_ki p_i + 1), for all worlds.

    Parameters
    ----------
    powers : (E, K) array
        In mW.
    b : (G, K, W) array
    c : (G, K, K, W) array
        World e stands in group e // W, lane e % W.
    gains, counts : (J,) arrays
        The streams of a user.
    out : (E, K) array
        Written in place.
    """
    num_users = powers.shape[1]
    groups, _, _, lanes = c.shape
    p = np.zeros((num_users, lanes))
    interference, sinr, total = np.empty(lanes), np.empty(lanes), np.empty(lanes)
    for g in range(groups):
        first = g * lanes
        width = _take(powers, first, p)
        for k in range(num_users):
            for e in range(lanes):
                interference[e] = 1.0
            i = 0
            while i + 4 <= num_users:  # four rows at a time: the sum is loaded and stored a quarter as often
                c0, c1, c2, c3 = c[g, k, i], c[g, k, i + 1], c[g, k, i + 2], c[g, k, i + 3]
                p0, p1, p2, p3 = p[i], p[i + 1], p[i + 2], p[i + 3]
                for e in range(lanes):
                    interference[e] += c0[e] * p0[e] + c1[e] * p1[e] + (c2[e] * p2[e] + c3[e] * p3[e])
                i += 4
            while i < num_users:
                c0, p0 = c[g, k, i], p[i]
                for e in range(lanes):
                    interference[e] += c0[e] * p0[e]
                i += 1
            signal, own = b[g, k], p[k]
            for e in range(lanes):
                sinr[e] = signal[e] * own[e] / interference[e]
                total[e] = 0.0
            for j in range(gains.size):
                gain, count = gains[j], counts[j]
                for e in range(lanes):
                    total[e] += count * log2_1p(gain * sinr[e])
            for e in range(width):
                out[first + e, k] = total[e]


@kernel(nogil=True, of_worlds="powers cotangents out", of_groups="c b")
def uatf_gradient(
    powers: Float, cotangents: Float, b: Float, c: Float, gains: Float, counts: Float, out: Float
) -> None:
    """A row of weights times the Jacobian of `uatf_spectral_efficiencies`, for all worlds.

    With D_k = sum_i c_ki p_i + 1 and the slope s_k of user k's efficiency in its SINR, d SINR_k / d p_i is
    (delta_ki b_k - SINR_k c_ki) / D_k.

    Parameters
    ----------
    powers, b, c, gains, counts
        As `uatf_spectral_efficiencies`.
    cotangents : (E, K) array
        The weights y.
    out : (E, K) array
        Receives sum_k y_k d efficiency_k / d p_i.
    """
    num_users = powers.shape[1]
    groups, _, _, lanes = c.shape
    p, gradient = np.zeros((num_users, lanes)), np.empty((num_users, lanes))
    interference, slope = np.empty(lanes), np.empty(lanes)
    for g in range(groups):
        first = g * lanes
        width = _take(powers, first, p)
        gradient[:] = 0.0
        for k in range(num_users):
            for e in range(lanes):
                interference[e] = 1.0
            for i in range(num_users):
                row, power = c[g, k, i], p[i]
                for e in range(lanes):
                    interference[e] += row[e] * power[e]
            signal, own, grown = b[g, k], p[k], gradient[k]
            for e in range(lanes):
                sinr = signal[e] * own[e] / interference[e]
                total = 0.0
                for j in range(gains.size):
                    total += counts[j] * gains[j] / (1.0 + gains[j] * sinr)
                slope[e] = total / (np.log(2.0) * interference[e])
            for e in range(width):
                slope[e] *= cotangents[first + e, k]
            for e in range(lanes):
                grown[e] += slope[e] * signal[e]
                slope[e] *= signal[e] * own[e] / interference[e]
            for i in range(num_users):
                row, grown = c[g, k, i], gradient[i]
                for e in range(lanes):
                    grown[e] -= slope[e] * row[e]
        for i in range(num_users):
            for e in range(width):
                out[first + e, i] = gradient[i, e]
