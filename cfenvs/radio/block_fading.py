"""A channel realisation for every step, fresh or evolved: drawn by counter, estimated from pilots, in one kernel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfenvs.arrays import Complex, Float, Int
from cfenvs.kernels import kernel
from cfenvs.radio.clarke import clarke_normals
from cfenvs.radio.held_fading import Training
from cfenvs.radio.philox import complex_normals

_OF_WAVES = np.uint64(0x9E3779B97F4A7C15)
"""Tells the key of what evolves from that of what is fresh in every step."""


@kernel
def block_estimates(
    keys: NDArray[np.uint64],
    steps: Int,
    cycles: Float,
    evolving: bool,
    roots: Complex,
    filters: Complex,
    training: Training,
    out: Float,
) -> None:
    """MMSE channel estimates of one realisation in each world.

    The realisation depends on (key, step, cycles) only, not on the order or number of worlds. Channels are
    h_kl = R_kl^(1/2) w_kl, with w_kl fresh in every step, or as `cfenvs.radio.clarke` has them; pilots are received and
    filtered as in `cfenvs.radio.estimation`.

    Parameters
    ----------
    keys : (E,) uint64 array
        One for each world and episode.
    steps : (E,) int array
    cycles : (E,) array
        Wavelengths walked, for channels that are `evolving`.
    evolving : bool
    roots : (E, L, K, N, N) array
        Square roots of the spatial correlation.
    filters : (E, L, K, N, N) array
        R Psi^-1, zero for users that send no pilot.
    training : (E, K) int array, (E, K) bool array, float, int
        As for `cfenvs.radio.held_fading.held_estimates`.
    out : (E, 1, K, L, N, 2, LANES) array
        Lane 0 is written.
    """
    num_worlds, num_access_points, num_users, num_antennas, _ = roots.shape
    pilots, sending, pilot_power, tau_p = training
    columns = num_users + tau_p
    draws = np.empty(2 * num_access_points * columns * num_antennas)
    normals = draws.reshape((num_access_points, columns, num_antennas, 2))
    evolved = np.empty(2 * num_access_points * num_users * num_antennas)
    waves = evolved.reshape((num_access_points, num_users, num_antennas, 2))
    received = np.empty((tau_p, num_antennas), np.complex128)
    amplitude, noise = np.sqrt(pilot_power) * tau_p, np.sqrt(np.float64(tau_p))
    scale = np.sqrt(pilot_power)
    for e in range(num_worlds):
        complex_normals(keys[e], np.uint64(steps[e]), draws)
        if evolving:
            clarke_normals(keys[e] ^ _OF_WAVES, cycles[e], evolved)
            normals[:, :num_users] = waves
        for ap in range(num_access_points):
            for t in range(tau_p):
                for n in range(num_antennas):
                    w = normals[ap, num_users + t, n]
                    received[t, n] = noise * complex(w[0], w[1])
            for k in range(num_users):
                if sending[e, k]:
                    for a in range(num_antennas):
                        h = 0j
                        for n in range(num_antennas):
                            h += roots[e, ap, k, a, n] * complex(normals[ap, k, n, 0], normals[ap, k, n, 1])
                        received[pilots[e, k], a] += amplitude * h
            for k in range(num_users):
                for a in range(num_antennas):
                    estimate = 0j
                    for n in range(num_antennas):
                        estimate += filters[e, ap, k, a, n] * received[pilots[e, k], n]
                    out[e, 0, k, ap, a, 0, 0] = scale * estimate.real
                    out[e, 0, k, ap, a, 1, 0] = scale * estimate.imag
