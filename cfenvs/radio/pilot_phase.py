"""Pilot signals of many channel realisations: no channel is kept that they are added up of, or none is drawn."""

# Inside a kernel the types are numba's; the annotations are for its callers.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Bool, Complex, Float, Int
from cfenvs.kernels import kernel
from cfenvs.radio.held_fading import row_sum
from cfenvs.radio.lanes import COMPLEX, LANES, add, load, load_apart, mul, splat, store, sub
from cfenvs.radio.ziggurat import drawing

BLOCK = 2**15
"""Normals drawn at a time: 256 KiB, which the second-level cache holds."""
SIGNALS = 2**12
"""Numbers of received pilots that are in lanes at a time: 32 KiB, which the first-level cache holds."""


class PilotSignals:
    """What is received of the pilots in n networks, whose channels and noise are drawn when it is asked for.

    Parameters
    ----------
    roots : (n, L, K, N, N) array
        Square roots of the spatial correlation.
    pilots : (n, K) int array
    pilot_power : float
        In mW.
    tau_p : int
        Number of pilots and pilot length.
    sending : (n, K) bool array
        Users that send their pilot.
    """

    def __init__(self, roots: Complex, pilots: Int, pilot_power: float, tau_p: int, sending: Bool) -> None:
        n, L, K, N, _ = roots.shape
        tiles = -(-L // LANES)
        padded = np.zeros((n, tiles * LANES, K, N, N), complex)
        padded[:, :L] = roots
        parts = padded.view(float).reshape(n, tiles, LANES, K, N, N, 2)
        self._roots = np.ascontiguousarray(parts.transpose(0, 1, 4, 5, 3, 6, 2))
        pilots = np.where(sending, pilots, tau_p)
        self._senders = np.argsort(pilots, axis=1, kind="stable")
        self._ends = (pilots[:, :, None] <= np.arange(tau_p)).sum(axis=1)
        self._groups = np.arange(K) // 4
        self._groups[-1] += K % 4 == 3
        self._amplitude, self._deviation = float(np.sqrt(pilot_power) * tau_p), float(np.sqrt(tau_p))
        self._shape = L, N, tau_p
        self._block = np.empty(0)  # of normals, for one network after another

    def drawn(self, network: int, count: int, rng: np.random.Generator) -> Complex:
        """Signals of so many realisations, (R, L, N, T).

        They are what `cfenvs.radio.estimation.received_pilots` makes of channels and noise that are drawn, in the same
        draws.
        """
        L, N, T = self._shape
        K = len(self._groups)
        out = np.empty((count, L, N, T), complex)
        signals, channels, noise = out.view(float).reshape(count, -1), 2 * L * N * K, 2 * L * N * T
        at_once = [min(max(1, BLOCK // size), count) for size in (channels, noise)]
        end, spare = at_once[0] * channels, 2 * N * K * LANES
        if len(self._block) < max(end + spare, at_once[1] * noise):
            self._block = np.zeros(max(end + spare, at_once[1] * noise))
        block = self._block
        with drawing(rng, count * (channels + noise)) as fill:
            for first in range(0, count, at_once[0]):
                some = out[first : first + at_once[0]]
                fill(block[: len(some) * channels])
                of_network = self._roots[network].reshape(-1), self._senders[network], self._ends[network], self._groups
                _add_channels(block, *of_network, self._amplitude, some)
            for first in range(0, count, at_once[1]):
                rows = signals[first : first + at_once[1]]
                fresh = block[: rows.size]
                fill(fresh)
                fresh *= np.sqrt(0.5)
                fresh *= self._deviation
                rows += fresh.reshape(rows.shape)
        return out


@kernel(nogil=True)
def _add_channels(
    normals: Float, roots: Float, senders: Int, ends: Int, groups: Int, amplitude: float, out: Complex
) -> None:
    """Add up on each pilot h_kl = R_kl^(1/2) w_kl of the users that send it, at several access points at a time.

    The order of additions is that of OpenBLAS's product of a row and a matrix, by which stored numbers were made: they
    keep their bits. Users are summed in groups, on all pilots but the few that are left of a division by four.

    Parameters
    ----------
    normals : (>= R L N K 2 + N K 2 LANES,) array
        Real and imaginary parts of w times the root of 2, (R, L, N, K, 2). What is behind them is loaded, and not used.
    roots : (ceil(L / LANES) N N K 2 LANES,) array
        R_kl^(1/2), (ceil(L / LANES), N, N, K, 2, LANES); a lane is an access point, and missing ones are zero.
    senders : (>= ends[-1],) int array
        Users by their pilots, and by their number on each.
    ends : (T,) int array
        Where those of each pilot end.
    groups : (K,) int array
        The group of each user.
    amplitude : float
        Of pilots, by which sums are multiplied.
    out : (R, L, N, T) array
        Overwritten.
    """
    count, num_aps, num_antennas, num_pilots = out.shape
    num_users, in_groups = len(groups), num_pilots - num_pilots % 4
    row, half = num_antennas * num_users * 2, splat(np.sqrt(0.5))
    w, sums = np.empty(row * LANES), np.empty(COMPLEX)
    for r in range(count):
        for tile in range(-(-num_aps // LANES)):
            first, some = (r * num_aps + tile * LANES) * row, min(LANES, num_aps - tile * LANES)
            for x in range(row):
                store(w, x * LANES, mul(load_apart(normals, first + x, row), half))
            for n in range(num_antennas):
                i = 0
                for t in range(num_pilots):
                    re = im = group_re = group_im = splat(0.0)
                    last = -1
                    while i < ends[t]:
                        k = senders[i]
                        i += 1
                        group = groups[k] if t < in_groups else k
                        if group != last:
                            re, im = add(re, group_re), add(im, group_im)
                            group_re = group_im = splat(0.0)
                            last = group
                        h_re = h_im = splat(0.0)
                        for m in range(num_antennas):
                            place = (((tile * num_antennas + n) * num_antennas + m) * num_users + k) * COMPLEX
                            a, b = load(roots, place), load(roots, place + LANES)
                            place = (m * num_users + k) * COMPLEX
                            x, y = load(w, place), load(w, place + LANES)
                            h_re = add(h_re, sub(mul(a, x), mul(b, y)))
                            h_im = add(h_im, add(mul(a, y), mul(b, x)))
                        group_re, group_im = add(group_re, h_re), add(group_im, h_im)
                    store(sums, 0, mul(splat(amplitude), add(re, group_re)))
                    store(sums, LANES, mul(splat(amplitude), add(im, group_im)))
                    for lane in range(some):
                        out[r, tile * LANES + lane, n, t] = complex(sums[lane], sums[LANES + lane])


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


def write_estimates(received: Complex, filters: Complex, pilots: Int, out: Float) -> None:
    """Estimates hh_kl = F_kl y_tl in lanes, as `cfenvs.radio.mmse_kernel.pack_realizations` lays them out.

    Parameters
    ----------
    received : (R, L, N, T) array
    filters : (L, K, N, N) array
        F: `cfenvs.radio.estimation.pilot_filter` times the root of the pilot power.
    pilots : (K,) int array
    out : (ceil(R / LANES), K, L, N, 2, LANES) array
        Contiguous; overwritten. Missing realisations are zero.
    """
    missing = len(out) * LANES - len(received)
    if missing:
        received = np.concatenate([received, np.zeros((missing, *received.shape[1:]))])
    numbers = np.ascontiguousarray(received).view(float)
    _write_estimates(numbers.reshape(-1), numbers[0].size, np.ascontiguousarray(filters), pilots, out.reshape(-1))


@kernel(nogil=True)
def _write_estimates(received: Float, row: int, filters: Complex, pilots: Int, estimates: Float) -> None:
    """`write_estimates` for R that lanes divide; of so many access points at a time as the first-level cache holds.

    Parameters
    ----------
    received : (R L N T 2,) array
    row : int
        L N T 2.
    filters, pilots
        As there.
    estimates : (ceil(R / LANES) K L N 2 LANES,) array
    """
    num_aps, num_users, num_antennas, _ = filters.shape
    each = row // num_aps
    num_pilots, some = each // (2 * num_antennas), max(1, SIGNALS // (each * LANES))
    signals = np.empty(some * each * LANES)
    for group in range(len(received) // (row * LANES)):
        for first in range(0, num_aps, some):
            last = min(num_aps, first + some)
            for x in range((last - first) * each):
                store(signals, x * LANES, load_apart(received, group * LANES * row + first * each + x, row))
            for k in range(num_users):
                here = ((group * num_users + k) * num_aps + first) * num_antennas * COMPLEX
                for ap in range(first, last):
                    there = ((ap - first) * num_antennas * num_pilots + pilots[k]) * COMPLEX
                    for n in range(num_antennas):
                        zero = splat(0.0)
                        re, im = row_sum(filters[ap, k, n], 1.0, signals, there, num_pilots * COMPLEX, zero, zero)
                        store(estimates, here, re)
                        store(estimates, here + LANES, im)
                        here += COMPLEX
