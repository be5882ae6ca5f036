"""Maximum-ratio combining at single antennas where users send their pilots with the power of their data.

Estimates then depend on the powers. With psi_tl = 1 + tau_p sum_{i on t} p_i beta_il and what an access point keeps of
user k's own power, a_kl = tau_p beta_kl^2 / psi_tl for its pilot t,

    SINR_k = p_k^2 A_k^2 / (sum_l a_kl sum_i p_i beta_il + sum_{i on t, i != k} p_i^2 C_ki^2 + A_k),

A_k = sum_l a_kl and C_ki = tau_p sum_l beta_kl beta_il / psi_tl: Demir, Bjornson, Sanguinetti, 2021, Corollary 5.6 with
the pilot powers eta_k = p_k of their (4.4) to (4.9), over p_k. A quiet user is heard with the square of its power: once
for its data, once for its estimate.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cfenvs.arrays import Float, Int
from cfenvs.kernels import inlined, kernel
from cfenvs.radio.spectral_efficiency import log2_1p


def mr_pilot_power_sinr(p: ArrayLike, beta: ArrayLike, pilots: ArrayLike, tau_p: int) -> Float:
    """SINR of maximum-ratio combining whose pilots have the power of the data, in closed form.

    Parameters
    ----------
    p : (K,) array
        Of data and pilots, in mW.
    beta : (L, K) array
        Gains over the noise power, per mW.
    pilots : (K,) array of labels
        Users with the same label share a pilot.
    tau_p : int
        Pilot length in samples.

    Returns
    -------
    (K,) array

    References
    ----------
    Demir, Bjornson, Sanguinetti, 2021, Corollary 5.6 and (4.4) to (4.9); with one antenna Ngo et al. 2017, (27).

    Examples
    --------
    At half the power of a user that is alone, and weak, its SINR is a quarter.

    >>> [mr_pilot_power_sinr([p], [[1e-6]], [0], tau_p=1).item() for p in (100.0, 50.0)]  # doctest: +ELLIPSIS
    [9.99...e-09, 2.49...e-09]
    """
    p, beta, pilots = np.asarray(p, float), np.asarray(beta, float), np.asarray(pilots)
    shared = pilots[:, None] == pilots[None, :]
    psi = 1.0 + tau_p * (beta * p) @ shared  # (L, K), at the pilot of each user
    kept = tau_p * beta**2 / psi
    total = kept.sum(axis=0)
    coherent = (tau_p * (beta / psi).T @ (beta * p)) ** 2
    np.fill_diagonal(coherent, 0.0)
    spread = (kept * (beta @ p)[:, None]).sum(axis=0)
    disturbance = spread + (coherent * shared).sum(axis=1) + total
    return (p * total) ** 2 / np.where(total > 0, disturbance, 1.0)


@inlined
def _received(p: Float, beta: Float, pilots: Int, tau_p: int, psi: Float, heard: Float) -> None:
    """Write psi (T, L) and sum_i p_i beta_il (L,)."""
    num_access_points, num_users = beta.shape
    psi[:] = 1.0
    heard[:] = 0.0
    for l in range(num_access_points):  # noqa: E741  (access point l)
        for i in range(num_users):
            power = p[i] * beta[l, i]
            heard[l] += power
            psi[pilots[i], l] += tau_p * power


@inlined
def _coherent(beta: Float, psi: Float, k: int, i: int, tau_p: int) -> float:
    """C_ki of two users of one pilot, whose row of psi is given."""
    total = 0.0
    for l in range(psi.size):  # noqa: E741  (access point l)
        total += beta[l, k] * beta[l, i] / psi[l]
    return tau_p * total


@inlined
def _moments(p: Float, beta: Float, pilots: Int, own: Float, heard: Float, k: int, tau_p: int) -> tuple[float, float]:
    """A_k, and what disturbs user k; its pilot's row of psi (L,) is `own`."""
    total = disturbance = 0.0
    for l in range(own.size):  # noqa: E741  (access point l)
        kept = tau_p * beta[l, k] * beta[l, k] / own[l]
        total += kept
        disturbance += kept * heard[l]
    disturbance += total
    for i in range(p.size):
        if i != k and pilots[i] == pilots[k]:
            disturbance += (p[i] * _coherent(beta, own, k, i, tau_p)) ** 2
    return total, disturbance


@kernel(nogil=True, of_worlds="powers worlds out")
def mr_pilot_power_efficiencies(powers: Float, worlds: Int, gains: Float, pilots: Int, tau_p: int, out: Float) -> None:
    """log2(1 + SINR) of rows of powers; C-contiguous arrays.

    Parameters
    ----------
    powers : (B, K) array
        Of data and pilots, in mW.
    worlds : (B,) int array
        The world in which each row is sent.
    gains : (E, L, K) array
        beta over the noise power, per mW.
    pilots : (E, K) int array
        Below tau_p.
    tau_p : int
    out : (B, K) array
        Written in place, in bit/s/Hz.
    """
    rows, num_users = powers.shape
    num_access_points = gains.shape[1]
    psi, heard = np.empty((tau_p, num_access_points)), np.empty(num_access_points)
    for row in range(rows):
        p, beta, of_users = powers[row], gains[worlds[row]], pilots[worlds[row]]
        _received(p, beta, of_users, tau_p, psi, heard)
        for k in range(num_users):
            own = psi[of_users[k]]
            total, disturbance = _moments(p, beta, of_users, own, heard, k, tau_p)
            signal = (p[k] * total) ** 2
            out[row, k] = log2_1p(signal / disturbance if signal > 0.0 else 0.0)


@kernel(of_worlds="powers cotangents worlds out")
def mr_pilot_power_gradients(
    powers: Float, cotangents: Float, worlds: Int, gains: Float, pilots: Int, tau_p: int, out: Float
) -> None:
    """Rows of weights times the Jacobians of `mr_pilot_power_efficiencies`.

    With kappa_kil = tau_p beta_kl beta_il / psi_tl, whose derivative by the power of a user j of the pilot t is
    -tau_p kappa_kil beta_jl / psi_tl, all follows by the chain rule.

    Arguments as there; with weights y, `cotangents` (B, K), `out` (B, K) receives sum_k y_k d efficiency_k / d p_j.
    """
    rows, num_users = powers.shape
    num_access_points = gains.shape[1]
    psi, heard = np.empty((tau_p, num_access_points)), np.empty(num_access_points)
    falling = np.empty(num_access_points)
    for row in range(rows):
        p, beta, of_users = powers[row], gains[worlds[row]], pilots[worlds[row]]
        _received(p, beta, of_users, tau_p, psi, heard)
        out[row] = 0.0
        for k in range(num_users):
            own = psi[of_users[k]]
            total, disturbance = _moments(p, beta, of_users, own, heard, k, tau_p)
            if total == 0.0:
                continue
            sinr = (p[k] * total) ** 2 / disturbance
            outer = cotangents[row, k] / (np.log(2.0) * (1.0 + sinr))
            for l in range(num_access_points):  # noqa: E741  (access point l)
                kept = tau_p * beta[l, k] * beta[l, k] / own[l]
                # -psi_tl times the derivative by psi_tl
                falling[l] = 2.0 * p[k] * p[k] * total * kept - sinr * kept * (heard[l] + 1.0)
            for i in range(num_users):
                if i != k and of_users[i] == of_users[k]:
                    coherent = _coherent(beta, own, k, i, tau_p)
                    out[row, i] -= outer * sinr * 2.0 * p[i] * coherent * coherent / disturbance
                    for l in range(num_access_points):  # noqa: E741  (access point l)
                        share = tau_p * beta[l, k] * beta[l, i] / own[l]
                        falling[l] -= sinr * 2.0 * p[i] * p[i] * coherent * share
            for j in range(num_users):
                direct = through = 0.0
                for l in range(num_access_points):  # noqa: E741  (access point l)
                    direct += tau_p * beta[l, k] * beta[l, k] / own[l] * beta[l, j]
                    through += falling[l] * tau_p * beta[l, j] / own[l]
                out[row, j] -= outer * sinr * direct / disturbance
                if of_users[j] == of_users[k]:
                    out[row, j] -= outer * through / disturbance
            out[row, k] += outer * 2.0 * p[k] * total * total / disturbance
