"""Cell-free XL-MIMO with channels estimated from pilots: decoding with weights, and local MMSE combining.

As in `cfenvs.radio.xl_mimo.xl_mr_pilot_coefficients`, every antenna of a user sends a pilot in the eigenbasis of R_s,
and users of one group t send the same ones. What base station m then knows of entry (r, i) is one number y_mtri for all
of them, with the variance

    u_mtri = q (rho_r mu_i)^2 / (q rho_r mu_i sum_{l in t} beta_ml + 1),

and the estimate of user k is beta_mk y_mtri: those of a group are multiples of each other. Powers are per UE antenna,
gains are over the noise power.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cfenvs.arrays import Float, Int
from cfenvs.radio.xl_mimo import modes

FIXED_POINT_STEPS = 5000
"""More than ever taken: some hundreds where there are about as many streams as BS modes, a few tens elsewhere."""
FIXED_POINT_TOLERANCE = 1e-12
"""Relative change at which to stop: convergence is geometric."""


def known_variances(
    beta: ArrayLike, groups: ArrayLike, pilot_energy: float, bs_eigenvalues: ArrayLike, ue_eigenvalues: ArrayLike
) -> Float:
    """The variances u, (M, K, R, J): of the group of each user, BS modes r and UE modes j in the order of `modes`.

    Arguments as `xl_lmmse_pilot_se`.
    """
    beta, groups = np.asarray(beta, float), np.asarray(groups)
    heard = beta @ (groups[:, None] == groups[None, :])
    product = np.multiply.outer(modes(bs_eigenvalues)[0], modes(ue_eigenvalues)[0])  # (R, J)
    return pilot_energy * product**2 / (pilot_energy * product * heard[:, :, None, None] + 1.0)


def xl_mr_lsfd_pilot_sinr(
    p: ArrayLike,
    beta: ArrayLike,
    groups: ArrayLike,
    pilot_energy: float,
    bs_eigenvalues: ArrayLike,
    ue_eigenvalues: ArrayLike,
) -> Float:
    """SINR of each stream under maximum ratio with estimates, and large-scale fading decoding. Exact.

    With G_m = sum_r u_mri and b_ml = beta_ml G_m, what the filter y makes of user l of the group on average,

        SINR_ki = p_k b_k^T (diag(N_s F_m sum_l p_l beta_ml + G_m) + sum_{l in P_k, l != k} p_l b_l b_l^T)^-1 b_k

    where F_m = sum_r rho_r u_mri: at each BS all that a user sends is spread, and what its group sends adds up over
    them. Co-pilot users can be told apart by the BSs that hear them.

    Returns
    -------
    (K, J) array
        UE modes j in the order of `modes`; arguments as `xl_lmmse_pilot_se`.

    References
    ----------
    Demir, Bjornson, Sanguinetti, 2021, (5.30) with the moments of Corollary 5.6.

    Examples
    --------
    With long pilots of its own a user has mu_i times the SINR `cfenvs.radio.xl_mimo.xl_mr_lsfd_gamma`.

    >>> beta = [[1.0, 0.5]]
    >>> xl_mr_lsfd_pilot_sinr([1.0, 1.0], beta, [0, 1], 1e9, np.ones(4), [2.0, 0.0]).round(3).ravel().tolist()
    [2.0, 1.0]
    """
    p, beta, groups = np.asarray(p, float), np.asarray(beta, float), np.asarray(groups)
    rho, counts = modes(bs_eigenvalues)
    u = known_variances(beta, groups, pilot_energy, bs_eigenvalues, ue_eigenvalues)
    G = np.einsum("mkrj,r->mkj", u, counts)
    spread = float(np.sum(ue_eigenvalues)) * np.einsum("mkrj,r->mkj", u, counts * rho) * (beta @ p)[:, None, None] + G
    sinr = np.empty((len(p), G.shape[-1]))
    for k, j in np.ndindex(*sinr.shape):
        others = np.flatnonzero((groups == groups[k]) & (np.arange(len(p)) != k))
        b = beta * G[:, k, j, None]
        disturbance = np.diag(spread[:, k, j]) + (b[:, others] * p[others]) @ b[:, others].T
        sinr[k, j] = p[k] * b[:, k] @ np.linalg.solve(disturbance, b[:, k])
    return sinr


def lmmse_pilot_gains(
    p: Float, beta: Float, groups: Int, pilot_energy: float, bs_eigenvalues: ArrayLike, ue_eigenvalues: ArrayLike
) -> Float:
    """Mean filter gains h of `xl_lmmse_pilot_se`, (M, K, J): that of the group of each user; arguments as there."""
    (rho, rho_counts), (mu, mu_counts) = modes(bs_eigenvalues), modes(ue_eigenvalues)
    u = known_variances(beta, groups, pilot_energy, bs_eigenvalues, ue_eigenvalues)
    firsts = np.unique(groups, return_index=True)[1]  # a user of each group
    loads = (p * beta**2) @ (groups[:, None] == groups[None, :])  # (M, K), the same in a group
    errors = np.multiply.outer(beta, np.multiply.outer(rho, mu)) - (beta**2)[:, :, None, None] * u
    noise = 1.0 + np.einsum("mkrj,k,j->mr", errors, p, mu_counts)
    e = np.einsum("mkrj,r->mkj", u, rho_counts)
    for _ in range(FIXED_POINT_STEPS):
        before, streams = e, loads[:, :, None] / (1.0 + loads[:, :, None] * e)
        inner = np.einsum("mkrj,mkj,j->mr", u[:, firsts], streams[:, firsts], mu_counts) + noise
        e = np.einsum("mkrj,mr->mkj", u, rho_counts / inner)
        if np.all(np.abs(e - before) <= FIXED_POINT_TOLERANCE * e):
            break
    return e / (1.0 + loads[:, :, None] * e)


def xl_lmmse_pilot_se(
    p: ArrayLike,
    beta: ArrayLike,
    groups: ArrayLike,
    pilot_energy: float,
    bs_eigenvalues: ArrayLike,
    ue_eigenvalues: ArrayLike,
) -> Float:
    """Spectral efficiency of local MMSE combining with estimates, by a deterministic equivalent; no pre-log factor.

    V_mk = p_k (sum_l p_l (Hhat_ml Hhat_ml^H + C_ml) + I)^-1 Hhat_mk with the estimates' error covariances C. With the
    mean gains h of y^H (...)^-1 y and X_kl = sum_m beta_mk beta_ml h_m, for each UE mode,

        SINR_k = p_k X_kk^2 / (sum_m beta_mk^2 h_m (1 - P_m h_m) + sum_{l in P_k, l != k} p_l X_kl^2)

    is exact, P_m = sum_{l in P_k} p_l beta_ml^2: local outputs have the moment E{V^H (...) V}, and only what users of
    one group send is coherent between BSs. The gains are h = e / (1 + P e) with a fixed point at each BS,

        e_ti = sum_r u_tri / (Z_r + sum_{t', i'} P_t' u_t'ri' / (1 + P_t' e_t'i')),
        Z_r = 1 + sum_l p_l sum_i (beta_l rho_r mu_i - beta_l^2 u_lri).

    Parameters
    ----------
    p : (K,) array
        Power of each UE antenna; zeros are silent users.
    beta : (M, K) array
        Large-scale gains over the noise power of an antenna.
    groups : (K,) array of labels
        Users with the same label share their pilots.
    pilot_energy : float
        q, power of an antenna's pilot times its length in samples.
    bs_eigenvalues, ue_eigenvalues
        As for `cfenvs.radio.xl_mimo.xl_lmmse_se`.

    Returns
    -------
    (K,) array
        In bit/s/Hz.

    References
    ----------
    (8) of Liu et al., arXiv:2302.09290, with the combiner of Demir, Bjornson, Sanguinetti, 2021, (5.29); the equivalent
    is of the kind of Couillet, Debbah, Silverstein, IEEE Trans. Inf. Theory 2011.

    Examples
    --------
    With long pilots of its own a user has what `cfenvs.radio.xl_mimo.xl_lmmse_se` says of known channels.

    >>> xl_lmmse_pilot_se([1.0, 1.0], [[1.0, 0.5]], [0, 1], 1e9, np.ones(4), [2.0, 0.0]).round(3).tolist()
    [2.565, 1.79]
    >>> xl_lmmse_pilot_se([1.0, 1.0], [[1.0, 0.5]], [0, 0], 1e9, np.ones(4), [2.0, 0.0]).round(3).tolist()
    [1.19, 0.218]
    """
    p, beta, groups = np.asarray(p, float), np.asarray(beta, float), np.asarray(groups)
    h = lmmse_pilot_gains(p, beta, groups, pilot_energy, bs_eigenvalues, ue_eigenvalues)
    shared = (groups[:, None] == groups[None, :]).astype(float)
    loads = (p * beta**2) @ shared
    coherent = np.einsum("mk,ml,mkj->klj", beta, beta, h)
    signal = p[:, None] * np.einsum("kkj->kj", coherent) ** 2
    contaminated = np.einsum("klj,kl,l->kj", coherent**2, shared, p) - signal
    spread = np.einsum("mk,mkj->kj", beta**2, h * (1.0 - loads[:, :, None] * h))
    sinr = signal / np.where(spread > 0, spread + contaminated, 1.0)
    return np.log2(1.0 + sinr) @ modes(ue_eigenvalues)[1]
