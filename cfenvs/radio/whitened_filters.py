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
    R : (..., L, K, N, N) array
        Spatial correlation, gains over the noise power, per mW; of several networks with leading axes.
    pilots : (..., K) int array
        Below tau_p.
    pilot_power : float
        In mW.
    tau_p : int
        Number of pilots and pilot length.
    sending : (..., K) bool array, optional
        Users that send their pilot; all by default.

    Returns
    -------
    filters : (..., L, K, N, N) array
        sqrt(tau_p) R A^-H: with w in place of y, what `cfenvs.radio.estimation.pilot_filter` is.
    errors : (..., L, K, N, N) array
        Covariance C of the estimation errors.

    Examples
    --------
    Two users on one pilot: their estimates are the same but for a factor.

    >>> R = np.array([0.2, 0.02]).reshape(1, 2, 1, 1).astype(complex)
    >>> filters, C = whitened_filters(R, np.array([0, 0]), pilot_power=100.0, tau_p=1)
    >>> filters.real.ravel().round(4).tolist(), (C / R).real.ravel().round(3).tolist()
    ([0.0417, 0.0042], [0.13, 0.913])
    """
    *networks, num_aps, num_users, num_antennas, _ = R.shape
    heard = np.ones((*networks, num_users), bool) if sending is None else np.asarray(sending, bool)
    filters, errors = np.empty(R.shape, complex), np.empty(R.shape, complex)
    sizes, users = (-1, num_aps, num_users, num_antennas, num_antennas), (-1, num_users)
    several = np.ascontiguousarray(R, complex).reshape(sizes), np.asarray(pilots).reshape(users), heard.reshape(users)
    _write_whitened(*several, float(pilot_power), tau_p, filters.reshape(sizes), errors.reshape(sizes))
    return filters, errors


@kernel(nogil=True)
def _write_whitened(
    R: Complex, pilots: Int, heard: Bool, pilot_power: float, tau_p: int, filters: Complex, errors: Complex
) -> None:
    """`whitened_filters`; Cholesky factors with their inverse diagonals, row by row."""
    num_networks, num_aps, num_users, num_antennas, _ = R.shape
    scale, snr = np.sqrt(np.float64(tau_p)), pilot_power * tau_p
    A, single = np.empty((tau_p, num_antennas, num_antennas), np.complex128), np.empty(tau_p)
    for i in range(num_networks):
        on, hears = pilots[i], heard[i]
        for ap in range(num_aps):
            here, G, C = R[i, ap], filters[i, ap], errors[i, ap]
            if num_antennas == 1:  # the same of numbers, in a third of the time
                single[:] = 0.0
                for k in range(num_users):
                    if hears[k]:
                        single[on[k]] += here[k, 0, 0].real
                for t in range(tau_p):
                    single[t] = 1.0 / np.sqrt(1.0 + snr * single[t])
                for k in range(num_users):
                    g = here[k, 0, 0].real * single[on[k]] if hears[k] else 0.0
                    G[k, 0, 0], C[k, 0, 0] = g, here[k, 0, 0].real - snr * (g * g)
                continue
            A[:] = 0.0
            for k in range(num_users):
                if hears[k]:
                    for n in range(num_antennas):
                        for m in range(n + 1):
                            A[on[k], n, m] += here[k, n, m]
            for t in range(tau_p):
                for n in range(num_antennas):
                    for m in range(n + 1):
                        total = snr * A[t, n, m]
                        for q in range(m):
                            total -= A[t, n, q] * np.conj(A[t, m, q])
                        A[t, n, m] = total * A[t, m, m].real if m < n else complex(1.0 / np.sqrt(1.0 + total.real), 0.0)
            for k in range(num_users):
                t = on[k]
                for n in range(num_antennas):
                    for m in range(num_antennas):  # G A^H = R
                        total = here[k, n, m]
                        for q in range(m):
                            total -= G[k, n, q] * np.conj(A[t, m, q])
                        G[k, n, m] = total * A[t, m, m].real if hears[k] else 0.0
                for n in range(num_antennas):
                    for m in range(n + 1):
                        total = 0j
                        for q in range(num_antennas):
                            total += G[k, n, q] * np.conj(G[k, m, q])
                        C[k, n, m] = here[k, n, m] - snr * total
                        C[k, m, n] = np.conj(C[k, n, m])
    filters *= scale
