"""Pilot signals of many channel realisations: no channel is kept that they are added up of, or none is drawn."""

# Inside a kernel the types are numba's; the annotations are for its callers.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Bool, Complex, Float, Int
from cfenvs.emitted import choose, each, emitted, fill, integer, real, remainder, when
from cfenvs.kernels import kernel
from cfenvs.radio.held_fading import add_row_sum
from cfenvs.radio.lanes import COMPLEX, LANES, splat_complex, store_complex

BLOCK = 2**15
"""Normals drawn at a time: 256 KiB, which the second-level cache holds."""


def drawn_pilots(
    rng: np.random.Generator, count: int, root: Complex, pilots: Int, pilot_power: float, tau_p: int, sending: Bool
) -> Complex:
    """What `cfenvs.radio.estimation.received_pilots` makes of channels and noise that are drawn, in the same draws.

    Parameters
    ----------
    rng : numpy.random.Generator
    count : int
        R, realisations.
    root : (L, K, N, N) array
        Square roots of the spatial correlation.
    pilots : (K,) int array
    pilot_power : float
        In mW.
    tau_p : int
        Number of pilots and pilot length.
    sending : (K,) bool array
        Users that send their pilot.

    Returns
    -------
    (R, L, N, T) array
    """
    L, K, N, _ = root.shape
    out = np.zeros((count, L, N, tau_p), complex)
    parts = np.ascontiguousarray(np.stack([root.real, root.imag]).transpose(1, 3, 4, 0, 2))
    cuts = np.array([*range(0, K - K % 4, 4), K - K % 4, *([K - K % 2] if K % 4 == 3 else []), K])
    block = np.empty((max(1, BLOCK // (2 * L * N * K)), L, N, K, 2))
    for first in range(0, count, len(block)):
        some = out[first : first + len(block)]
        rng.standard_normal(out=block[: len(some)])
        _add_channels(block, parts, pilots, sending, cuts, some)
    noise = np.empty((max(1, BLOCK // (2 * L * N * tau_p)), L, N, tau_p, 2))
    amplitude, deviation = float(np.sqrt(pilot_power) * tau_p), float(np.sqrt(tau_p))
    for first in range(0, count, len(noise)):
        some = out[first : first + len(noise)]
        rng.standard_normal(out=noise[: len(some)])
        some *= amplitude
        some += deviation * (noise[: len(some)].view(complex)[..., 0] * np.sqrt(0.5))
    return out


@kernel(nogil=True)
def _add_channels(normals: Float, root: Float, pilots: Int, sending: Bool, cuts: Int, out: Complex) -> None:
    """Add up on each pilot h_kl = R_kl^(1/2) w_kl of the users that send it.

    The order of additions is that of OpenBLAS's product of a row and a matrix, by which stored numbers were made: they
    keep their bits. Users are summed in groups, on all pilots but the few that are left of a division by four.

    Parameters
    ----------
    normals : (>= R, L, N, K, 2) array
        Real and imaginary parts of w times the root of 2.
    root : (L, N, N, 2, K) array
        R_kl^(1/2), its real and its imaginary parts.
    pilots, sending : (K,) arrays
    cuts : int array
        Where groups of users begin, and K.
    out : (R, L, N, T) array
    """
    _, _, num_antennas, num_pilots = out.shape
    normal, channel = np.empty(2 * num_antennas * len(pilots)), np.empty(2 * len(pilots))
    _add_up(normals, root, pilots, sending, cuts, out, normal, channel, np.empty(2 * num_pilots))


@emitted
def _add_up(normals, root, pilots, sending, cuts, out, w, h, sums):
    """`_add_channels`, by way of normals w (2, N, K), channels h (2, K) and sums (T, 2)."""
    count, num_aps, num_antennas, num_pilots = out.shape
    num_users, in_groups = pilots.shape[0], num_pilots - remainder(num_pilots, 4)
    im, half = num_antennas * num_users, float(np.sqrt(0.5))
    one = num_antennas.equals(1)
    fill(sums, real(0.0))

    def channel(ap, n):
        first = root.place(ap, n)

        @when(one)
        def scaled():
            @each(0, num_users)
            def user(k):
                h[k], h[num_users + k] = root[first + k] * w[k], root[first + k] * w[im + k]

        @when(~one)
        def multiplied():
            fill(h, real(0.0))

            @each(0, num_antennas)
            def antenna(m):
                here, there = root.place(ap, n, m), m * num_users

                @each(0, num_users)
                def user(k):
                    a, b = root[here + k], root[here + num_users + k]
                    x, y = w[there + k], w[im + there + k]
                    h[k] = h[k] + (a * x - b * y)
                    h[num_users + k] = h[num_users + k] + (a * y + b * x)

    def add_group(first, stop, place):
        @each(first, stop)
        def to_sums(k):
            grouped = pilots[k] < in_groups

            @when(sending[k] & grouped)
            def in_group():
                add_to(sums, 2 * pilots[k], h[k], h[num_users + k])

            @when(sending[k] & ~grouped)
            def alone():
                add_to(out, place + 2 * pilots[k], h[k], h[num_users + k])

        @each(first, stop)
        def from_sums(k):
            @when(pilots[k] < in_groups)
            def in_group():
                t = 2 * pilots[k]
                add_to(out, place + t, sums[t], sums[t + 1])
                sums[t], sums[t + 1] = real(0.0), real(0.0)

    @each(0, count)
    def realization(r):
        @each(0, num_aps)
        def access_point(ap):
            @each(0, num_antennas)
            def halved(n):
                @each(0, num_users)
                def user(k):
                    here, there = normals.place(r, ap, n, k), n * num_users + k
                    w[there], w[im + there] = normals[here] * half, normals[here + 1] * half

            @each(0, num_antennas)
            def antenna(n):
                channel(ap, n)

                @each(0, cuts.shape[0] - 1)
                def group(i):
                    add_group(cuts[i], cuts[i + 1], out.place(r, ap, n))


def add_to(array, place, re, im):
    """Add a complex number to that in an array, in emitted functions."""
    array[place], array[place + 1] = array[place] + re, array[place + 1] + im


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


@kernel(nogil=True)
def write_estimates(received: Complex, filters: Complex, pilots: Int, out: Float) -> None:
    """Estimates hh_kl = F_kl y_tl in lanes, as `cfenvs.radio.mmse_kernel.pack_realizations` lays them out.

    Parameters
    ----------
    received : (R, L, N, T) array
    filters : (L, K, N, N) array
        F: `cfenvs.radio.estimation.pilot_filter` times the root of the pilot power.
    pilots : (K,) int array
    out : (ceil(R / LANES), K, L, N, 2, LANES) array
        Overwritten; missing realisations are zero.
    """
    _, _, num_antennas, num_pilots = received.shape
    _estimate(received, filters, pilots, out, np.empty(num_pilots * num_antennas * COMPLEX))


@emitted
def _estimate(received, filters, pilots, out, signals):
    count, num_aps, num_antennas, num_pilots = received.shape

    def read(lane, r, ap):
        @each(0, num_antennas)
        def antenna(n):
            @each(0, num_pilots)
            def pilot(t):
                y, place = received.place(r, ap, n, t), (t * num_antennas + n) * COMPLEX + lane
                signals[place], signals[place + LANES] = received[y], received[y + 1]

    @each(0, out.shape[0])
    def group(b):
        first = b * LANES
        some = count - first < LANES
        lanes = choose(some, lambda: count - first, lambda: integer(LANES))

        @when(some)
        def missing():
            fill(signals, real(0.0))

        @each(0, num_aps)
        def access_point(ap):
            @each(0, lanes)
            def realization(lane):
                read(lane, first + lane, ap)

            @each(0, pilots.shape[0])
            def user(k):
                y = pilots[k] * num_antennas * COMPLEX

                @each(0, num_antennas)
                def antenna(n):
                    zero, row = splat_complex(0.0, 0.0), filters.place(ap, k, n)
                    z = add_row_sum(zero, filters, row, num_antennas, real(1.0), signals, y)
                    store_complex(out, out.place(b, k, ap, n), z)
