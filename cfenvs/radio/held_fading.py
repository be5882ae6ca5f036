"""Realisations that are held while gains change: the same normals, estimated anew through other gains and pilots."""

# Inside a kernel the types are numba's; the annotations are for its callers.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Bool, Complex, Float, Int
from cfenvs.emitted import emitted, fold
from cfenvs.kernels import kernel
from cfenvs.radio.lanes import COMPLEX, LANES, fma, fnma, load, load_complex, mul, splat, store

Training = tuple[Int, Bool, float, int]


@kernel
def held_estimates(
    worlds: Int, normals: Float, noise: Float, roots: Complex, filters: Complex, training: Training, out: Float
) -> None:
    """MMSE channel estimates of held realisations in some worlds; as `cfenvs.radio.estimation` has them.

    Channels are h_kl = R_kl^(1/2) w_kl. Normals and estimates are in lanes (`cfenvs.radio.mmse_kernel`), in B groups of
    realisations.

    Parameters
    ----------
    worlds : (n,) int array
        Which of the E worlds.
    normals : (E, B, K, L, N, 2, LANES) array
        w.
    noise : (E, B, T, L, N, 2, LANES) array
        Of the received pilots; CN(0, 1).
    roots, filters : (n, L, K, N, N) arrays
        Square roots of the spatial correlation, and R Psi^-1, zero for users that send no pilot.
    training : (n, K) int array, (n, K) bool array, float, int
        Pilot of each user, whether it is sent, its power in mW, and the number of pilots, which is their length.
    out : (E, B, K, L, N, 2, LANES) array
        Estimates, overwritten in these worlds.
    """
    pilots, sending, pilot_power, tau_p = training
    _, num_groups, num_users, num_access_points, num_antennas, _, _ = normals.shape
    amplitude, deviation, scale = np.sqrt(pilot_power) * tau_p, np.sqrt(np.float64(tau_p)), np.sqrt(pilot_power)
    w, v, estimates = normals.reshape(-1), noise.reshape(-1), out.reshape(-1)
    received = np.empty(tau_p * num_antennas * COMPLEX)
    for i in range(len(worlds)):
        for group in range(num_groups):
            block = worlds[i] * num_groups + group
            for ap in range(num_access_points):
                for t in range(tau_p):
                    here = ((block * tau_p + t) * num_access_points + ap) * num_antennas * COMPLEX
                    for x in range(0, num_antennas * COMPLEX, LANES):
                        there = t * num_antennas * COMPLEX + x
                        store(received, there, mul(splat(deviation), load(v, here + x)))
                for k in range(num_users):
                    if sending[i, k]:
                        here = ((block * num_users + k) * num_access_points + ap) * num_antennas * COMPLEX
                        there = pilots[i, k] * num_antennas * COMPLEX
                        for a in range(num_antennas):
                            place = there + a * COMPLEX
                            re, im = load(received, place), load(received, place + LANES)
                            re, im = row_sum(roots[i, ap, k, a], amplitude, w, here, COMPLEX, re, im)
                            store(received, place, re)
                            store(received, place + LANES, im)
                for k in range(num_users):
                    here = ((block * num_users + k) * num_access_points + ap) * num_antennas * COMPLEX
                    there = pilots[i, k] * num_antennas * COMPLEX
                    for a in range(num_antennas):
                        re, im = row_sum(filters[i, ap, k, a], scale, received, there, COMPLEX, splat(0.0), splat(0.0))
                        store(estimates, here + a * COMPLEX, re)
                        store(estimates, here + a * COMPLEX + LANES, im)


@emitted
def row_sum(row, factor, vector, start, stride, re, im):
    """Add factor * row @ vector to a complex number of several realisations, the vector's being `stride` apart."""

    @fold((re, im), 0, row.shape[0])
    def total(n, z):
        a, b = splat(factor * row[2 * n]), splat(factor * row[2 * n + 1])
        (re, im), (x, y) = z, load_complex(vector, start + n * stride)
        re, im = fma(a, x, re), fma(a, y, im)
        return fnma(b, y, re), fma(b, x, im)

    return total
