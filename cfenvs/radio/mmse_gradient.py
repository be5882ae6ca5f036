"""Derivatives of the rates of centralised MMSE combining by the powers, several channel realisations at a time.

With the whitened channels G, T = G^H G and M = (I + T)^-1 of `cfenvs.radio.mmse_kernel`, 1 + SINR_k = 1 / M_kk. Of the
matrix A = sum_i p_i hh_i hh_i^H + Z, whose derivative by p_i is hh_i hh_i^H + C_i, the stages already hold what is
needed: hh_i^H A^-1 hh_k = -M_ik / sqrt(p_i p_k) for i != k, and A^-1 hh_k = F^-H u_k / sqrt(p_k) with U = G M. So

    ln 2  d log2(1 + SINR_k) / d p_i
        = delta_ki t_k / p_k - [i != k] |M_ik|^2 / (p_i M_kk) - u_k^H F^-1 C_i F^-H u_k / M_kk,

with t_k = 1 - M_kk = g_k^H u_k. What is computed is a sum over users k with weights y_k, a row of weights times the
Jacobian: then the blocks B_l = sum_k y_k u_kl u_kl^H / M_kk of the access points, N x N each, are summed over users and
realisations before they are whitened and meet the covariances, and nothing as large as the Jacobian is ever stored.
"""

# Inside a kernel the types are numba's; the annotations are for its callers.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Complex, Float, Int
from cfenvs.kernels import inlined, kernel
from cfenvs.radio.lanes import (
    LANES,
    add,
    aligned,
    div,
    fma,
    fnma,
    load,
    load_complex,
    mul,
    neg,
    splat,
    splat_complex,
    store,
    store_complex,
    sub_product,
)
from cfenvs.radio.mmse_kernel import (
    _CHUNK,
    _COMPLEX,
    _IM,
    _add_gram,
    _cholesky,
    _interference_factors,
    _inverse_diagonal,
    _tile,
)

LEAST_POWER = 1e-150
"""In mW, in place of zero: M_ik has a factor sqrt(p_i), so that quotients by p_i are the limits to the last digits."""
_COLUMNS = 8
"""Antennas whose u is formed at a time: with those of all users they stay in the first-level cache."""


@inlined
def _zeros(size):
    """Whether lanes straddle lines of the cache would else hang on where the heap has room, and a third of the time."""
    array = aligned(size)
    array[:] = 0.0
    return array


@inlined
def _store_tile(a, start, row, tile):
    """Write a tile to two rows of a."""
    re00, im00, re01, im01, re10, im10, re11, im11 = tile
    store(a, start, re00)
    store(a, start + _IM, im00)
    store(a, start + _COMPLEX, re01)
    store(a, start + _COMPLEX + _IM, im01)
    store(a, start + row, re10)
    store(a, start + row + _IM, im10)
    store(a, start + row + _COMPLEX, re11)
    store(a, start + row + _COMPLEX + _IM, im11)


@inlined
def _inverse(y, a_row, users, q):
    """The conjugate of (I + T)^-1, all of it, from the factor L^-H that `_inverse_diagonal` leaves in y."""
    for i in range(0, users, 2):
        for j in range(0, i + 2, 2):
            # conj(M)_ij = sum_{m >= i} y_im conj(y_jm), and its transpose.
            start = i * _COMPLEX
            tile = _tile(y, i * a_row + start, a_row, y, j * a_row + start, a_row, users - i)
            _store_tile(q, i * a_row + j * _COMPLEX, a_row, tile)
            if j < i:
                re00, im00, re01, im01, re10, im10, re11, im11 = tile
                turned = (re00, neg(im00), re10, neg(im10), re01, neg(im01), re11, neg(im11))
                _store_tile(q, j * a_row + i * _COMPLEX, a_row, turned)


@inlined
def _invert(h, group, p, everyone, factors, chunk, g, g_row, a, a_row, y, norms, q):
    """Whitened channels g of the lane group that starts at ``group`` in the flat ``h``, norms M_kk, and conj(M)."""
    users, aps, antennas = p.shape[0], factors.shape[0], factors.shape[1]
    for first in range(0, aps, chunk):
        part, stop = g[first * antennas * _COMPLEX :], min(first + chunk, aps)
        _add_gram(h, group, (0, 0), p, everyone, users, factors, first, stop, part, g_row, a, a_row)
    _cholesky(a, a_row, users)
    _inverse_diagonal(a, a_row, users, y, norms)
    _inverse(y, a_row, users + users % 2, q)


@inlined
def _form(g, g_row, first, stop, antennas, q, a_row, users, turned, u, u_row, own):
    """Form u of the access points ``first`` to ``stop``, and add g_k^H u_k to own.

    ``turned`` receives conj(G) with the users innermost, so that U is another tile product.
    """
    even = users + users % 2
    columns = (stop - first) * antennas
    for n in range(columns):
        for j in range(users):
            s, t = j * g_row + (first * antennas + n) * _COMPLEX, n * a_row + j * _COMPLEX
            store(turned, t, load(g, s))
            store(turned, t + _IM, neg(load(g, s + _IM)))
    for k in range(0, even, 2):
        for n in range(0, columns, 2):
            _store_tile(u, k * u_row + n * _COMPLEX, u_row, _tile(q, k * a_row, a_row, turned, n * a_row, a_row, even))
    for k in range(users):
        total = load(own, k * LANES)
        for n in range(columns):
            s, t = k * u_row + n * _COMPLEX, n * a_row + k * _COMPLEX
            total = fma(load(turned, t), load(u, s), fnma(load(turned, t + _IM), load(u, s + _IM), total))
        store(own, k * LANES, total)


@inlined
def _add_blocks(first, stop, antennas, users, weights, u, u_row, blocks):
    """Add weighted u u^H of the access points ``first`` to ``stop``, summed over users, to their blocks."""
    for ap in range(stop - first):
        for n in range(antennas):
            for m in range(n + 1):
                t = (((first + ap) * antennas + n) * antennas + m) * _COMPLEX
                re, im = load(blocks, t), load(blocks, t + _IM)
                x, z = (ap * antennas + n) * _COMPLEX, (ap * antennas + m) * _COMPLEX
                for k in range(users):
                    weight = load(weights, k * LANES)
                    xr, xi = mul(weight, load(u, k * u_row + x)), mul(weight, load(u, k * u_row + x + _IM))
                    zr, zi = load(u, k * u_row + z), load(u, k * u_row + z + _IM)
                    re, im = fma(xr, zr, fma(xi, zi, re)), fma(xi, zr, fnma(xr, zi, im))
                store(blocks, t, re)
                store(blocks, t + _IM, im)


@inlined
def _add_own_blocks(first, stop, factors, users, weights, u, u_row, blocks):
    """Add v v^H / M_kk with v = F^-H u of each user by itself, summed over realisations, to its blocks.

    Of a block (N, N) the lower triangle is kept, and counted twice beside the diagonal.
    """
    antennas = factors.shape[1]
    lanes = np.empty(_COMPLEX)
    for k in range(users):
        weight = load(weights, k * LANES)
        for ap in range(first, stop):
            start = k * u_row + (ap - first) * antennas * _COMPLEX
            # F^H v = u from below, in place; F holds 1 / F_nn, and F_nm / F_nn under it.
            for n in range(antennas - 1, -1, -1):
                z = load_complex(u, start + n * _COMPLEX)
                for m in range(n + 1, antennas):
                    factor = factors[ap, m, n]
                    f = splat_complex(factor.real, -factor.imag)
                    z = sub_product(z, f, load_complex(u, start + m * _COMPLEX))
                store_complex(u, start + n * _COMPLEX, z)
            for n in range(antennas):
                xr, xi = load_complex(u, start + n * _COMPLEX)
                xr, xi = mul(weight, xr), mul(weight, xi)
                for m in range(n + 1):
                    zr, zi = load_complex(u, start + m * _COMPLEX)
                    store(lanes, 0, fma(xr, zr, mul(xi, zi)))
                    store(lanes, LANES, fma(xi, zr, neg(mul(xr, zi))))
                    scale = factors[ap, n, n].real * factors[ap, m, m].real
                    if m < n:
                        scale = 2.0 * scale
                    blocks[k, ap, n, m] += complex(scale * _sum(lanes, 0), scale * _sum(lanes, LANES))


@inlined
def _sum(lanes, start):
    """The sum of the lanes."""
    total = 0.0
    for first in range(start, start + LANES, 4):
        total += (lanes[first] + lanes[first + 1]) + (lanes[first + 2] + lanes[first + 3])
    return total


@inlined
def _unwhiten(blocks, factors, out):
    """F^-H B F^-1 of every access point, (L, N, N), from the lanes of the lower triangles of B."""
    aps, antennas, _ = factors.shape
    for ap in range(aps):
        factor, block = factors[ap], out[ap]
        for n in range(antennas):
            for m in range(n + 1):
                t = ((ap * antennas + n) * antennas + m) * _COMPLEX
                block[n, m] = _sum(blocks, t) + 1j * _sum(blocks, t + _IM)
                block[m, n] = np.conj(block[n, m])
        # F^H X = B by columns, from below; F holds 1 / F_nn, and F_nm / F_nn under it. Then (X F^-1)^H = F^-H X^H.
        for _ in range(2):
            for column in range(antennas):
                for n in range(antennas - 1, -1, -1):
                    z = block[n, column]
                    for m in range(n + 1, antennas):
                        z -= np.conj(factor[m, n]) * (block[m, column] / factor[m, m].real)
                    block[n, column] = z * factor[n, n].real
            for n in range(antennas):
                for m in range(n):
                    lower, upper = block[n, m], block[m, n]
                    block[n, m], block[m, n] = np.conj(upper), np.conj(lower)
                block[n, n] = np.conj(block[n, n])


@kernel(nogil=True, of_worlds="powers cotangents worlds out")
def mmse_gradient(
    powers: Float, cotangents: Float, worlds: Int, h: Float, C: Complex, num_realizations: int, out: Float
) -> None:
    """A row of weights times the Jacobian of the ergodic rates of centralised MMSE combining.

    Parameters
    ----------
    powers, worlds, h, C, num_realizations
        As `cfenvs.radio.mmse_kernel.mmse_rates`.
    cotangents : float64 array, shape (B, K)
        The weights y.
    out : float64 array, shape (B, K)
        Receives sum_k y_k d rate_k / d p_i, per mW; one-sided for a silent user i.
    """
    rows, users = powers.shape
    groups, aps, antennas = h.shape[1], h.shape[3], h.shape[4]
    even, length = users + users % 2, aps * antennas
    chunk, step = -(-aps // -(-length // _CHUNK)), max(1, _COLUMNS // antennas)
    g_row, a_row = (length | 1) * _COMPLEX, (even + 1) * _COMPLEX
    g = _zeros(even * g_row)
    a, y, q = _zeros(even * a_row), _zeros(even * a_row), _zeros(even * a_row)
    norms, factors = np.empty(even * LANES), np.empty((aps, antennas, antennas), np.complex128)
    weights, own, pairs = np.empty(users * LANES), np.empty(users * LANES), np.empty(users * LANES)
    u_row = (_COLUMNS + antennas) * _COMPLEX
    turned, u = _zeros((_COLUMNS + antennas) * a_row), _zeros(even * u_row)
    blocks, errors = np.empty(length * antennas * _COMPLEX), np.empty((aps, antennas, antennas), np.complex128)
    flat, size = h.reshape(-1), users * length * _COMPLEX
    p, everyone = np.empty(users), np.arange(users)
    for row in range(rows):
        world = worlds[row]
        for k in range(users):
            p[k] = max(powers[row, k], LEAST_POWER)
        _interference_factors(p, C[world], factors)
        own[:] = 0.0
        pairs[:] = 0.0
        blocks[:] = 0.0
        for group in range(groups):
            _invert(flat, (world * groups + group) * size, p, everyone, factors, chunk, g, g_row, a, a_row, y, norms, q)
            for k in range(users):
                store(weights, k * LANES, div(splat(cotangents[row, k]), load(norms, k * LANES)))
            for i in range(users):
                total = load(pairs, i * LANES)
                for k in range(users):
                    if k != i:
                        s = i * a_row + k * _COMPLEX
                        re, im = load(q, s), load(q, s + _IM)
                        total = add(total, mul(load(weights, k * LANES), fma(re, re, mul(im, im))))
                store(pairs, i * LANES, total)
            for first in range(0, aps, step):
                stop = min(first + step, aps)
                _form(g, g_row, first, stop, antennas, q, a_row, users, turned, u, u_row, own)
                _add_blocks(first, stop, antennas, users, weights, u, u_row, blocks)
        _unwhiten(blocks, factors, errors)
        scale = 1.0 / (num_realizations * np.log(2.0))
        for i in range(users):
            through = 0.0
            for ap in range(aps):
                for n in range(antennas):
                    through += (C[world, ap, i, n, n] * errors[ap, n, n]).real
                    for m in range(n):
                        through += 2.0 * (C[world, ap, i, n, m] * np.conj(errors[ap, n, m])).real
            direct = (cotangents[row, i] * _sum(own, i * LANES) - _sum(pairs, i * LANES)) / p[i]
            out[row, i] = scale * (direct - through)


@kernel(nogil=True)
def mmse_slopes(p: Float, h: Float, C: Complex, direct: Float, blocks: Complex) -> None:
    """All derivatives of the rates in one world, in two parts whose product with the covariances is left to BLAS.

    Summed over realisations, d ln(1 + SINR_k) / d ln p_i = direct_ki - p_i Re sum_lnm C_il,nm conj(blocks_kl,nm).

    Parameters
    ----------
    p : float64 array, shape (K,)
        Powers in mW, positive.
    h, C
        Those of one world, as `cfenvs.radio.mmse_kernel.mmse_rates` has them.
    direct : float64 array, shape (K, K)
        Receives delta_ki t_k - [i != k] |M_ik|^2 / M_kk.
    blocks : complex128 array, shape (K, L, N, N)
        Receives v_k v_k^H / M_kk, v_k = F^-H u_k, of every access point: its lower triangle, twice beside the diagonal.
    """
    users, groups, aps, antennas = p.shape[0], h.shape[0], h.shape[2], h.shape[3]
    even, length = users + users % 2, aps * antennas
    chunk, step = -(-aps // -(-length // _CHUNK)), max(1, _COLUMNS // antennas)
    g_row, a_row, u_row = (length | 1) * _COMPLEX, (even + 1) * _COMPLEX, (_COLUMNS + antennas) * _COMPLEX
    g = _zeros(even * g_row)
    a, y, q = _zeros(even * a_row), _zeros(even * a_row), _zeros(even * a_row)
    norms, factors = np.empty(even * LANES), np.empty((aps, antennas, antennas), np.complex128)
    weights, own, pair = np.empty(users * LANES), np.zeros(users * LANES), np.empty(LANES)
    turned, u = _zeros((_COLUMNS + antennas) * a_row), _zeros(even * u_row)
    direct[:] = 0.0
    blocks[:] = 0.0
    _interference_factors(p, C, factors)
    everyone = np.arange(users)
    for group in range(groups):
        first = group * users * length * _COMPLEX
        _invert(h.reshape(-1), first, p, everyone, factors, chunk, g, g_row, a, a_row, y, norms, q)
        for k in range(users):
            store(weights, k * LANES, div(splat(1.0), load(norms, k * LANES)))
            for i in range(users):
                if i != k:
                    re, im = load_complex(q, i * a_row + k * _COMPLEX)
                    store(pair, 0, mul(load(weights, k * LANES), fma(re, re, mul(im, im))))
                    direct[k, i] -= _sum(pair, 0)
        for first in range(0, aps, step):
            stop = min(first + step, aps)
            _form(g, g_row, first, stop, antennas, q, a_row, users, turned, u, u_row, own)
            _add_own_blocks(first, stop, factors, users, weights, u, u_row, blocks)
    for k in range(users):
        direct[k, k] = _sum(own, k * LANES)
