"""The use-and-then-forget form: one SINR for every receiver that knows channel statistics only.

    SINR_k(p) = b_k p_k / (sum_i c_ki p_i + s_k)

Demir, Bjornson, Sanguinetti, 2021, equations (5.9) and (7.1). `c[k, i]` is what user i does to user k. Scaling
(b, c, s) of one user by a factor changes nothing, so s_k = 1 throughout.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from cfenvs.arrays import Array, Bool, Complex, Float
from cfenvs.radio.clusters import sharing_users
from cfenvs.radio.estimation import filtered_covariances, pilot_filter

Lsfd = Literal["none", "optimal", "nearly-optimal"]


class UatfCoefficients(NamedTuple):
    """Coefficients of the use-and-then-forget SINR, per mW.

    Attributes
    ----------
    b : (K,) array
        Signal.
    c : (K, K) array
        `c[k, i]`: effect of user i on user k, the user's own gain uncertainty on the diagonal.
    s : (K,) array
        Noise, scaled to one.
    """

    b: Float
    c: Float
    s: Float

    def of(self, users: ArrayLike) -> UatfCoefficients:
        """The coefficients among a subset of users (indices or mask), all others being silent."""
        users = np.asarray(users)
        return UatfCoefficients(self.b[users], self.c[users][:, users], self.s[users])


class CombinedMoments(NamedTuple):
    """Moments of v_kl^H h_il, the channel of user i behind the combiner of user k at access point l.

    Attributes
    ----------
    mean : (K, K, L) array
        E{v_kl^H h_il}, indices k, i, l.
    variance : (K, K, L) array
        E{|v_kl^H h_il|^2} - |mean|^2.
    noise : (K, L) array
        E{||v_kl||^2}.
    """

    mean: Complex
    variance: Float
    noise: Float


def served(moments: CombinedMoments, serving: Bool) -> CombinedMoments:
    """The moments where access points combine for the users that they serve alone, serving D (L, K)."""
    mask = np.asarray(serving, bool).T
    return CombinedMoments(moments.mean * mask[:, None], moments.variance * mask[:, None], moments.noise * mask)


def lsfd_weights(moments: CombinedMoments, powers: Float, lsfd: Lsfd, sharing: Bool | None = None) -> Complex:
    """Large-scale fading decoding weights a_k, (K, L): ones, or the SINR-maximising ones at the given powers.

    Parameters
    ----------
    moments : CombinedMoments
    powers : (K,) array
        In mW.
    lsfd : {"none", "optimal", "nearly-optimal"}
        The last one counts among the disturbances only users that share an access point with the user.
    sharing : (K, K) bool array, optional
        S_k as rows (`cfenvs.radio.clusters.sharing_users`), for "nearly-optimal"; everybody by default.

    References
    ----------
    Demir, Bjornson, Sanguinetti, 2021, equations (5.30) and (5.41).
    """
    num_users, num_access_points = moments.noise.shape
    if lsfd == "none":
        return np.ones((num_users, num_access_points), moments.mean.dtype)
    if lsfd not in ("optimal", "nearly-optimal"):
        raise ValueError(f"lsfd={lsfd!r}: must be 'none', 'optimal' or 'nearly-optimal'")
    counted = None if lsfd == "optimal" else sharing
    weights = np.zeros((num_users, num_access_points), moments.mean.dtype)
    for k in range(num_users):
        heard = moments.noise[k] > 0
        if not heard.any():
            continue  # sent no pilot, or is not served: there is nothing to weight
        # Access points that do not hear the user have zero rows everywhere: they get weight zero.
        among = slice(None) if heard.all() else np.flatnonzero(heard)
        disturbing = powers if counted is None else powers * counted[k]
        mean, variance = moments.mean[k][:, among], moments.variance[k][:, among]
        spread = mean.T * np.sqrt(disturbing)  # (L, K)
        own = mean[k][:, None] * np.sqrt(powers[k])
        interference = spread @ spread.conj().T - own @ own.conj().T
        local = variance.T @ disturbing + moments.noise[k, among]
        weights[k, among] = np.linalg.solve(interference + np.diag(local), mean[k])
    return weights


def uatf_coefficients(moments: CombinedMoments, weights: Complex) -> UatfCoefficients:
    """Coefficients from the moments at each access point and the weights between them.

    Access points fade independently, so E{g g^H} is the product of means plus a diagonal of variances
    (Demir et al. 2021, (5.8), (5.26) to (5.28)).

    Parameters
    ----------
    moments : CombinedMoments
    weights : (K, L) array
        a_k; `lsfd_weights` makes them.
    """
    amplitude = (moments.mean @ weights.conj()[:, :, None])[..., 0]  # (k, i)
    gain = np.abs(weights) ** 2
    coherent = np.abs(amplitude) ** 2
    b = coherent.diagonal().copy()
    np.fill_diagonal(coherent, 0.0)
    c = coherent + (moments.variance @ gain[:, :, None])[..., 0]
    noise = (gain * moments.noise).sum(axis=1)
    silent = noise <= 0.0
    scale = np.where(silent, 0.0, 1.0 / np.where(silent, 1.0, noise))
    return UatfCoefficients(b * scale, c * scale[:, None], np.ones_like(b))


def mr_moments(
    R: Complex,
    pilots: ArrayLike,
    pilot_power: float,
    tau_p: int,
    sending: ArrayLike | None = None,
    sight: Complex | None = None,
) -> CombinedMoments:
    """Moments of maximum-ratio combining v_kl = h_hat_kl, in closed form.

    E{v_kl^H h_il} = tr(p tau_p R_kl Psi^-1 R_il) for users on one pilot, else 0; the variance is tr(B_kl R_il).
    (Demir et al. 2021, Corollary 5.6; with one antenna Ngo et al. 2017, (27).)

    Arguments as `estimation_covariances`. `sight` (L, K, N) are lines of sight h_los with unknown phases, which R
    includes (`cfenvs.radio.rician`): their power does not fluctuate, so that the variance among users of one pilot is
    less by |p tau_p h_il^H Psi^-1 R_kl h_il|^2 (Ozdogan, Bjornson, Zhang, IEEE TWC 18(11), 2019, for one antenna).
    """
    pilots = np.asarray(pilots)
    filters = pilot_filter(R, pilots, pilot_power, tau_p, sending)
    B, _ = filtered_covariances(R, filters, pilot_power, tau_p)
    filters = pilot_power * tau_p * filters
    num_users = R.shape[1]
    heard = np.ones(num_users, bool) if sending is None else np.asarray(sending, bool)
    copilot = (pilots[:, None] == pilots[None, :]) & heard[:, None] & heard[None, :]
    if R.shape[-1] == 1:
        beta = R[:, :, 0, 0].real.T  # (K, L)
        mean: Array = filters[:, :, 0, 0].real.T[:, None, :] * beta[None, :, :]
        variance = B[:, :, 0, 0].real.T[:, None, :] * beta[None, :, :]
    else:
        mean = np.einsum("lkab,liba->kil", filters, R, optimize=True)
        variance = np.einsum("lkab,liba->kil", B, R, optimize=True).real
    if sight is not None:
        steady = np.abs(np.einsum("lib,lkab,lia->kil", sight.conj(), filters.conj(), sight, optimize=True)) ** 2
        variance = np.maximum(variance - steady * copilot[:, :, None], 0.0)
    return CombinedMoments(mean * copilot[:, :, None], variance, np.einsum("lkaa->kl", B).real)


def mr_uatf_coefficients(
    R: Complex,
    pilots: ArrayLike,
    pilot_power: float,
    tau_p: int,
    lsfd: Lsfd = "none",
    sending: ArrayLike | None = None,
    serving: Bool | None = None,
    sight: Complex | None = None,
) -> UatfCoefficients:
    """Coefficients of maximum-ratio combining at every access point, in closed form.

    Parameters
    ----------
    R, pilots, tau_p
        As for `cfenvs.radio.estimation.estimation_covariances`.
    pilot_power : float
        In mW; also the power at which optimal weights are frozen (all users at it).
    lsfd : {"none", "optimal", "nearly-optimal"}
        Large-scale fading decoding between access points: equal weights, or the optimal ones, as `lsfd_weights`.
    sending : (K,) bool array, optional
        Users that send their pilot; all by default. A user that sends none has b = c = 0.
    serving : (L, K) bool array, optional
        D: which access points serve whom; all by default.
    sight : (L, K, N) array, optional
        As of `mr_moments`.

    Returns
    -------
    UatfCoefficients

    References
    ----------
    Demir, Bjornson, Sanguinetti, 2021, Corollary 5.6 and (5.30); Ngo et al., IEEE TWC 2017, (27).

    Examples
    --------
    >>> R = np.array([[0.2, 0.01], [0.03, 0.4]])[:, :, None, None]
    >>> coefficients = mr_uatf_coefficients(R, pilots=[0, 1], pilot_power=100.0, tau_p=2)
    >>> uatf_sinr(np.array([100.0, 100.0]), coefficients).round(3).tolist()
    [0.899, 0.921]
    """
    moments = mr_moments(R, pilots, pilot_power, tau_p, sending, sight)
    sharing = None
    if serving is not None:
        moments, sharing = served(moments, serving), sharing_users(serving)
    # Weights are frozen with every user at full power, whoever sends: a violator interferes at that power too.
    powers = np.full(R.shape[1], float(pilot_power))
    return uatf_coefficients(moments, lsfd_weights(moments, powers, lsfd, sharing))


def lmmse_moments(
    h_hat: Complex,
    C: Complex,
    powers: Float,
    serving: Bool | None = None,
    known: Bool | None = None,
    channels: Complex | None = None,
) -> CombinedMoments:
    """Moments of local MMSE combining at the given powers, by Monte Carlo over channel estimates.

    v_kl = p_k (sum_i p_i (h_hat_il h_hat_il^H + C_il) + I)^-1 h_hat_kl, Demir et al. 2021, (5.29). The expectation over
    the estimation error is taken exactly, so only the estimates are sampled.

    Parameters
    ----------
    h_hat : (R, L, N, K) array
        Channel estimates.
    C : (L, K, N, N) array
        Covariance of the estimation errors.
    powers : (K,) array
        In mW.
    serving : (L, K) bool array, optional
        D: access point l combines for the users that it serves; for all by default. The moments of others are zero.
    known : (L, K) bool array, optional
        Users that access point l sums over; all by default. With `serving` it is LP-MMSE, (5.39).
    channels : (R, L, N, K) array, optional
        Where errors are not independent of estimates, as with lines of sight of unknown phase: the channels, over
        which the expectation is then sampled too.
    """
    _, num_access_points, num_antennas, num_users = h_hat.shape
    mean = np.zeros((num_users, num_users, num_access_points), complex)
    variance = np.zeros((num_users, num_users, num_access_points))
    noise = np.zeros((num_users, num_access_points))
    for l in range(num_access_points):  # noqa: E741  (access point l; one at a time bounds the memory)
        own = slice(None) if serving is None or serving[l].all() else np.flatnonzero(serving[l])
        summed = powers if known is None else powers * known[l]
        estimates = h_hat[:, l]
        error = np.tensordot(summed, C[l], axes=1) + np.eye(num_antennas)
        scaled = estimates * np.sqrt(summed)
        v = powers[own] * np.linalg.solve(scaled @ scaled.conj().swapaxes(-1, -2) + error, estimates[:, :, own])
        g = v.conj().swapaxes(-1, -2) @ (estimates if channels is None else channels[:, l])  # (R, k, i)
        expected = g.mean(axis=0)
        vv = np.einsum("rak,rbk->kab", v, v.conj(), optimize=True) / len(v)
        through_error = np.einsum("kab,iba->ki", vv, C[l], optimize=True).real if channels is None else 0.0
        mean[own, :, l] = expected
        variance[own, :, l] = (np.abs(g) ** 2).mean(axis=0) + through_error - np.abs(expected) ** 2
        noise[own, l] = np.einsum("kaa->k", vv).real
    return CombinedMoments(mean, variance, noise)


def uatf_sinr(p: ArrayLike, coefficients: UatfCoefficients) -> Float:
    """SINR_k = b_k p_k / (sum_i c_ki p_i + s_k).

    Parameters
    ----------
    p : (..., K) array
        Powers in mW.
    coefficients : UatfCoefficients

    Returns
    -------
    (..., K) array
    """
    p = np.asarray(p, float)
    return coefficients.b * p / (p @ coefficients.c.T + coefficients.s)
