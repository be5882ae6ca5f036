"""Rates of local MMSE combining in cell-free XL-MIMO for many worlds, and their gradient.

The deterministic equivalent of `cfenvs.radio.xl_mimo.xl_lmmse_se`: at each base station m

    e = sum_r rho_r / (rho_r S(e) + 1),    S(e) = sum_kj q_kj / (1 + q_kj e),    q_kj = p_k snr_mk mu_j

over distinct eigenvalues with their counts, then a_kj = q_kj e / (1 + q_kj e) and the rates from the sums of a and of
a (1 - a) over the base stations. A world's base stations are solved side by side, the station innermost, so that the
loops vectorise; every sum has a fixed order and nothing depends on other rows, so that a row gives the same bits in any
batch.
"""

# Inside a kernel the types are numba's; the annotations are for its callers.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Float, Int
from cfenvs.kernels import inlined, kernel
from cfenvs.radio.spectral_efficiency import log2_1p
from cfenvs.radio.xl_mimo import NEWTON_STEPS, NEWTON_TOLERANCE

Modes = tuple[tuple[Float, Float], tuple[Float, Float]]
"""Of base stations and of users: distinct eigenvalues and how often each occurs, as from `cfenvs.radio.xl_mimo.modes`.
"""


@inlined
def _fill(power, snr, mu, mu_counts, q, counts):
    """Write q (K J, M) and counts (K J,) of one world, stream k J + j."""
    num_stations, num_users = snr.shape
    for k in range(num_users):
        for j in range(len(mu)):
            i = k * len(mu) + j
            counts[i] = mu_counts[j]
            x = power[k] * mu[j]
            for m in range(num_stations):
                q[i, m] = snr[m, k] * x


@inlined
def _solve(power, snr, modes, q, counts, e, work):
    """Newton's method for e at every station: writes q (K J, M), counts (K J,) and e (M,); work (4, M) is scratch.

    The right side is concave and increasing in e, so that the steps from its upper bound sum_r rho_r go down only.
    """
    (rho, rho_counts), (mu, mu_counts) = modes
    _fill(power, snr, mu, mu_counts, q, counts)
    num_streams, num_stations = q.shape
    load, load_slope, value, slope = work[0], work[1], work[2], work[3]
    bound = 0.0
    for r in range(len(rho)):
        bound += rho_counts[r] * rho[r]
    for m in range(num_stations):
        e[m] = bound
    for _ in range(NEWTON_STEPS):
        for m in range(num_stations):
            load[m] = load_slope[m] = value[m] = slope[m] = 0.0
        for i in range(num_streams):
            row, count = q[i], counts[i]
            for m in range(num_stations):
                t = row[m] / (1.0 + row[m] * e[m])
                load[m] += count * t
                load_slope[m] += count * (t * t)
        for r in range(len(rho)):
            gain, count = rho[r], rho_counts[r]
            for m in range(num_stations):
                y = gain / (gain * load[m] + 1.0)
                value[m] += count * y
                slope[m] += count * (y * y)
        moved = 0
        for m in range(num_stations):
            step = (e[m] - value[m]) / (1.0 - slope[m] * load_slope[m])
            e[m] -= step
            moved += abs(step) > NEWTON_TOLERANCE * e[m]
        if moved == 0:
            break


@inlined
def _stream(q, e):
    """Sums of a and of a (1 - a) over the base stations of a stream with q (M,), and their ratio, 0 of a silent one."""
    signal = spread = 0.0
    for m in range(e.size):
        qe = q[m] * e[m]
        rest = 1.0 / (1.0 + qe)
        signal += qe * rest
        spread += (qe * rest) * rest
    return signal, spread, signal / spread if spread > 0.0 else 0.0


@kernel(nogil=True, of_worlds="powers worlds out")
def lmmse_spectral_efficiencies(powers: Float, worlds: Int, snr: Float, modes: Modes, out: Float) -> None:
    """Spectral efficiencies of all users, row b at powers[b] in world worlds[b]; C-contiguous float64 arrays.

    Parameters
    ----------
    powers : (B, K) array
        Power of each UE antenna.
    worlds : (B,) int64 array
    snr : (E, M, K) array
        Large-scale gains over the noise power of an antenna, per unit of power.
    modes : pair of pairs of arrays
        Distinct eigenvalues of the BS correlation and how often each occurs, (R,) both, as from
        `cfenvs.radio.xl_mimo.modes`; the same of the UE correlation, (J,).
    out : (B, K) array
        Written in place, in bit/s/Hz.
    """
    num_rows, num_users = powers.shape
    num_stations, num_modes = snr.shape[1], modes[1][0].size
    q = np.empty((num_users * num_modes, num_stations))
    counts = np.empty(num_users * num_modes)
    e = np.empty(num_stations)
    work = np.empty((4, num_stations))
    for b in range(num_rows):
        _solve(powers[b], snr[worlds[b]], modes, q, counts, e, work)
        for k in range(num_users):
            total = 0.0
            for i in range(k * num_modes, (k + 1) * num_modes):
                signal, _, ratio = _stream(q[i], e)
                total += counts[i] * log2_1p(signal * ratio)
            out[b, k] = total


@kernel
def lmmse_gradient(power: Float, snr: Float, modes: Modes, se: Float, jacobian: Float) -> None:
    """Spectral efficiencies of one world and their derivatives by the powers, through the fixed point.

    C-contiguous float64 arrays.

    Parameters
    ----------
    power : (K,) array
        Power of each UE antenna.
    snr : (M, K) array
        Large-scale gains over the noise power of an antenna, per unit of power.
    modes
        As `lmmse_spectral_efficiencies`.
    se : (K,) array
        Written in place, in bit/s/Hz, bit for bit as `lmmse_spectral_efficiencies` does.
    jacobian : (K, K) array
        Written in place: d SE_k / d p_l at [k, l], one-sided for a silent user.
    """
    num_stations, num_users = snr.shape
    (rho, rho_counts), (mu, mu_counts) = modes
    num_modes = len(mu)
    q = np.empty((num_users * num_modes, num_stations))
    counts = np.empty(num_users * num_modes)
    e = np.empty(num_stations)
    work = np.empty((4, num_stations))
    _solve(power, snr, modes, q, counts, e, work)

    # e solves e = g(S(e, p)), so that de/dp_l = g' dS/dp_l / (1 - g' dS/de).
    e_slopes = np.zeros((num_users, num_stations))
    load, load_slope, slope = np.zeros(num_stations), np.zeros(num_stations), np.zeros(num_stations)
    for i in range(len(q)):
        for m in range(num_stations):
            t = q[i, m] / (1.0 + q[i, m] * e[m])
            load[m] += counts[i] * t
            load_slope[m] -= counts[i] * (t * t)
    for r in range(len(rho)):
        for m in range(num_stations):
            y = rho[r] / (rho[r] * load[m] + 1.0)
            slope[m] -= rho_counts[r] * (y * y)
    for m in range(num_stations):
        slope[m] /= 1.0 - slope[m] * load_slope[m]
    for k in range(num_users):
        for j in range(num_modes):
            for m in range(num_stations):
                rest = 1.0 / (1.0 + q[k * num_modes + j, m] * e[m])
                e_slopes[k, m] += slope[m] * (mu_counts[j] * (snr[m, k] * mu[j]) * (rest * rest))

    through_e = np.empty(num_stations)
    for k in range(num_users):
        total = own = 0.0
        through_e[:] = 0.0
        for j in range(num_modes):
            i = k * num_modes + j
            signal, spread, ratio = _stream(q[i], e)
            total += counts[i] * log2_1p(signal * ratio)
            if spread == 0.0:
                ratio = 1.0  # its limit for a user about to speak
            outer = counts[i] / (np.log(2.0) * (1.0 + signal * ratio))
            for m in range(num_stations):
                rest = 1.0 / (1.0 + q[i, m] * e[m])
                # d(signal ratio) / da_mkj, then da_mkj / de_m and the direct da_mkj / dp_k.
                inner = outer * ratio * (2.0 - ratio * (2.0 * rest - 1.0)) * (rest * rest)
                through_e[m] += inner * q[i, m]
                own += inner * (snr[m, k] * mu[j] * e[m])
        se[k] = total
        for l in range(num_users):  # noqa: E741  (user l)
            derivative = 0.0
            for m in range(num_stations):
                derivative += through_e[m] * e_slopes[l, m]
            jacobian[k, l] = derivative
        jacobian[k, k] += own


@kernel(nogil=True, of_worlds="powers cotangents worlds out")
def lmmse_gradients(powers: Float, cotangents: Float, worlds: Int, snr: Float, modes: Modes, out: Float) -> None:
    """Rows of weights times the Jacobians of `lmmse_spectral_efficiencies`.

    Parameters
    ----------
    powers, worlds, snr, modes
        As there.
    cotangents : (B, K) array
        The weights y.
    out : (B, K) array
        Receives sum_k y_k d SE_k / d p_l.
    """
    num_rows, num_users = powers.shape
    se, jacobian = np.empty(num_users), np.empty((num_users, num_users))
    for b in range(num_rows):
        lmmse_gradient(powers[b], snr[worlds[b]], modes, se, jacobian)
        for l in range(num_users):  # noqa: E741  (user l)
            total = 0.0
            for k in range(num_users):
                total += cotangents[b, k] * jacobian[k, l]
            out[b, l] = total
