"""Spectral efficiency of the cell-free extremely large-scale MIMO uplink with multi-antenna users, in closed form.

M base stations (BSs) of N_r antennas, K users (UEs) of N_s; H_mk = sqrt(beta_mk) R_mk^(1/2) W R_s^(1/2), known to the
BS. BS m combines with V_mk, the central unit averages over the BSs and decodes with the channel's statistics:

    SE_k = log2 det(I + D_k^H Sigma_k^-1 D_k),    D_k = sqrt(p_k) sum_m E{V_mk^H H_mk}

(Liu et al., arXiv:2302.09290, (6) to (8)). Maximum ratio, V = H, has exact coefficients. Local MMSE reduces exactly to
the mean filter gains a_mki = [E{V_mk^H H_mk}]_ii, and these have a deterministic equivalent: one fixed point per BS.

Powers are per UE antenna. Gains, powers and noise are in any units in which beta p / noise has none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cfenvs.arrays import Array, Float
from cfenvs.radio.uatf import UatfCoefficients, uatf_sinr

NEWTON_STEPS = 100
"""More than ever taken: at most 15 in random cases, and the iteration is monotone."""
NEWTON_TOLERANCE = 1e-9
"""Relative change at which to stop: convergence is quadratic, so the error left is rounding."""


def modes(eigenvalues: ArrayLike) -> tuple[Float, Float]:
    """Distinct positive eigenvalues and how often each occurs.

    With those of the UE correlation, SE_k = sum_j counts_j log2(1 + gains_j gamma_k).

    Parameters
    ----------
    eigenvalues : (n,) array
        Not negative. Those within a relative 1e-9 of the next larger one are merged into their mean, those below 1e-12
        of the largest dropped.

    Returns
    -------
    gains, counts : (J,) arrays
        Descending; counts are whole numbers.

    Examples
    --------
    >>> gains, counts = modes([2.25, 2.25, 2.25, 2.25, 0.0])
    >>> gains.tolist(), counts.tolist()
    ([2.25], [4.0])
    """
    values = np.sort(np.asarray(eigenvalues, float))[::-1]
    if not (len(values) and values[0] > 0):
        raise ValueError("eigenvalues: at least one must be positive")
    values = values[values > 1e-12 * values[0]]
    starts = np.concatenate([[True], values[1:] < values[:-1] * (1 - 1e-9)])
    counts = np.bincount(np.cumsum(starts) - 1).astype(float)
    return np.add.reduceat(values, np.flatnonzero(starts)) / counts, counts


def xl_mr_coefficients(
    beta: ArrayLike, bs_eigenvalues: ArrayLike, ue_eigenvalues: ArrayLike, noise: float
) -> UatfCoefficients:
    """Coefficients of maximum-ratio combining, all BSs of one correlation. Exact.

    gamma_k = p_k N_r^2 B_k^2 / (N_s tr(R_r^2) sum_l p_l G_kl + noise N_r B_k) with B_k = sum_m beta_mk and G_kl =
    sum_m beta_mk beta_ml, scaled to unit noise; then SE_k = sum_i log2(1 + mu_i gamma_k).

    Parameters
    ----------
    beta : (M, K) array
        Large-scale gains.
    bs_eigenvalues : (N_r,) array
        Eigenvalues of R_r, summing to N_r.
    ue_eigenvalues : (N_s,) array
        mu, eigenvalues of R_s, summing to N_s.
    noise : float
        Noise power of one antenna.

    Returns
    -------
    UatfCoefficients
        Of gamma_k, per unit of power.

    References
    ----------
    (8) of Liu et al., arXiv:2302.09290, with E{W^H A W B W^H A W} = tr(A)^2 B + tr(A^2) tr(B) I for Gaussian W.

    Examples
    --------
    >>> coefficients = xl_mr_coefficients([[1.0, 0.5]], np.ones(4), [2.0, 0.0], noise=1.0)
    >>> uatf_sinr([1.0, 1.0], coefficients).round(3).tolist()
    [1.0, 0.5]
    """
    beta = np.asarray(beta, float)
    rho = np.asarray(bs_eigenvalues, float)
    total = np.sum(rho) * beta.sum(axis=0)
    return _mr_coefficients(total, np.sum(rho**2) * (beta.T @ beta), float(np.sum(ue_eigenvalues)), noise)


def xl_mr_coefficients_links(
    beta: ArrayLike, traces: ArrayLike, cross_traces: ArrayLike, ue_antennas: int, noise: float
) -> UatfCoefficients:
    """Coefficients of maximum-ratio combining with a BS correlation R_mk per link. Exact.

    Parameters
    ----------
    beta : (M, K) array
        Large-scale gains.
    traces : (M, K) array
        tr(R_mk).
    cross_traces : (M, K, K) array
        tr(R_mk R_ml).
    ue_antennas : int
        N_s = tr(R_s), the UE correlation being common.
    noise : float
        Noise power of one antenna.

    Returns
    -------
    UatfCoefficients
        Of gamma_k, as `xl_mr_coefficients`.

    Examples
    --------
    >>> coefficients = xl_mr_coefficients_links([[1.0, 0.5]], [[4.0, 4.0]], np.full((1, 2, 2), 4.0), 2, noise=1.0)
    >>> uatf_sinr([1.0, 1.0], coefficients).round(3).tolist()
    [1.0, 0.5]
    """
    beta = np.asarray(beta, float)
    total = np.sum(beta * np.asarray(traces, float), axis=0)
    coupling = np.einsum("mk,ml,mkl->kl", beta, beta, np.asarray(cross_traces, float))
    return _mr_coefficients(total, coupling, float(ue_antennas), noise)


def _mr_coefficients(total: Float, coupling: Float, ue_antennas: float, noise: float) -> UatfCoefficients:
    # A user no BS hears has T_k = 0: its coefficients are zero, not 0 / 0.
    scale = np.where(total > 0, 1.0 / (noise * np.where(total > 0, total, 1.0)), 0.0)
    return UatfCoefficients(total / noise, ue_antennas * scale[:, None] * coupling, np.ones_like(total))


def xl_mr_se(
    p: ArrayLike, beta: ArrayLike, bs_eigenvalues: ArrayLike, ue_eigenvalues: ArrayLike, noise: float
) -> Float:
    """Spectral efficiency of maximum-ratio combining, exact.

    Parameters
    ----------
    p : (..., K) array
        Power of each UE antenna.
    beta, bs_eigenvalues, ue_eigenvalues, noise
        As `xl_mr_coefficients`.

    Returns
    -------
    (..., K) array
        In bit/s/Hz.

    Examples
    --------
    >>> xl_mr_se([1.0, 1.0], [[1.0, 0.5]], np.ones(4), [2.0, 0.0], noise=1.0).round(3).tolist()
    [1.585, 1.0]
    """
    gamma = uatf_sinr(p, xl_mr_coefficients(beta, bs_eigenvalues, ue_eigenvalues, noise))
    gains, counts = modes(ue_eigenvalues)
    return np.log2(1.0 + gamma[..., None] * gains) @ counts


def xl_mr_pilot_coefficients(
    beta: ArrayLike,
    pilots: ArrayLike,
    pilot_energy: float,
    bs_eigenvalues: ArrayLike,
    ue_eigenvalues: ArrayLike,
    noise: float,
) -> list[UatfCoefficients]:
    """Coefficients of maximum-ratio combining with MMSE channel estimates from pilots, for each of `modes`. Exact.

    Every antenna of a user sends a pilot of its own in the eigenbasis of R_s; users of one group send the same ones. In
    the eigenbases entry (r, i) of H_mk has the variance beta_mk rho_r mu_i, its estimate

        v_mk,ri = q (beta_mk rho_r mu_i)^2 / (q rho_r mu_i sum_{l in P_k} beta_ml + noise),

    and entries are independent, so that SE_k = sum_i log2(1 + SINR_ki) with

        SINR_ki = p_k (sum_m g_mki)^2 / (sum_l p_l sum_m beta_ml N_s sum_r rho_r v_mk,ri
                  + sum_{l in P_k, l != k} p_l (sum_m (beta_ml / beta_mk) g_mki)^2 + noise sum_m g_mki)

    and g_mki = sum_r v_mk,ri.

    Parameters
    ----------
    beta : (M, K) array
        Large-scale gains.
    pilots : (K,) array of labels
        Users with the same label share their pilots.
    pilot_energy : float
        q, power of an antenna's pilot times its length in samples.
    bs_eigenvalues, ue_eigenvalues, noise
        As `xl_mr_coefficients`.

    Returns
    -------
    list of UatfCoefficients
        Of SINR_ki, per unit of power, in the order of `modes`.

    References
    ----------
    Demir, Bjornson, Sanguinetti, 2021, Corollary 5.6, for channels that are independent in the eigenbases.

    Examples
    --------
    With long pilots of its own a user has the SINR of known channels, mu_i times `xl_mr_coefficients`' gamma.

    >>> beta, rho, mu = [[1.0, 0.5]], np.ones(4), [2.0, 0.0]
    >>> (only,) = xl_mr_pilot_coefficients(beta, [0, 1], 1e9, rho, mu, noise=1.0)
    >>> uatf_sinr([1.0, 1.0], only).round(3).tolist()
    [2.0, 1.0]

    Sharing them costs the stronger one half of it, and the weaker one more.

    >>> (only,) = xl_mr_pilot_coefficients(beta, [0, 0], 1e9, rho, mu, noise=1.0)
    >>> uatf_sinr([1.0, 1.0], only).round(3).tolist()
    [1.0, 0.143]
    """
    beta, pilots = np.asarray(beta, float), np.asarray(pilots)
    rho, counts = modes(bs_eigenvalues)
    num_send = float(np.sum(ue_eigenvalues))
    shared = pilots[:, None] == pilots[None, :]
    heard = beta @ shared  # (M, K), of all that send a user's pilots
    found = []
    for mu in modes(ue_eigenvalues)[0]:
        # Over beta_mk beta_ml: what an estimate keeps of entries of each eigenvalue, (M, K, R).
        kept = pilot_energy * (rho * mu) ** 2 / (pilot_energy * rho * mu * heard[:, :, None] + noise)
        gain, spread = kept @ counts, kept @ (counts * rho)  # (M, K)
        coherent = ((beta * gain).T @ beta) ** 2  # (k, l): sum_m (beta_ml / beta_mk) g_mk, squared
        signal = np.sqrt(coherent.diagonal())
        np.fill_diagonal(coherent, 0.0)
        scattered = num_send * ((beta**2 * spread).T @ beta)
        scale = np.where(signal > 0, 1.0 / (noise * np.where(signal > 0, signal, 1.0)), 0.0)
        c = scale[:, None] * (scattered + shared * coherent)
        found.append(UatfCoefficients(signal / noise, c, np.ones_like(signal)))
    return found


def xl_mr_lsfd_gamma(
    p: ArrayLike, beta: ArrayLike, bs_eigenvalues: ArrayLike, ue_eigenvalues: ArrayLike, noise: float
) -> Float:
    """Effective SINR of maximum-ratio combining with large-scale fading decoding at the central unit. Exact.

    gamma_k = sum_m gamma_mk with gamma_mk = p_k beta_mk N_r^2 / (N_s tr(R_r^2) sum_l p_l beta_ml + noise N_r): the
    central unit weights what base stations send by the statistics of the channels at the powers in use. Base stations
    fade independently, so that the best weights add up the SINRs.

    Parameters
    ----------
    p, beta, bs_eigenvalues, ue_eigenvalues, noise
        As `xl_mr_se`.

    Returns
    -------
    (..., K) array
        Stream i of user k has the SINR mu_i gamma_k.

    References
    ----------
    The weights are those of Demir, Bjornson, Sanguinetti, 2021, (5.30), in (8) of Liu et al., arXiv:2302.09290, which
    averages instead.

    Examples
    --------
    With one base station there is nothing to weight: it is `xl_mr_se`.

    >>> xl_mr_lsfd_gamma([1.0, 1.0], [[1.0, 0.5]], np.ones(4), [2.0, 0.0], noise=1.0).round(3).tolist()
    [1.0, 0.5]
    """
    beta = np.asarray(beta, float)
    rho = np.asarray(bs_eigenvalues, float)
    p = np.asarray(p, float)
    num_receive, num_send = np.sum(rho), float(np.sum(ue_eigenvalues))
    disturbance = num_send * np.sum(rho**2) * (p @ beta.T) + noise * num_receive  # (..., M)
    return p * ((num_receive**2 / disturbance) @ beta)


def xl_mr_lsfd_se(
    p: ArrayLike, beta: ArrayLike, bs_eigenvalues: ArrayLike, ue_eigenvalues: ArrayLike, noise: float
) -> Float:
    """Spectral efficiency of `xl_mr_lsfd_gamma` in bit/s/Hz, (..., K).

    Examples
    --------
    A user that only the second base station hears gains nothing by the first; the average would hear its noise.

    >>> beta = [[1.0, 0.0], [0.0, 1.0]]
    >>> xl_mr_lsfd_se([1.0, 1.0], beta, np.ones(4), [2.0, 0.0], noise=1.0).round(3).tolist()
    [1.874, 1.874]
    """
    gamma = xl_mr_lsfd_gamma(p, beta, bs_eigenvalues, ue_eigenvalues, noise)
    gains, counts = modes(ue_eigenvalues)
    return np.log2(1.0 + gamma[..., None] * gains) @ counts


def filter_gains_se(gains: Float, counts: ArrayLike) -> Float:
    """SE_k = sum_j counts_j log2(1 + (sum_m a_mkj)^2 / sum_m (a_mkj - a_mkj^2)), exact given a.

    For local MMSE combining, V_mk = p_k C_m^-1 H_mk with C_m = sum_l p_l H_ml H_ml^H + noise I, so that V^H C V =
    p_k V^H H. The phases of channels being independent, Sigma_k of (8) is then p_k sum_m (A_mk - A_mk^2), where the
    mean filter gain A_mk = E{V_mk^H H_mk} = diag(a_mk) in the eigenbasis of the UE correlation.

    Parameters
    ----------
    gains : (M, K, J) array
        a, in [0, 1).
    counts : (J,) array
        Multiplicities.

    Returns
    -------
    (K,) array
        In bit/s/Hz.
    """
    signal, spread = gains.sum(axis=0), np.sum(gains * (1.0 - gains), axis=0)
    ratio = signal / np.where(spread > 0, spread, 1.0)  # a silent user has both zero
    return np.log2(1.0 + signal * ratio) @ np.asarray(counts, float)


def lmmse_filter_gains(
    p: ArrayLike, beta: ArrayLike, bs_eigenvalues: ArrayLike, ue_eigenvalues: ArrayLike, noise: float
) -> Float:
    """Mean gains a of the local MMSE filters, (M, K, J) in the order of `modes`; arguments as `xl_lmmse_se`."""
    rho, rho_counts = modes(bs_eigenvalues)
    mu, mu_counts = modes(ue_eigenvalues)
    q = (np.asarray(p, float) * np.asarray(beta, float) / noise)[:, :, None] * mu  # (M, K, J)
    e = np.full(len(q), rho_counts @ rho)
    for _ in range(NEWTON_STEPS):
        x = 1.0 + q * e[:, None, None]
        load = np.einsum("mkj,j->m", q / x, mu_counts)
        load_slope = -np.einsum("mkj,j->m", (q / x) ** 2, mu_counts)
        y = rho / (rho * load[:, None] + 1.0)  # (M, n)
        value, slope = y @ rho_counts, -(y**2 @ rho_counts) * load_slope
        step = (e - value) / (1.0 - slope)
        e = e - step
        if np.all(np.abs(step) <= NEWTON_TOLERANCE * e):
            break
    qe = q * e[:, None, None]
    return qe / (1.0 + qe)


def xl_lmmse_se(
    p: ArrayLike, beta: ArrayLike, bs_eigenvalues: ArrayLike, ue_eigenvalues: ArrayLike, noise: float
) -> Float:
    """Spectral efficiency of local MMSE combining by its deterministic equivalent.

    For each BS the fixed point e = sum_r rho_r / (rho_r sum_li q_li / (1 + q_li e) + 1) with q_li = p_l beta_ml mu_i /
    noise gives the mean filter gains a_ki = q_ki e / (1 + q_ki e), and `filter_gains_se` the rest. The right side is
    concave and increasing in e, so Newton's method from the upper bound sum_r rho_r descends to the solution.

    Accuracy against Monte Carlo, of the sum: mostly within 0.2 % from 16 BS antennas up, more streams than antennas
    included; worst where there are about as many streams as BS modes (0.7 % at 36 antennas, 1.1 % at 16). Arrays of 4
    to 9 antennas are too small for it: 1 % is usual there, 10 % was seen.

    Parameters
    ----------
    p : (K,) array
        Power of each UE antenna; zeros are silent users.
    beta : (M, K) array
        Large-scale gains.
    bs_eigenvalues : (N_r,) array
        rho, eigenvalues of R_r, common to all links.
    ue_eigenvalues : (N_s,) array
        mu, eigenvalues of R_s.
    noise : float
        Noise power of one antenna.

    Returns
    -------
    (K,) array
        In bit/s/Hz.

    References
    ----------
    (8) of Liu et al., arXiv:2302.09290; the equivalent is of the kind of Couillet, Debbah, Silverstein, IEEE Trans.
    Inf. Theory 2011.

    Examples
    --------
    >>> xl_lmmse_se([1.0, 1.0], [[1.0, 0.5]], np.ones(4), [2.0, 0.0], noise=1.0).round(3).tolist()
    [2.565, 1.79]
    """
    a = lmmse_filter_gains(p, beta, bs_eigenvalues, ue_eigenvalues, noise)
    return filter_gains_se(a, modes(ue_eigenvalues)[1])


def xl_lmmse_se_links(p: ArrayLike, beta: ArrayLike, R: Array, ue_eigenvalues: ArrayLike, noise: float) -> Float:
    """Spectral efficiency of local MMSE combining with a BS correlation per link, by its deterministic equivalent.

    For each BS, e_k = tr(R_k (sum_l R_l sum_i q_li / (1 + q_li e_l) + I)^-1). As with one correlation the right side
    is concave and increasing, and Newton's method descends from the upper bound tr(R_k).

    Parameters
    ----------
    p, beta, ue_eigenvalues, noise
        As for `xl_lmmse_se`.
    R : (M, K, N_r, N_r) array
        Correlation at the BS of each link, trace N_r or less where part of the array sees the user.

    Returns
    -------
    (K,) array
        In bit/s/Hz.

    Examples
    --------
    >>> R = np.broadcast_to(np.eye(4), (1, 2, 4, 4))
    >>> xl_lmmse_se_links([1.0, 1.0], [[1.0, 0.5]], R, [2.0, 0.0], noise=1.0).round(3).tolist()
    [2.565, 1.79]
    """
    mu, mu_counts = modes(ue_eigenvalues)
    q = (np.asarray(p, float) * np.asarray(beta, float) / noise)[:, :, None] * mu  # (M, K, J)
    num_stations, num_users, num_antennas, _ = R.shape
    gains = np.empty_like(q)
    identity = np.eye(num_antennas)
    for m in range(num_stations):  # one BS at a time bounds the memory
        flat = R[m].reshape(num_users, -1)
        e = np.einsum("kaa->k", R[m]).real.copy()
        for _ in range(NEWTON_STEPS):
            x = 1.0 + q[m] * e[:, None]
            load, load_slope = (q[m] / x) @ mu_counts, -((q[m] / x) ** 2 @ mu_counts)
            Q = np.linalg.inv((load @ flat).reshape(num_antennas, num_antennas) + identity)
            value = (flat @ Q.T.ravel()).real
            # tr(R_k Q R_l Q): the derivative of e_k's right side by the load of user l, sign aside.
            shaped = (Q @ R[m] @ Q).swapaxes(-1, -2).reshape(num_users, -1)
            jacobian = -(flat @ shaped.T).real * load_slope
            step = np.linalg.solve(np.eye(num_users) - jacobian, e - value)
            e = e - step
            if np.all(np.abs(step) <= NEWTON_TOLERANCE * e):
                break
        qe = q[m] * e[:, None]
        gains[m] = qe / (1.0 + qe)
    return filter_gains_se(gains, mu_counts)
