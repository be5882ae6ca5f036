"""Coefficients of maximum-ratio combining at single antennas for many worlds, in the layout of `uatf_kernel`."""

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.kernels import kernel


@kernel(nogil=True)
def mr_coefficients_batch(
    gains: Float,
    pilots: Int,
    sending: Bool,
    pilot_power: float,
    tau_p: int,
    worlds: Int,
    b: Float,
    c: Float,
) -> None:
    """Write the coefficients of `cfenvs.radio.uatf.mr_uatf_coefficients` without weights between access points.

    With g_kl = p tau_p beta_kl / Psi_tl, the power E{||v_kl||^2} is g_kl beta_kl, and

        b_k = sum_l g_kl beta_kl,
        c_ki = (sum_l g_kl beta_kl beta_il + [i on the pilot of k] (sum_l g_kl beta_il)^2) / b_k.

    Parameters
    ----------
    gains : (n, L, K) array
        beta over the noise power, per mW.
    pilots : (n, K) int array
        Below tau_p.
    sending : (n, K) bool array
        Users that send their pilot; the others have b = c = 0.
    pilot_power : float
        In mW.
    tau_p : int
    worlds : (n,) int array
        Where each of them belongs.
    b : (G, K, W) array
    c : (G, K, K, W) array
        Written in place; world e stands in group e // W, lane e % W.
    """
    num_worlds, num_access_points, num_users = gains.shape
    lanes = c.shape[3]
    psi = np.empty((num_access_points, tau_p))
    weights, powers = np.empty((num_users, num_access_points)), np.empty((num_users, num_access_points))
    spread, coherent = np.empty(num_users), np.empty(num_users)
    gathered = pilot_power * tau_p
    for e in range(num_worlds):
        beta, group, lane = gains[e], worlds[e] // lanes, worlds[e] % lanes
        psi[:] = 1.0
        for ap in range(num_access_points):
            for k in range(num_users):
                if sending[e, k]:
                    psi[ap, pilots[e, k]] += gathered * beta[ap, k]
        for k in range(num_users):
            b[group, k, lane] = 0.0
            for ap in range(num_access_points):
                weights[k, ap] = gathered * beta[ap, k] / psi[ap, pilots[e, k]] if sending[e, k] else 0.0
                powers[k, ap] = weights[k, ap] * beta[ap, k]
                b[group, k, lane] += powers[k, ap]
        for k in range(num_users):
            spread[:], coherent[:] = 0.0, 0.0
            weight, power = weights[k], powers[k]
            ap = 0
            while ap + 4 <= num_access_points:  # four rows at a time: sums are loaded and stored a quarter as often
                g0, g1, g2, g3 = beta[ap], beta[ap + 1], beta[ap + 2], beta[ap + 3]
                w0, w1, w2, w3 = weight[ap], weight[ap + 1], weight[ap + 2], weight[ap + 3]
                p0, p1, p2, p3 = power[ap], power[ap + 1], power[ap + 2], power[ap + 3]
                for i in range(num_users):
                    spread[i] += p0 * g0[i] + p1 * g1[i] + (p2 * g2[i] + p3 * g3[i])
                    coherent[i] += w0 * g0[i] + w1 * g1[i] + (w2 * g2[i] + w3 * g3[i])
                ap += 4
            while ap < num_access_points:
                g0, w0, p0 = beta[ap], weight[ap], power[ap]
                for i in range(num_users):
                    spread[i] += p0 * g0[i]
                    coherent[i] += w0 * g0[i]
                ap += 1
            total = b[group, k, lane]
            scale = 1.0 / total if total > 0.0 else 0.0
            for i in range(num_users):
                shared = sending[e, i] and pilots[e, i] == pilots[e, k] and i != k
                c[group, k, i, lane] = scale * (spread[i] + coherent[i] * coherent[i] if shared else spread[i])
