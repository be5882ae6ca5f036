"""Maximum-ratio combining with large arrays and large-scale fading decoding at the central unit, for many rows at once.

With D_m = sum_l p_l beta_ml, what base station m hears of everybody, and w_m = N_r / (coupling D_m + 1),

    gamma_k = p_k sum_m beta_mk w_m,    SE_k = sum_j counts_j log2(1 + gains_j gamma_k)

(`cfenvs.radio.xl_mimo.xl_mr_lsfd_gamma` at noise 1). Each w_m depends on the powers by D_m alone, so that

    d gamma_k / d p_i = delta_ki sum_m beta_mk w_m - p_k (coupling / N_r) sum_m beta_mk w_m^2 beta_mi.
"""

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Float, Int
from cfenvs.kernels import inlined, kernel
from cfenvs.radio.spectral_efficiency import log2_1p

Modes = tuple[Float, Float]


@inlined
def _weights(p: Float, gains: Float, num_receive: float, coupling: float, weights: Float) -> None:
    """Write w_m of every base station."""
    num_stations, num_users = gains.shape
    for m in range(num_stations):
        heard = 0.0
        for k in range(num_users):
            heard += p[k] * gains[m, k]
        weights[m] = num_receive / (coupling * heard + 1.0)


@inlined
def _per_power(gains: Float, weights: Float, k: int) -> float:
    """gamma_k over p_k."""
    total = 0.0
    for m in range(weights.size):
        total += gains[m, k] * weights[m]
    return total


@inlined
def _slope(gamma: float, gains: Float, counts: Float) -> float:
    """Derivative of SE_k by gamma_k."""
    total = 0.0
    for j in range(gains.size):
        total += counts[j] * gains[j] / (1.0 + gains[j] * gamma)
    return total / np.log(2.0)


@kernel(nogil=True, of_worlds="powers worlds out")
def xl_lsfd_spectral_efficiencies(
    powers: Float, worlds: Int, gains: Float, num_receive: float, coupling: float, modes: Modes, out: Float
) -> None:
    """Spectral efficiencies of rows of powers.

    Parameters
    ----------
    powers, worlds
        As for `cfenvs.radio.xl_kernel.lmmse_spectral_efficiencies`.
    gains : (E, M, K) array
        beta over the noise power, per mW.
    num_receive, coupling : float
        N_r and N_s tr(R_r^2) / N_r.
    modes : pair of (J,) arrays
        Eigenvalues of the user's correlation, and how often each occurs.
    out : (B, K) array
        Written in place.
    """
    rows, num_users = powers.shape
    (values, counts), weights = modes, np.empty(gains.shape[1])
    for row in range(rows):
        p, beta = powers[row], gains[worlds[row]]
        _weights(p, beta, num_receive, coupling, weights)
        for k in range(num_users):
            gamma, total = p[k] * _per_power(beta, weights, k), 0.0
            for j in range(counts.size):
                total += counts[j] * log2_1p(values[j] * gamma)
            out[row, k] = total


@kernel(nogil=True, of_worlds="powers cotangents worlds out")
def xl_lsfd_gradients(
    powers: Float,
    cotangents: Float,
    worlds: Int,
    gains: Float,
    num_receive: float,
    coupling: float,
    modes: Modes,
    out: Float,
) -> None:
    """A row of weights times the Jacobian of `xl_lsfd_spectral_efficiencies`.

    Arguments as there; with weights y, `cotangents` (B, K), `out` (B, K) receives sum_k y_k d SE_k / d p_i.
    """
    rows, num_users = powers.shape
    num_stations = gains.shape[1]
    weights = np.empty(num_stations)
    for row in range(rows):
        p, beta = powers[row], gains[worlds[row]]
        _weights(p, beta, num_receive, coupling, weights)
        out[row] = 0.0
        felt = np.zeros(num_stations)  # sum_k y_k SE'_k p_k beta_mk
        for k in range(num_users):
            direct = _per_power(beta, weights, k)
            slope = cotangents[row, k] * _slope(p[k] * direct, *modes)
            out[row, k] += slope * direct
            for m in range(num_stations):
                felt[m] += slope * p[k] * beta[m, k]
        for m in range(num_stations):
            falling = coupling / num_receive * weights[m] ** 2 * felt[m]
            for i in range(num_users):
                out[row, i] -= falling * beta[m, i]
