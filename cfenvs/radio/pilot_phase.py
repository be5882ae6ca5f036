"""Pilot signals of many channel realisations: no channel is kept that they are added up of, or none is drawn."""

# Inside a kernel the types are numba's; the annotations are for its callers.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Bool, Complex, Float, Int
from cfenvs.emitted import choose, each, emitted, fold, integer, real, remainder, smaller
from cfenvs.kernels import kernel
from cfenvs.radio.held_fading import row_sum
from cfenvs.radio.lanes import (
    COMPLEX,
    LANES,
    add,
    add_complex,
    lane_of,
    load_apart,
    load_complex,
    mul,
    scale,
    splat,
    splat_complex,
    store,
    store_complex,
    sub,
)
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
                of_network = self._roots[network], self._senders[network], self._ends[network], self._groups
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
    roots : (ceil(L / LANES), N, N, K, 2, LANES) array
        R_kl^(1/2); a lane is an access point, and missing ones are zero.
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
    _, _, num_antennas, _ = out.shape
    _add_up(normals, roots, senders, ends, groups, amplitude, out, np.empty(2 * num_antennas * len(groups) * LANES))


@emitted
def _add_up(normals, roots, senders, ends, groups, amplitude, out, w):
    """`_add_channels`, by way of white channels w (N, K, 2, LANES)."""
    count, num_aps, num_antennas, num_pilots = out.shape
    num_users, in_groups = groups.shape[0], num_pilots - remainder(num_pilots, 4)
    row, half, zero = num_antennas * num_users * 2, float(np.sqrt(0.5)), splat_complex(0.0, 0.0)

    def channel(tile, n, k):
        @fold(zero, 0, num_antennas)
        def h(m, h):
            (a, b), (x, y) = (
                load_complex(roots, roots.place(tile, n, m, k)),
                load_complex(w, (m * num_users + k) * COMPLEX),
            )
            return add(h[0], sub(mul(a, x), mul(b, y))), add(h[1], add(mul(a, y), mul(b, x)))

        return h

    def pilot(tile, n, t):
        """The sum on a pilot, by groups."""

        @fold((zero, zero, integer(-1)), choose(t > 0, lambda: ends[t - 1], lambda: integer(0)), ends[t])
        def sums(i, sums):
            (total, group, last), k = sums, senders[i]
            now = choose(t < in_groups, lambda: groups[k], lambda: k)
            total, group = choose(now.equals(last), lambda: (total, group), lambda: (add_complex(total, group), zero))
            return total, add_complex(group, channel(tile, n, k)), now

        return scale(splat(amplitude), add_complex(sums[0], sums[1]))

    @each(0, count)
    def realization(r):
        @each(0, roots.shape[0])
        def tiles(tile):
            first = (r * num_aps + tile * LANES) * row

            @each(0, row)
            def halved(x):
                store(w, x * LANES, mul(load_apart(normals, first + x, row), splat(half)))

            @each(0, num_antennas)
            def antenna(n):
                @each(0, num_pilots)
                def write(t):
                    parts = pilot(tile, n, t)

                    @each(0, smaller(num_aps - tile * LANES, integer(LANES)))
                    def access_point(lane):
                        place = out.place(r, tile * LANES + lane, n, t)
                        out[place], out[place + 1] = lane_of(parts[0], lane), lane_of(parts[1], lane)


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
        Contiguous, of 64 or 32 bits; overwritten. Missing realisations are zero.
    """
    missing = len(out) * LANES - len(received)
    if missing:
        received = np.concatenate([received, np.zeros((missing, *received.shape[1:]))])
    _, num_aps, num_antennas, num_pilots = received.shape
    some = min(num_aps, max(1, SIGNALS // (num_antennas * num_pilots * COMPLEX)))
    _write_estimates(np.ascontiguousarray(received), np.ascontiguousarray(filters), pilots, some, out)


@kernel(nogil=True)
def _write_estimates(received: Complex, filters: Complex, pilots: Int, some: int, out: Float) -> None:
    """`write_estimates` for R that lanes divide; of `some` access points at a time."""
    signals = np.empty(some * received.shape[2] * received.shape[3] * COMPLEX)
    _estimate(received, filters, pilots, some, out, signals)


@emitted
def _estimate(received, filters, pilots, some, out, signals):
    """`_write_estimates`, by way of signals (some, N, T, 2, LANES)."""
    _, num_aps, num_antennas, num_pilots = received.shape
    numbers = num_antennas * num_pilots * 2
    row = num_aps * numbers

    @each(0, out.shape[0])
    def group(b):
        @each(0, num_aps, some)
        def access_points(first):
            last = smaller(first + some, num_aps)

            @each(0, (last - first) * numbers)
            def read(x):
                store(signals, x * LANES, load_apart(received, (b * LANES * num_aps + first) * numbers + x, row))

            @each(0, pilots.shape[0])
            def user(k):
                @each(first, last)
                def access_point(ap):
                    y = ((ap - first) * num_antennas * num_pilots + pilots[k]) * COMPLEX

                    @each(0, num_antennas)
                    def antenna(n):
                        filtered = filters.part(filters.place(ap, k, n), num_antennas, parts=2)
                        z = row_sum(filtered, real(1.0), signals, y, num_pilots * COMPLEX, splat(0.0), splat(0.0))
                        store_complex(out, out.place(b, k, ap, n), z)
