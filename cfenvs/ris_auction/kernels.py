"""Utilities, and what each further surface would add to them: the fast way, for many worlds and operators.

Worlds are taken one after another, in a fixed order of operations. With alpha = 1 rates are summed as the logarithm of
a product over users, which takes one logarithm for each surface instead of one for each user and surface.
"""

# Inside a kernel the types are numba's; the annotations are for its callers.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.emitted import (
    absolute,
    as_integer,
    choose,
    each,
    emitted,
    fill,
    fold,
    integer,
    log2,
    power,
    real,
    remainder,
    root,
    smaller,
    truth,
    when,
)
from cfenvs.kernels import kernel

_ROOT_HALF = math.sqrt(0.5)
_PER_UNIT = 512
"""Steps of the table of standard normals for each standard deviation."""
Episode = tuple[Bool, Float, Int]
Asked = tuple[Int, int, Bool]
GROUP = 8
"""Users whose 1 + SINR are multiplied before a logarithm is taken: the product of eight overflows above 380 dB only."""


def distances(users: Float, places: Float, manhattan: bool = False) -> Float:
    """Distances in metres between users (n, ..., 2) and n sets of places (n, S, 2), (n, ..., S)."""
    out = np.empty((*users.shape[:-1], places.shape[1]))
    flat = (users.shape[0], -1)
    _write_distances(users.reshape(*flat, 2), places, manhattan, out.reshape(*flat, places.shape[1]))
    return out


def own_distances(users: Float, stations: Float, manhattan: bool = False) -> Float:
    """Distances in metres between users (n, T, O, U, 2) and their operators' stations (n, O, B, 2), (n, T, O, U, B)."""
    n, t, o, u, _ = users.shape
    by_operator = users.swapaxes(1, 2).reshape(n * o, t * u, 2)
    lengths = distances(by_operator, stations.reshape(n * o, -1, 2), manhattan).reshape(n, o, t, u, -1)
    return np.ascontiguousarray(lengths.swapaxes(1, 2))


@kernel
def _write_distances(users: Float, places: Float, manhattan: bool, out: Float) -> None:
    _measure(users, places, manhattan, out)


@emitted
def _measure(users, places, manhattan, out):
    worlds, each_world, each_user = out.shape

    @each(0, worlds)
    def world(e):
        @each(0, each_world)
        def user(u):
            @each(0, each_user)
            def place(s):
                here, there = users.place(e, u), places.place(e, s)
                dx, dy = users[here] - places[there], users[here + 1] - places[there + 1]
                out[out.place(e, u, s)] = choose(
                    manhattan, lambda: absolute(dx) + absolute(dy), lambda: root(dx * dx + dy * dy)
                )


def less_likely(normals: Float, probabilities: Float) -> Bool:
    """Whether each standard normal has less below it than a probability.

    The distribution function is not evaluated where a table of it decides, as it does for 999 of 1000.
    """
    less, left = np.empty(normals.shape, bool), np.empty(normals.size, np.int64)
    flat = [np.ascontiguousarray(of).reshape(-1) for of in (normals, probabilities)]
    _compare(*flat, _normal_table(), left, less.reshape(-1))
    return less


@lru_cache
def _normal_table() -> Float:
    """Bounds of the distribution function of standard normals, (m, 2): below and above, in steps between -8 and 8."""
    # SciPy has it too, but to import that takes a fifth of the time until a first step.
    at = np.array([0.5 * math.erfc(-_ROOT_HALF * x) for x in np.linspace(-8.0, 8.0, 16 * _PER_UNIT + 1)])
    slack = 1e-9  # relative: more than rounding
    inner = np.column_stack([at[:-1] * (1.0 - slack), at[1:] * (1.0 + slack)])
    return np.concatenate([[[0.0, inner[0, 1]]], inner, [[inner[-1, 0], 1.0 + slack]]])


@kernel
def _compare(normals: Float, probabilities: Float, table: Float, left: Int, less: Bool) -> None:
    """`less_likely` of flat arrays; first by the table, in a loop that vectorises, then what is left."""
    last, count = len(table) - 1, 0
    for i in range(len(normals)):
        place, p = (normals[i] + 8.0) * _PER_UNIT + 1.0, probabilities[i]
        place = place if place > 0.0 else 0.0
        k = np.int64(place if place < last else last)
        less[i] = p > table[k, 1]
        left[count] = i
        count += (p > table[k, 0]) & (p <= table[k, 1])
    for j in range(count):
        i = left[j]
        less[i] = 0.5 * math.erfc(-_ROOT_HALF * normals[i]) < probabilities[i]


@kernel
def cellular_values(
    coefficients: Float, episode: Episode, asked: Asked, exponent: float, utilities: Float, marginals: Float
) -> None:
    """Utilities and marginal values of cellular operators.

    Parameters
    ----------
    coefficients : (E, T, O, U, 3, S + 1) array
        Of `cfenvs.ris_auction.rates.cellular_coefficients`, for each auction of an episode.
    episode : (E, T, O, U) bool array, (E, T, O) array, (E,) int array
        Users that count, the sum of r^exponent without any surface, and which of the T auctions each world is in.
    asked : (W,) int array, int, (W, n, S) bool array
        The worlds that `owned` speaks of, the operator that its column 0 speaks of, whom the others follow, and it.
    exponent : float
        1 / alpha.
    utilities : (W, n) array
        Written.
    marginals : (W, n, S) array
        Written: U(owned + s) - U(owned), 0 for what is owned.
    """
    size = asked[2].shape[2] + 1
    sums, held = np.empty(2 * size), np.empty(size, np.int64)
    _write_values(coefficients, episode, asked, exponent, utilities, marginals, sums, held)


@emitted
def _write_values(coefficients, episode, asked, exponent, utilities, marginals, sums, held):
    """`cellular_values`, by way of sums (2, S + 1) and of the surfaces (S,) that an operator holds."""
    (wanting, base, auction), (rows, first, owned) = episode, asked
    worlds, operators, items = owned.shape
    size, additive = items + 1, exponent.equals(1.0)
    product, total = sums.part(0, size), sums.part(size, size)

    def take_logarithms():
        @each(0, size)
        def one(s):
            total[s], product[s] = total[s] + log2(product[s]), real(1.0)

    @each(0, worlds)
    def world(w):
        e = rows[w]
        t = auction[e]

        @each(0, operators)
        def operator(i):
            o, mine = first + i, owned.place(w, i)
            fill(product, real(1.0))
            fill(total, real(0.0))

            @fold(integer(0), 0, items)
            def number(s, number):
                held[number] = s
                return number + as_integer(owned[mine + s])

            def heard(u, count):
                """Take in a user; how many have been."""
                c = coefficients.part(coefficients.place(e, t, o, u), integer(3), size)

                @fold(tuple(c[c.place(k)] for k in range(3)), 0, number)
                def one(j, one):
                    return tuple(x + c[c.place(k, held[j] + 1)] for k, x in enumerate(one))

                a, d, n = one[0], one[1], one[2] + 1.0
                own = (a * a + d) / n

                def with_one_more(s):
                    b = a + c[s]
                    return (b * b + (d + c[c.place(1, s)])) / (n + c[c.place(2, s)])

                def multiply():
                    product[0] = product[0] * (own + 1.0)

                    @each(1, size)
                    def more(s):
                        product[s] = product[s] * (with_one_more(s) + 1.0)

                    when(remainder(count + 1, GROUP).equals(0))(take_logarithms)
                    return ()

                def add_powers():
                    total[0] = total[0] + power(log2(own + 1.0), exponent)

                    @each(1, size)
                    def more(s):
                        total[s] = total[s] + power(log2(with_one_more(s) + 1.0), exponent)

                    return ()

                choose(additive, multiply, add_powers)
                return count + 1

            @fold(integer(0), 0, coefficients.shape[3])
            def users(u, count):
                return choose(wanting[wanting.place(e, t, o, u)], lambda: heard(u, count), lambda: count)

            when(additive)(take_logarithms)
            _write_differences(total, base[base.place(e, t, o)], owned, w, i, utilities, marginals)


@kernel
def cellular_coefficients_batch(
    beta_ub: Float,
    beta_rb: Float,
    beta_ur: Float,
    k_ub: Float,
    k_ur: Float,
    products: Float,
    elements: float,
    snr: float,
    efficiency: float,
    out: Float,
    none: Float,
    everything: Float,
) -> None:
    """Write what `cfenvs.ris_auction.rates.cellular_coefficients` computes, for many networks, and two sets of rates.

    Parameters
    ----------
    beta_ub, k_ub : (n, T, O, U, B) arrays
    beta_rb : (n, O, S, B) array
    beta_ur, k_ur : (n, T, O, U, S) arrays
    products : (n, O, P, S) array
        Its `gram` of pairs of stations b < b', row by row.
    elements : float
    snr : float
        Power over noise.
    efficiency : float
        Share of the coherent power that phases keep.
    out : (n, T, O, U, 3, S + 1) array
        Written in place.
    none, everything : (n, T, O, U) arrays
        Written in place: rates without any surface, and with all of them.
    """
    gains = beta_ub, beta_rb, beta_ur
    _write_coefficients(gains, (k_ub, k_ur), products, elements, snr, efficiency, out, none, everything)


@emitted
def _write_coefficients(gains, factors, products, elements, snr, efficiency, out, none, everything):
    (beta_ub, beta_rb, beta_ur), (k_ub, k_ur) = gains, factors
    worlds, auctions, operators, users, stations = beta_ub.shape
    items = beta_ur.shape[4]

    def of_user(e, o, user):
        """Of the user that is number `user` of all."""
        links = beta_ub.part(user * stations, stations)
        row = out.part(user * (items + 1) * 3, integer(3), items + 1)

        @fold(integer(0), 1, stations)
        def b(other, b):
            return choose(links[other] > links[b], lambda: other, lambda: b)

        direct_los = 1.0 - 1.0 / (1.0 + k_ub[user * stations + b])

        @fold(real(0.0), 0, stations)
        def others(other, others):
            return others + choose(other.equals(b), lambda: real(0.0), lambda: links[other])

        @fold((real(0.0), real(0.0)), 0, items)
        def sums(s, sums):
            scattered, uncontrolled = sums
            coherent = efficiency * (1.0 - 1.0 / (1.0 + k_ur[user * items + s]))
            heard, anchored = beta_ur[user * items + s], beta_rb.part(beta_rb.place(e, o, s), stations)
            cascade = heard * anchored[b]

            @fold((real(0.0), uncontrolled), 0, stations)
            def steered(other, so_far):
                def interfere():
                    interfering, low = heard * anchored[other], smaller(b, other)
                    pair = low * (stations * 2 - low - 1) // 2 + (b + other - low) - low - 1
                    product = products[products.place(e, o, pair, s)]
                    return so_far[0] + interfering * (product * product - elements), so_far[1] + interfering

                return choose(other.equals(b), lambda: so_far, interfere)

            row[s + 1] = elements * root(snr * coherent * cascade)
            row[row.place(1, s + 1)] = snr * -1.0 * elements * coherent * cascade
            row[row.place(2, s + 1)] = snr * coherent * steered[0]
            return scattered + cascade, steered[1]

        scattered, uncontrolled = sums
        row[0] = root(snr * direct_los * links[b])
        row[row.place(1)] = snr * (links[b] * (1.0 - direct_los) + elements * scattered)
        row[row.place(2)] = snr * (others + elements * uncontrolled)
        alone = tuple(row[row.place(k)] for k in range(3))

        @fold(alone, 1, items + 1)
        def together(s, so_far):
            return tuple(x + row[row.place(k, s)] for k, x in enumerate(so_far))

        none[user], everything[user] = rate(*alone), rate(*together)

    def rate(a, d, i):
        return log2((a * a + d) / (i + 1.0) + 1.0)

    @each(0, worlds)
    def world(e):
        @each(0, auctions)
        def auction(t):
            @each(0, operators)
            def operator(o):
                @each(0, users)
                def user(u):
                    of_user(e, o, ((e * auctions + t) * operators + o) * users + u)


@kernel
def joint_values(
    received: Float,
    gained: Float,
    amplitude: Float,
    products: Float,
    anchor: Int,
    episode: Episode,
    asked: Asked,
    exponent: float,
    utilities: Float,
    marginals: Float,
) -> None:
    """Utilities and marginal values of cell-free operators.

    Parameters
    ----------
    received, gained, amplitude : (E, T, O, U, A), (E, T, O, U, S) and (E, T, O, U, S) arrays
    products, anchor : (E, O, S, S) and (E, O, S) arrays
        Of `cfenvs.ris_auction.rates.joint_coefficients`.
    episode, asked, exponent, utilities, marginals
        As for `cellular_values`.
    """
    (wanting, base, auction), (rows, first, owned) = episode, asked
    worlds, operators, items = owned.shape
    users, points = received.shape[3:]
    power, total, change = np.empty(points), np.empty(items + 1), np.empty(items)
    for w in range(worlds):
        e = rows[w]
        t = auction[e]
        for i in range(operators):
            o = first + i
            total[:] = 0.0
            for u in range(users):
                if not wanting[e, t, o, u]:
                    continue
                g, alone = amplitude[e, t, o, u], gained[e, t, o, u]
                power[:] = received[e, t, o, u]
                for s in range(items):
                    with_others = 0.0
                    for r in range(items):
                        if owned[w, i, r]:
                            with_others += g[r] * products[e, o, s, r]
                    change[s] = alone[s] + 2.0 * g[s] * with_others
                    if owned[w, i, s]:
                        power[anchor[e, o, s]] += alone[s] + g[s] * with_others
                field = 0.0
                for a in range(points):
                    field += np.sqrt(power[a])
                total[0] += np.log2(1.0 + field * field) ** exponent
                for s in range(items):
                    before = power[anchor[e, o, s]]
                    changed = field - np.sqrt(before) + np.sqrt(before + change[s])
                    total[s + 1] += np.log2(1.0 + changed * changed) ** exponent
            _write_differences(total, base[e, t, o], owned, w, i, utilities, marginals)


@kernel
def cellular_subset_sums(low: Float, high: Float, exponent: float, sums: Float) -> None:
    """Sum over users of r^exponent for every pair of a set of the first surfaces and a set of the last ones.

    Parameters
    ----------
    low, high : (U, 3, L) and (U, 3, H) arrays
        Totals of the coefficients over either set, the constants in `low`.
    exponent : float
    sums : (H, L) array
        Written.
    """
    users, product = low.shape[0], np.empty(low.shape[2])
    for h in range(high.shape[2]):
        sums[h, :], product[:] = 0.0, 1.0
        for u in range(users):
            amplitude, diffuse, interference = high[u, 0, h], high[u, 1, h], high[u, 2, h] + 1.0
            for i in range(product.size):
                a = amplitude + low[u, 0, i]
                product[i] *= 1.0 + (a * a + (diffuse + low[u, 1, i])) / (interference + low[u, 2, i])
            if exponent != 1.0:
                sums[h] += np.log2(product) ** exponent
                product[:] = 1.0
            elif (u + 1) % GROUP == 0 or u == users - 1:
                sums[h] += np.log2(product)
                product[:] = 1.0


@emitted
def _write_differences(total, base, owned, w, i, utilities, marginals):
    """From sums of r^exponent of what is owned (W, n, S), and with each surface more, (S + 1,), to utilities."""
    items, mine = owned.shape[2], owned.place(w, i)

    @fold(truth(False), 0, items)
    def some(s, some):
        return some | owned[mine + s]

    # Where rounding would say 1e-16.
    utilities[utilities.place(w, i)] = choose(some, lambda: total[0] / base - 1.0, lambda: real(0.0))

    @each(0, items)
    def marginal(s):
        gained = choose(owned[mine + s], lambda: real(0.0), lambda: (total[s + 1] - total[0]) / base)
        marginals[marginals.place(w, i, s)] = gained
