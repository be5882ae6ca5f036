"""Utilities, and what each further surface would add to them: the fast way, for many worlds and operators.

Worlds are taken one after another, in a fixed order of operations. With alpha = 1 rates are summed as the logarithm of
a product over users, which takes one logarithm for each surface instead of one for each user and surface.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.kernels import kernel

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
    for e in range(len(users)):
        for u in range(users.shape[1]):
            for s in range(places.shape[1]):
                dx, dy = users[e, u, 0] - places[e, s, 0], users[e, u, 1] - places[e, s, 1]
                out[e, u, s] = abs(dx) + abs(dy) if manhattan else np.sqrt(dx * dx + dy * dy)


def less_likely(normals: Float, probabilities: Float) -> Bool:
    """Whether each standard normal has less below it than a probability, `ndtr(normals) < probabilities`.

    The distribution function is not evaluated where a table of it decides, as it does for 999 of 1000.
    """
    from scipy.special import ndtr  # which is not imported with the package

    normals = np.ascontiguousarray(normals)
    rows = normals.reshape(-1, normals.shape[-1]), probabilities.reshape(-1, normals.shape[-1])
    less, left = np.empty(rows[0].shape, bool), np.empty(normals.size, np.int64)
    left = left[: _compare(*rows, _normal_table(), less, left)]
    less.reshape(-1)[left] = ndtr(rows[0].flat[left]) < rows[1].flat[left]
    return less.reshape(normals.shape)


@lru_cache
def _normal_table() -> Float:
    """Bounds of the distribution function of standard normals, (m, 2): below and above, in steps between -8 and 8."""
    from scipy.special import ndtr

    at = ndtr(np.linspace(-8.0, 8.0, 16 * _PER_UNIT + 1))
    slack = 1e-9  # relative: more than rounding
    inner = np.column_stack([at[:-1] * (1.0 - slack), at[1:] * (1.0 + slack)])
    return np.concatenate([[[0.0, inner[0, 1]]], inner, [[inner[-1, 0], 1.0 + slack]]])


@kernel
def _compare(normals: Float, probabilities: Float, table: Float, less: Bool, left: Int) -> int:
    """Write to `less` what the table decides and to `left` where it does not; how many these are."""
    count = 0
    for i in range(normals.shape[0]):
        for j in range(normals.shape[1]):
            k = int(min(max((normals[i, j] + 8.0) * _PER_UNIT + 1.0, 0.0), len(table) - 1.0))
            p = probabilities[i, j]
            less[i, j] = p > table[k, 1]
            left[count] = i * normals.shape[1] + j
            count += (p > table[k, 0]) & (p <= table[k, 1])
    return count


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
    (wanting, base, auction), (rows, first, owned) = episode, asked
    worlds, operators, items = owned.shape
    users = coefficients.shape[3]
    one, product, total = np.empty(3), np.empty(items + 1), np.empty(items + 1)
    held = np.empty(items, np.int64)
    for w in range(worlds):
        e = rows[w]
        t = auction[e]
        for i in range(operators):
            o = first + i
            product[:], total[:] = 1.0, 0.0
            count = number = 0
            for s in range(items):
                if owned[w, i, s]:
                    held[number] = s
                    number += 1
            for u in range(users):
                if not wanting[e, t, o, u]:
                    continue
                c = coefficients[e, t, o, u]
                for k in range(3):
                    one[k] = c[k, 0]
                    for s in held[:number]:
                        one[k] += c[k, s + 1]
                a, d, n = one[0], one[1], one[2] + 1.0
                c0, c1, c2 = c[0, 1:], c[1, 1:], c[2, 1:]
                if exponent == 1.0:
                    product[0] *= 1.0 + (a * a + d) / n
                    added = product[1:]
                    for s in range(len(added)):
                        b = a + c0[s]
                        added[s] *= 1.0 + (b * b + (d + c1[s])) / (n + c2[s])
                    count += 1
                    if count % GROUP == 0:
                        for s in range(items + 1):
                            total[s] += np.log2(product[s])
                            product[s] = 1.0
                else:
                    total[0] += np.log2(1.0 + (a * a + d) / n) ** exponent
                    for s in range(items):
                        b = a + c0[s]
                        sinr = (b * b + (d + c1[s])) / (n + c2[s])
                        total[s + 1] += np.log2(1.0 + sinr) ** exponent
            if exponent == 1.0:
                for s in range(items + 1):
                    total[s] += np.log2(product[s])
            _differences(total, base[e, t, o], owned[w, i], utilities[w], marginals[w, i], i)


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
) -> None:
    """Write what `cfenvs.ris_auction.rates.cellular_coefficients` computes, for many networks.

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
    """
    worlds, auctions, operators, users, stations = beta_ub.shape
    items = beta_ur.shape[4]
    for e in range(worlds):
        for t in range(auctions):
            for o in range(operators):
                for u in range(users):
                    links, row = beta_ub[e, t, o, u], out[e, t, o, u]
                    b = 0
                    for other in range(1, stations):  # `argmax` would have numba load the linear algebra of SciPy
                        b = other if links[other] > links[b] else b
                    direct_los = 1.0 - 1.0 / (1.0 + k_ub[e, t, o, u, b])
                    scattered = others = uncontrolled = 0.0
                    for other in range(stations):
                        others += links[other] if other != b else 0.0
                    for s in range(items):
                        coherent = efficiency * (1.0 - 1.0 / (1.0 + k_ur[e, t, o, u, s]))
                        heard, anchored = beta_ur[e, t, o, u, s], beta_rb[e, o, s]
                        cascade = heard * anchored[b]
                        steered = 0.0
                        for other in range(stations):
                            if other != b:
                                interfering = heard * anchored[other]
                                first, second = (b, other) if b < other else (other, b)
                                pair = first * (2 * stations - first - 1) // 2 + second - first - 1
                                product = products[e, o, pair, s]
                                steered += interfering * (product * product - elements)
                                uncontrolled += interfering
                        scattered += cascade
                        row[0, s + 1] = elements * np.sqrt(snr * coherent * cascade)
                        row[1, s + 1] = -snr * elements * coherent * cascade
                        row[2, s + 1] = snr * coherent * steered
                    row[0, 0] = np.sqrt(snr * direct_los * links[b])
                    row[1, 0] = snr * (links[b] * (1.0 - direct_los) + elements * scattered)
                    row[2, 0] = snr * (others + elements * uncontrolled)


@kernel
def cellular_extremes(coefficients: Float, none: Float, everything: Float) -> None:
    """Write the rates (n, T, O, U) without any surface, and with all of them, from the coefficients of networks."""
    worlds, auctions, operators, users, _, size = coefficients.shape
    for e in range(worlds):
        for t in range(auctions):
            for o in range(operators):
                for u in range(users):
                    c = coefficients[e, t, o, u]
                    none[e, t, o, u] = np.log2(1.0 + (c[0, 0] * c[0, 0] + c[1, 0]) / (c[2, 0] + 1.0))
                    a, d, i = c[0, 0], c[1, 0], c[2, 0]
                    for s in range(1, size):
                        a += c[0, s]
                        d += c[1, s]
                        i += c[2, s]
                    everything[e, t, o, u] = np.log2(1.0 + (a * a + d) / (i + 1.0))


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
            _differences(total, base[e, t, o], owned[w, i], utilities[w], marginals[w, i], i)


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


@kernel(inline="always")
def _differences(total: Float, base: float, owned: Bool, utilities: Float, marginals: Float, i: int) -> None:
    utilities[i] = total[0] / base - 1.0 if owned.any() else 0.0  # where rounding would say 1e-16
    for s in range(owned.size):
        marginals[s] = 0.0 if owned[s] else (total[s + 1] - total[0]) / base
