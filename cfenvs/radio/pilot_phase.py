"""Pilot signals of many channel realisations: no channel is kept that they are added up of, or none is drawn."""

# Inside a kernel the types are numba's; the annotations are for its callers.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterator, Sequence

import numpy as np

from cfenvs.arrays import Bool, Complex, Float, Int
from cfenvs.emitted import choose, each, emitted, fold, integer, real, remainder, smaller
from cfenvs.kernels import Run, inlined, kernel
from cfenvs.radio.draws import Generators
from cfenvs.radio.held_fading import row_sum
from cfenvs.radio.lanes import (
    COMPLEX,
    LANES,
    add,
    add_complex,
    load_complex,
    mul,
    put_in_lanes,
    scale,
    splat,
    splat_complex,
    store_complex,
    sub,
)
from cfenvs.radio.ziggurat import Fill, begin_words, drawing, room_for_words, write_more_normals

_HALF_ROOT = float(np.sqrt(0.5))
BLOCK = 2**15
"""Normals drawn at a time: 256 KiB, which the second-level cache holds."""
NUMBERS = 2**8
"""Numbers of each realisation that are in lanes at a time: 16 KiB, which the first-level cache holds."""


class WhiteSignals:
    """CN(0, 1) in place of what L access points of N antennas receive of T pilots in n networks.

    They are drawn when it is asked for.

    Parameters
    ----------
    num_networks, num_aps, num_antennas, num_pilots : int
        n, L, N and T.
    """

    def __init__(self, num_networks: int, num_aps: int, num_antennas: int, num_pilots: int) -> None:
        self._shape = num_pilots, num_aps, num_antennas
        self._block = np.zeros(0)  # of normals, for one network after another
        # Nobody sends a pilot: what is received is noise.
        self._roots = np.zeros((num_networks, num_aps, 0, num_antennas, num_antennas), complex)
        self._senders = np.zeros((num_networks, 0), np.int64)
        self._ends = np.zeros((num_networks, num_pilots), np.int64)
        self._groups = np.zeros(0, np.int64)
        self._amplitude, self._deviation = 0.0, 1.0

    def drawn(self, network: int, count: int, rng: np.random.Generator) -> Float:
        """Signals of so many realisations, (ceil(R / LANES), T, L, N, 2, LANES), in one of the networks.

        The draws are those of `cfenvs.radio.fading.complex_normals` of a shape (R, L, N, T), laid out by
        `cfenvs.radio.mmse_kernel.pack_realizations`: missing realisations are zero.
        """
        out, row = np.zeros((-(-count // LANES), *self._shape, 2, LANES)), 2 * math.prod(self._shape)
        with drawing(rng, count * row) as fill:
            self._add_noise(fill, count, out)
        return out

    def estimate(
        self,
        rngs: Sequence[np.random.Generator],
        count: int,
        filters: Complex,
        pilots: Int,
        worlds: Int,
        out: Float,
        run: Run = operator.call,
    ) -> None:
        """Do what `write_estimates` does with signals that are `drawn`, in all networks.

        Parameters
        ----------
        rngs : n generators
            Different ones, from each of which one network is drawn.
        count : int
            R, the number of realisations.
        filters, pilots : (n, L, K, N, N) and (n, K) arrays
            As for `write_estimates`.
        worlds : (n,) int array
            Where the networks have their estimates.
        out : (E, ceil(R / LANES), K, L, N, 2, LANES) array
            Of 64 or 32 bits; overwritten there.
        run : callable
            What runs the kernel that draws and estimates.
        """
        channels, noise = (2 * math.prod((*self._shape[1:], some)) for some in (len(self._groups), self._shape[0]))
        networks = self._roots, self._senders, self._ends, filters, np.ascontiguousarray(pilots)
        sums = self._groups, self._amplitude, self._deviation
        with Generators.of(rngs) as generators:
            states = generators.states(count * (channels + noise))
            if states is not None:
                run(_draw_and_estimate_all, states, count, *networks, *sums, worlds, out)
                return
            lanes = out.shape[1] * LANES  # those of missing realisations stay zero; and what is loaded behind them
            normals = [np.zeros(lanes * row + LANES) for row in (channels, noise)]
            for network, (rng, world) in enumerate(zip(generators, worlds.tolist(), strict=True)):
                for numbers, row in zip(normals, (channels, noise), strict=True):
                    rng.standard_normal(out=numbers[: count * row])
                _estimate_drawn(*normals, network, *networks, *sums, out[world])

    def _add_noise(self, fill: Fill, count: int, out: Float) -> None:
        for some, normals in self._in_blocks(fill, count, 2 * math.prod(self._shape)):
            _add_noise(normals, self._deviation, out[some])

    def _in_blocks(self, fill: Fill, count: int, row: int) -> Iterator[tuple[slice, Float]]:
        """Normals of so many realisations, a row of each: those of a few lane groups at a time, and which these are."""
        groups = -(-count // LANES)
        at_once = min(groups, max(1, BLOCK // (row * LANES)))
        size = at_once * LANES * row
        if len(self._block) < size + LANES:  # what is loaded behind them
            self._block = np.zeros(size + LANES)
        block = self._block
        for first in range(0, groups, at_once):
            some = slice(first, min(first + at_once, groups))
            drawn = (min(some.stop * LANES, count) - first * LANES) * row
            fill(block[:drawn])
            if count < some.stop * LANES:
                block[drawn:size] = 0.0
            yield some, block


class PilotSignals(WhiteSignals):
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
        super().__init__(n, L, N, tau_p)
        self._roots, self._row = np.ascontiguousarray(roots, complex), 2 * L * N * K
        pilots = np.where(sending, pilots, tau_p)
        self._senders = np.argsort(pilots, axis=1, kind="stable")
        self._ends = (pilots[:, :, None] <= np.arange(tau_p)).sum(axis=1)
        self._groups = np.arange(K) // 4
        self._groups[-1] += K % 4 == 3
        self._amplitude, self._deviation = float(np.sqrt(pilot_power) * tau_p), float(np.sqrt(tau_p))

    def drawn(self, network: int, count: int, rng: np.random.Generator) -> Float:
        """Signals of so many realisations in one of the networks, likewise.

        They are what `cfenvs.radio.estimation.received_pilots` makes of channels and noise that are drawn, in the same
        draws.
        """
        out = np.empty((-(-count // LANES), *self._shape, 2, LANES))
        of_network = self._roots[network], self._senders[network], self._ends[network], self._groups
        with drawing(rng, count * (self._row + 2 * math.prod(self._shape))) as fill:
            for some, normals in self._in_blocks(fill, count, self._row):
                _add_channels(normals, *of_network, self._amplitude, out[some])
            self._add_noise(fill, count, out)
        return out


@kernel(nogil=True, of_worlds="states roots senders ends filters pilots worlds")
def _draw_and_estimate_all(
    states: Int,
    count: int,
    roots: Complex,
    senders: Int,
    ends: Int,
    filters: Complex,
    pilots: Int,
    groups: Int,
    amplitude: float,
    deviation: float,
    worlds: Int,
    out: Float,
) -> None:
    """`WhiteSignals.estimate` from states of generators, by one lane group after another: it needs little memory."""
    num_networks, num_aps, num_users, num_antennas, _ = roots.shape
    num_groups, num_pilots = out.shape[1], ends.shape[1]
    channels, noise = 2 * num_aps * num_antennas * num_users, 2 * num_aps * num_antennas * num_pilots
    normals = np.zeros(max(channels, noise) * LANES + LANES)
    received = np.zeros((num_groups if channels else 1, num_pilots, num_aps, num_antennas, 2, LANES))
    rows = np.empty(_in_lanes(num_antennas, num_users, num_pilots))
    words, last = room_for_words()
    for i in range(num_networks):
        begin_words(states[i], words)
        if channels:
            for b in range(num_groups):
                _draw(states[i], min(LANES, count - b * LANES) * channels, channels * LANES, normals, words, last)
                here = received[b : b + 1]
                _add_up(normals, roots[i], senders[i], ends[i], groups, amplitude, here, rows)
        for b in range(num_groups):
            _draw(states[i], min(LANES, count - b * LANES) * noise, noise * LANES, normals, words, last)
            here = received[b : b + 1] if channels else received
            if not channels:
                here[:] = 0.0
            _noise(normals, deviation, here, rows)
            _estimate(here, filters[i], pilots[i], out[worlds[i], b : b + 1])


@inlined
def _draw(state, count, size, out, words, last):
    """Standard normals, then zeros up to a size."""
    write_more_normals(state, out[:count], words, last)
    out[count:size] = 0.0


@inlined
def _in_lanes(num_antennas, num_users, num_pilots):
    """Room for what `_add_up` and `_noise` have in lanes."""
    return (NUMBERS + num_antennas * (num_users + num_pilots) * 2 + LANES) * LANES


@kernel(nogil=True)
def _estimate_drawn(
    channels: Float,
    noise: Float,
    network: int,
    roots: Complex,
    senders: Int,
    ends: Int,
    filters: Complex,
    pilots: Int,
    groups: Int,
    amplitude: float,
    deviation: float,
    out: Float,
) -> None:
    """The same in one of the networks from normals that are drawn, as for `_add_channels` and `_add_noise`."""
    num_pilots, num_antennas = ends.shape[1], out.shape[3]
    received = np.empty((1, num_pilots, out.shape[2], num_antennas, 2, LANES))
    rows = np.empty(_in_lanes(num_antennas, roots.shape[2], num_pilots))
    networks = roots, senders, ends, filters, pilots
    _add_up_and_estimate(channels, noise, network, networks, groups, amplitude, deviation, received, out, rows)


@emitted
def _add_up_and_estimate(channels, noise, network, networks, groups, amplitude, deviation, received, out, rows):
    """`_estimate_drawn`, by way of received pilots and of some normals in lanes."""
    roots, senders, ends, filters, pilots = (array.entry(network) for array in networks)
    size = functools.reduce(operator.mul, received.shape)
    per_user = size // received.shape[1]

    @each(0, out.shape[0])
    def group(b):
        _add_up(channels.part(b * per_user * roots.shape[1]), roots, senders, ends, groups, amplitude, received, rows)
        _noise(noise.part(b * size), deviation, received, rows)
        _estimate(received, filters, pilots, out.part(b * per_user * out.shape[1], integer(1), *out.shape[1:]))


@kernel(nogil=True)
def _add_channels(
    normals: Float, roots: Complex, senders: Int, ends: Int, groups: Int, amplitude: float, out: Float
) -> None:
    """Add up on each pilot h_kl = R_kl^(1/2) w_kl of the users that send it, in several realisations at a time.

    The order of additions is that of OpenBLAS's product of a row and a matrix, by which stored numbers were made: they
    keep their bits. Users are summed in groups, on all pilots but the few that are left of a division by four.

    Parameters
    ----------
    normals : (>= B LANES L N K 2 + LANES,) array
        Real and imaginary parts of w times the root of 2, (B LANES, L, N, K, 2). What is behind them is loaded, and not
        used.
    roots : (L, K, N, N) array
        R_kl^(1/2).
    senders : (>= ends[-1],) int array
        Users by their pilots, and by their number on each.
    ends : (T,) int array
        Where those of each pilot end.
    groups : (K,) int array
        The group of each user.
    amplitude : float
        Of pilots, by which sums are multiplied.
    out : (B, T, L, N, 2, LANES) array
        Overwritten.
    """
    size = roots.shape[1] * roots.shape[2] * 2 + LANES
    _add_up(normals, roots, senders, ends, groups, amplitude, out, np.empty(size * LANES))


@emitted
def _add_up(normals, roots, senders, ends, groups, amplitude, out, w):
    """`_add_channels`, by way of white channels w (N, K, 2, LANES)."""
    num_groups, num_pilots, num_aps, num_antennas = out.shape[:4]
    num_users, in_groups = roots.shape[1], num_pilots - remainder(num_pilots, 4)
    numbers, zero = num_antennas * num_users * 2, splat_complex(0.0, 0.0)

    def channel(ap, n, k):
        row = roots.part(roots.place(ap, k, n), num_antennas, parts=2)

        @fold(zero, 0, num_antennas)
        def h(m, h):
            (a, b), (x, y) = splat_complex(row[2 * m], row[2 * m + 1]), load_complex(w, (m * num_users + k) * COMPLEX)
            return add(h[0], sub(mul(a, x), mul(b, y))), add(h[1], add(mul(a, y), mul(b, x)))

        return h

    def pilot(ap, n, t):
        """The sum on a pilot, by groups."""

        @fold((zero, zero, integer(-1)), choose(t > 0, lambda: ends[t - 1], lambda: integer(0)), ends[t])
        def sums(i, sums):
            (total, group, last), k = sums, senders[i]
            now = choose(t < in_groups, lambda: groups[k], lambda: k)
            total, group = choose(now.equals(last), lambda: (total, group), lambda: (add_complex(total, group), zero))
            return total, add_complex(group, channel(ap, n, k)), now

        return scale(splat(amplitude), add_complex(sums[0], sums[1]))

    @each(0, num_groups)
    def group(b):
        @each(0, num_aps)
        def access_point(ap):
            put_in_lanes(normals, (b * LANES * num_aps + ap) * numbers, num_aps * numbers, numbers, (_HALF_ROOT,), w)

            @each(0, num_antennas)
            def antenna(n):
                @each(0, num_pilots)
                def write(t):
                    store_complex(out, out.place(b, t, ap, n), pilot(ap, n, t))


@kernel(nogil=True)
def _add_noise(normals: Float, deviation: float, out: Float) -> None:
    """Add noise to received pilots.

    Parameters
    ----------
    normals : (>= B LANES L N T 2 + LANES,) array
        Real and imaginary parts of the noise times the root of 2, (B LANES, L, N, T, 2), as for `_add_channels`.
    deviation : float
        Its standard deviation.
    out : (B, T, L, N, 2, LANES) array
    """
    _noise(normals, deviation, out, np.empty((NUMBERS + out.shape[1] * out.shape[3] * 2 + LANES) * LANES))


@emitted
def _noise(normals, deviation, out, noise):
    """`_add_noise`, by way of that at some access points, (some, N, T, 2, LANES)."""
    num_groups, num_pilots, num_aps, num_antennas = out.shape[:4]
    numbers = num_antennas * num_pilots * 2
    some = integer(NUMBERS) // numbers + 1

    @each(0, num_groups)
    def group(b):
        @each(0, num_aps, some)
        def access_points(first):
            count = smaller(num_aps - first, some)
            start = (b * LANES * num_aps + first) * numbers
            put_in_lanes(normals, start, num_aps * numbers, count * numbers, (_HALF_ROOT, deviation), noise)

            @each(0, num_pilots)
            def pilot(t):
                @each(0, count * num_antennas)
                def antenna(n):
                    place = out.place(b, t, first) + n * COMPLEX
                    fresh = load_complex(noise, (n * num_pilots + t) * COMPLEX)
                    store_complex(out, place, add_complex(load_complex(out, place), fresh))


def write_estimates(received: Float, filters: Complex, pilots: Int, out: Float) -> None:
    """Estimates hh_kl = F_kl y_tl in lanes, as `cfenvs.radio.mmse_kernel.pack_realizations` lays them out.

    Parameters
    ----------
    received : (B, T, L, N, 2, LANES) array
        y, likewise.
    filters : (L, K, N, N) array
        F: `cfenvs.radio.estimation.pilot_filter` times the root of the pilot power.
    pilots : (K,) int array
    out : (B, K, L, N, 2, LANES) array
        Of 64 or 32 bits; overwritten.
    """
    _write_estimates(received, np.ascontiguousarray(filters), pilots, out)


@kernel(nogil=True)
def _write_estimates(received: Float, filters: Complex, pilots: Int, out: Float) -> None:
    _estimate(received, filters, pilots, out)


@emitted
def _estimate(received, filters, pilots, out):
    """`write_estimates` with filters that are contiguous."""
    num_groups, num_users, num_aps, num_antennas = out.shape[:4]

    @each(0, num_groups)
    def group(b):
        @each(0, num_users)
        def user(k):
            @each(0, num_aps)
            def access_point(ap):
                y = received.place(b, pilots[k], ap)

                @each(0, num_antennas)
                def antenna(n):
                    filtered = filters.part(filters.place(ap, k, n), num_antennas, parts=2)
                    z = row_sum(filtered, real(1.0), received, y, COMPLEX, splat(0.0), splat(0.0))
                    store_complex(out, out.place(b, k, ap, n), z)
