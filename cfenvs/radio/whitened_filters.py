"""Filters for pilots that are white: what is estimated of them has the covariance of what received ones give."""

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Bool, Complex, Int
from cfenvs.kernels import kernel


def whitened_filters(
    R: Complex, pilots: Int, pilot_power: float, tau_p: int, sending: Bool | None = None
) -> tuple[Complex, Complex]:
    """From white signals to estimates, for those who draw received pilots as what they are: Gaussian.

    With Psi_tl = p tau_p sum_{i on pilot t} R_il + I = A A^H, A lower triangular, the received pilots are y_tl =
    sqrt(tau_p) A w_tl with w ~ CN(0, I), and the estimate h_hat_kl = sqrt(p) R_kl Psi_tl^-1 y_tl is sqrt(p tau_p) R_kl
    A^-H w_tl (Demir et al. 2021, (4.4) to (4.6)).

    Parameters
    ----------
    R, pilots, pilot_power, tau_p, sending
        As for `cfenvs.radio.estimation.estimation_covariances`, pilots being indices below tau_p.

    Returns
    -------
    filters : (L, K, N, N) array
        sqrt(tau_p) R A^-H: with w in place of y, what `cfenvs.radio.estimation.pilot_filter` is.
    errors : (L, K, N, N) array
        Covariance C of the estimation errors.

    Examples
    --------
    Two users on one pilot: their estimates are the same but for a factor.

    >>> R = np.array([0.2, 0.02]).reshape(1, 2, 1, 1).astype(complex)
    >>> filters, C = whitened_filters(R, np.array([0, 0]), pilot_power=100.0, tau_p=1)
    >>> filters.real.ravel().round(4).tolist(), (C / R).real.ravel().round(3).tolist()
    ([0.0417, 0.0042], [0.13, 0.913])
    """
    heard = np.ones(R.shape[1], bool) if sending is None else np.asarray(sending, bool)
    filters, errors = np.empty(R.shape, complex), np.empty(R.shape, complex)
    R = np.ascontiguousarray(R, complex)
    _write_whitened(R, np.asarray(pilots), heard, float(pilot_power), tau_p, filters, errors)
    return filters, errors


@kernel(nogil=True)
def _write_whitened(
    R: Complex, pilots: Int, heard: Bool, pilot_power: float, tau_p: int, filters: Complex, errors: Complex
) -> None:
    """`whitened_filters`; Cholesky factors with their inverse diagonals, row by row."""
    num_aps, num_users, num_antennas, _ = R.shape
    factors = np.empty((tau_p, num_antennas, num_antennas), np.complex128)
    scale, snr = np.sqrt(np.float64(tau_p)), pilot_power * tau_p
    for ap in range(num_aps):
        factors[:] = 0.0
        for k in range(num_users):
            if heard[k]:
                for n in range(num_antennas):
                    for m in range(n + 1):
                        factors[pilots[k], n, m] += R[ap, k, n, m]
        for t in range(tau_p):
            A = factors[t]
            for n in range(num_antennas):
                for m in range(n + 1):
                    total = snr * A[n, m]
                    for q in range(m):
                        total -= A[n, q] * np.conj(A[m, q])
                    A[n, m] = total * A[m, m].real if m < n else complex(1.0 / np.sqrt(1.0 + total.real), 0.0)
        for k in range(num_users):
            A, G, C = factors[pilots[k]], filters[ap, k], errors[ap, k]
            for n in range(num_antennas):
                for m in range(num_antennas):  # G A^H = R
                    total = R[ap, k, n, m]
                    for q in range(m):
                        total -= G[n, q] * np.conj(A[m, q])
                    G[n, m] = total * A[m, m].real if heard[k] else 0.0
            for n in range(num_antennas):
                for m in range(n + 1):
                    total = 0j
                    for q in range(num_antennas):
                        total += G[n, q] * np.conj(G[m, q])
                    C[n, m] = R[ap, k, n, m] - snr * total
                    C[m, n] = np.conj(C[n, m])
            G *= scale
