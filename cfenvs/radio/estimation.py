"""MMSE channel estimation from (possibly shared) pilots."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cfenvs.arrays import Complex


def pilot_filter(
    R: Complex, pilots: ArrayLike, pilot_power: float, tau_p: int, sending: ArrayLike | None = None
) -> Complex:
    """R_kl Psi_tl^-1, the matrix that turns a received pilot signal into an estimate (up to sqrt of pilot power).

    Psi_tl = p tau_p sum_{i on pilot t} R_il + I is the correlation of the received pilot signal over sqrt(tau_p)
    (Demir et al. 2021, (4.6)).

    Parameters
    ----------
    R : (..., L, K, N, N) array
        Spatial correlation, gains over the noise power, per mW; of several networks with leading axes.
    pilots : (..., K) array of labels
    pilot_power : float
        In mW.
    tau_p : int
        Pilot length in samples.
    sending : (..., K) bool array, optional
        Users that send their pilot; all by default. The filter of a user that sends none is zero.

    Returns
    -------
    (..., L, K, N, N) array
    """
    pilots = np.asarray(pilots)
    *networks, num_aps, num_users, num_antennas, _ = R.shape
    expected = (*networks, num_users)
    if pilots.shape != expected:
        raise ValueError(f"pilots has shape {pilots.shape}: must be {expected}, one label per user")
    heard = np.ones(expected, bool) if sending is None else np.asarray(sending, bool)
    shared = (pilots[..., :, None] == pilots[..., None, :]) & heard[..., :, None]
    entries = np.moveaxis(R, -3, -1).reshape(*networks, num_aps * num_antennas**2, num_users)
    psi = entries @ (pilot_power * tau_p * shared).astype(R.dtype)
    psi = np.moveaxis(psi.reshape(*networks, num_aps, num_antennas, num_antennas, num_users), -1, -3)
    psi = psi + np.eye(num_antennas)
    # R Psi^-1 = (Psi^-1 R)^H, both matrices being Hermitian.
    ratio = R / psi if num_antennas == 1 else np.linalg.solve(psi, R).conj().swapaxes(-1, -2)
    return ratio * heard[..., None, :, None, None]


def estimation_covariances(
    R: Complex, pilots: ArrayLike, pilot_power: float, tau_p: int, sending: ArrayLike | None = None
) -> tuple[Complex, Complex]:
    """Covariance B of the MMSE channel estimates and covariance C of their errors.

    B_kl = p tau_p R_kl Psi^-1 R_kl and C_kl = R_kl - B_kl.

    Parameters
    ----------
    R : (L, K, N, N) array
        Spatial correlation, gains over the noise power, per mW.
    pilots : (K,) array of labels
        Users with the same label share a pilot.
    pilot_power : float
        In mW.
    tau_p : int
        Pilot length in samples.
    sending : (K,) bool array, optional
        Users that send their pilot; all by default.

    Returns
    -------
    B, C : (L, K, N, N) arrays

    References
    ----------
    Demir, Bjornson, Sanguinetti, 2021, equations (4.7) to (4.9).

    Examples
    --------
    Two users on one pilot: the estimate of the weak one keeps less of its channel.

    >>> R = np.array([0.2, 0.02]).reshape(1, 2, 1, 1)
    >>> B, C = estimation_covariances(R, [0, 0], pilot_power=100.0, tau_p=1)
    >>> (B / R).ravel().round(3).tolist(), (C / R).ravel().round(3).tolist()
    ([0.87, 0.087], [0.13, 0.913])
    """
    return filtered_covariances(R, pilot_filter(R, pilots, pilot_power, tau_p, sending), pilot_power, tau_p)


def filtered_covariances(R: Complex, filters: Complex, pilot_power: float, tau_p: int) -> tuple[Complex, Complex]:
    """B and C of `estimation_covariances` from `pilot_filter`'s result, for those who need both."""
    # With one antenna a product of numbers: matmul would call BLAS for each.
    B = pilot_power * tau_p * (filters * R if R.shape[-1] == 1 else filters @ R)
    return B, R - B


def estimates_from_pilots(received: Complex, filters: Complex, pilots: ArrayLike, pilot_power: float) -> Complex:
    """MMSE estimates from the received pilot signals.

    h_hat_kl = sqrt(p) R_kl Psi_tl^-1 y_tl (Demir et al. 2021, (4.5)).

    Parameters
    ----------
    received : (R, L, N, T) array
        y_tl per pilot t = 0 .. T - 1.
    filters : (L, K, N, N) array
        From `pilot_filter`.
    pilots : (K,) array of pilot indices
    pilot_power : float
        In mW.

    Returns
    -------
    (R, L, N, K) array
    """
    per_user = received[..., np.asarray(pilots)]
    if filters.shape[-1] == 1:
        return np.sqrt(pilot_power) * filters[:, :, 0, 0][None, :, None, :] * per_user
    return np.sqrt(pilot_power) * np.einsum("lkab,rlbk->rlak", filters, per_user, optimize=True)


def received_pilots(
    channels: Complex,
    noise: Complex,
    pilots: ArrayLike,
    pilot_power: float,
    tau_p: int,
    sending: ArrayLike | None = None,
) -> Complex:
    """Pilot signals after correlation with each pilot, over sqrt(tau_p) noise of unit variance.

    y_tl = sqrt(p) tau_p sum_{i on pilot t} h_il + sqrt(tau_p) n_tl (Demir et al. 2021, (4.4)).

    Parameters
    ----------
    channels : (R, L, N, K) array
    noise : (R, L, N, T) array
        Independent CN(0, 1), one column per pilot.
    pilots : (K,) array of pilot indices below T
    pilot_power, tau_p, sending
        As for `estimation_covariances`.

    Returns
    -------
    (R, L, N, T) array
    """
    on_pilot = np.asarray(pilots)[:, None] == np.arange(noise.shape[-1])[None, :]
    if sending is not None:
        on_pilot = on_pilot & np.asarray(sending, bool)[:, None]
    return np.sqrt(pilot_power) * tau_p * (channels @ on_pilot.astype(channels.dtype)) + np.sqrt(tau_p) * noise
