"""Rates of centralised MMSE combining, several channel realisations at a time.

With the estimates hh_k of all L access points (N antennas each) stacked, the instantaneous SINR of user k is

    SINR_k = p_k hh_k^H (sum_{i != k} p_i hh_i hh_i^H + Z)^-1 hh_k,    Z = sum_i p_i C_i + I,

the value of Theorem 5.1, eq. (5.4)-(5.5), at the optimal combiner (5.11) of [1]_. Z is block diagonal over the access
points. With the whitened channels G = [sqrt(p_k) Z^-1/2 hh_k] and T = G^H G, it is 1 + SINR_k = 1 / [(I + T)^-1]_kk:
the work is one K x K matrix per realisation instead of K systems of size LN.

A lane (:mod:`cfenvs.radio.lanes`) is a realisation, so no operation ever crosses lanes and a padded, all-zero
realisation has SINR 0 and adds nothing to a rate. Every stage is a loop over 2 x 2 tiles of the K x K matrix, whose
eight real sums stay in registers: 16 fused multiply-adds for 8 loads, enough independent sums to hide the latency; the
Gram matrix takes two at a time where there are registers for it, to the same bits.
The Gram matrix, its left-looking Cholesky factor and the inverse of that all come from one tile product, sum_m
a_im conj(b_jm), because it is conj(T) that is formed and the conjugate of the inverse that is stored: with I + conj(T)
= L L^H and X = L^-1, [(I + T)^-1]_kk = sum_j |X_jk|^2. Every sum has a fixed order, so that a row gives the same bits
in any batch.

.. [1] O. T. Demir, E. Bjornson, L. Sanguinetti, "Foundations of User-Centric Cell-Free Massive MIMO", 2021.
"""

# Inside a kernel the types are numba's; the annotations are for its callers.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

import math

import numpy as np

from cfenvs.arrays import Complex, Float, Int
from cfenvs.kernels import inlined, kernel, spliced
from cfenvs.radio.lanes import (
    COMPLEX,
    LANES,
    add,
    add_conjugate_product,
    aligned,
    fma,
    fnma,
    load,
    load_complex,
    mul,
    neg,
    rsqrt,
    scale,
    splat,
    splat_complex,
    store,
    store_complex,
    sub,
    sub_product,
)

# A complex number of several realisations: the real parts of the lanes, then the imaginary parts.
_IM = LANES
_COMPLEX = COMPLEX
# Products of realisations that are formed apart, whatever the lanes: sums of logarithms have one order everywhere.
_APART = 4
# Antennas whitened at a time, so that the channels of two users (16 KiB) stay in the first-level cache.
_CHUNK = 128
# A product of [(I + T)^-1]_kk below this is turned into a logarithm; the product of two such must not underflow.
_SMALL = 1e-100


def pack_realizations(h_hat: Complex) -> Float:
    """Reorder channel estimates into lanes.

    Parameters
    ----------
    h_hat : complex array, shape (R, L, N, K)
        Channel estimates of R realisations, L access points, N antennas each, K users.

    Returns
    -------
    float64 array, shape (ceil(R / LANES), K, L, N, 2, LANES)
        Lane groups, users, access points, antennas, (real, imaginary), lane; missing realisations are zero.
    """
    h_hat = np.asarray(h_hat)
    realizations, aps, antennas, users = h_hat.shape
    groups = -(-realizations // LANES)
    padded = np.zeros((groups * LANES, aps, antennas, users), np.complex128)
    padded[:realizations] = h_hat
    lanes = padded.reshape(groups, LANES, aps, antennas, users).transpose(0, 4, 2, 3, 1)
    return np.ascontiguousarray(np.stack((lanes.real, lanes.imag), axis=4))


@inlined
def _tile(a, i, a_row, b, j, b_row, length):
    """Sums over m < length of a_im conj(b_jm) for two rows of a and two of b, as (re, im) of 00, 01, 10, 11.

    ``i`` and ``j`` are the starts of the first rows in the flat arrays, ``a_row`` and ``b_row`` the distances to the
    second ones.
    """
    zero = splat(0.0)
    z00 = z01 = z10 = z11 = (zero, zero)
    for m in range(0, length * _COMPLEX, _COMPLEX):
        a0, a1 = load_complex(a, i + m), load_complex(a, i + a_row + m)
        b0, b1 = load_complex(b, j + m), load_complex(b, j + b_row + m)
        z00, z01 = add_conjugate_product(z00, a0, b0), add_conjugate_product(z01, a0, b1)
        z10, z11 = add_conjugate_product(z10, a1, b0), add_conjugate_product(z11, a1, b1)
    return z00[0], z00[1], z01[0], z01[1], z10[0], z10[1], z11[0], z11[1]


@inlined
def _wide_tile(a, i, a_row, b, j, b_row, length):
    """:func:`_tile` of two rows of a with four of b, as the tiles of the first and of the last two.

    Twelve loads for 32 fused multiply-adds, in 28 registers.
    """
    zero = splat(0.0)
    z00 = z01 = z02 = z03 = z10 = z11 = z12 = z13 = (zero, zero)
    for m in range(0, length * _COMPLEX, _COMPLEX):
        a0, a1 = load_complex(a, i + m), load_complex(a, i + a_row + m)
        b0, b1 = load_complex(b, j + m), load_complex(b, j + b_row + m)
        z00, z01 = add_conjugate_product(z00, a0, b0), add_conjugate_product(z01, a0, b1)
        z10, z11 = add_conjugate_product(z10, a1, b0), add_conjugate_product(z11, a1, b1)
        b0, b1 = load_complex(b, j + 2 * b_row + m), load_complex(b, j + 3 * b_row + m)
        z02, z03 = add_conjugate_product(z02, a0, b0), add_conjugate_product(z03, a0, b1)
        z12, z13 = add_conjugate_product(z12, a1, b0), add_conjugate_product(z13, a1, b1)
    first = z00[0], z00[1], z01[0], z01[1], z10[0], z10[1], z11[0], z11[1]
    return first, (z02[0], z02[1], z03[0], z03[1], z12[0], z12[1], z13[0], z13[1])


@inlined
def _add_diagonal(sums, z0, z1):
    """Sums of a diagonal tile with the terms of one more m.

    A diagonal tile has four sums; real and imaginary products are summed apart, to have eight that are independent.
    """
    r00, i00, r11, i11, rr10, ii10, ir10, ri10 = sums
    a0r, a0i = z0
    a1r, a1i = z1
    return (
        fma(a0r, a0r, r00),
        fma(a0i, a0i, i00),
        fma(a1r, a1r, r11),
        fma(a1i, a1i, i11),
        fma(a1r, a0r, rr10),
        fma(a1i, a0i, ii10),
        fma(a1i, a0r, ir10),
        fma(a1r, a0i, ri10),
    )


@inlined
def _diagonal(sums):
    """Entries 00 and 11, which are real, and (re, im) of 10."""
    r00, i00, r11, i11, rr10, ii10, ir10, ri10 = sums
    return add(r00, i00), add(r11, i11), add(rr10, ii10), sub(ir10, ri10)


@inlined
def _diagonal_tile(a, i, a_row, length):
    """:func:`_tile` of two rows of a with themselves, as :func:`_diagonal` returns it."""
    zero = splat(0.0)
    sums = (zero, zero, zero, zero, zero, zero, zero, zero)
    for m in range(0, length * _COMPLEX, _COMPLEX):
        sums = _add_diagonal(sums, load_complex(a, i + m), load_complex(a, i + a_row + m))
    return _diagonal(sums)


@spliced
def _interference_factors(p, C, factors):
    """Factors of Z_l = sum_i p_i C_il + I = F_l F_l^H, shape (L, N, N), as :func:`_whiten` uses them.

    The solution of F y = h is y_n = h_n / F_nn - sum_{m < n} (F_nm / F_nn) y_m: the diagonal holds 1 / F_nn, and below
    it are F_nm / F_nn.
    """
    aps, users, antennas, _ = C.shape
    for ap in range(aps):
        factor = factors[ap]
        for n in range(antennas):
            for m in range(n):
                # In real numbers, which compile much sooner.
                re = im = 0.0
                for k in range(users):
                    c = C[ap, k, n, m]
                    re += p[k] * c.real
                    im += p[k] * c.imag
                for q in range(m):
                    x, y = factor[n, q], factor[m, q]
                    re -= x.real * y.real + x.imag * y.imag
                    im -= x.imag * y.real - x.real * y.imag
                inverse = factor[m, m].real
                factor[n, m] = complex(re * inverse, im * inverse)
            diagonal = 1.0
            for k in range(users):
                diagonal += p[k] * C[ap, k, n, n].real
            for q in range(n):
                x = factor[n, q]
                diagonal -= x.real * x.real + x.imag * x.imag
            factor[n, n] = complex(1.0 / math.sqrt(diagonal), 0.0)
        for n in range(antennas):
            inverse = factor[n, n].real
            for m in range(n):
                x = factor[n, m]
                factor[n, m] = complex(x.real * inverse, x.imag * inverse)


@inlined
def _whiten_antennas(h, source0, source1, amplitude0, amplitude1, factors, first, stop, antennas, g, target, g_row):
    """:func:`_whiten` for ``antennas`` antennas."""
    zero = splat(0.0)
    sums = (zero, zero, zero, zero, zero, zero, zero, zero)
    for ap in range(first, stop):
        for n in range(antennas):
            diagonal = factors[ap, n, n].real
            g0 = scale(splat(amplitude0 * diagonal), load_complex(h, source0))
            g1 = scale(splat(amplitude1 * diagonal), load_complex(h, source1))
            for m in range(n):
                factor = factors[ap, n, m]
                f = splat_complex(factor.real, factor.imag)
                t = target + (m - n) * _COMPLEX
                g0 = sub_product(g0, f, load_complex(g, t))
                g1 = sub_product(g1, f, load_complex(g, t + g_row))
            store_complex(g, target, g0)
            store_complex(g, target + g_row, g1)
            sums = _add_diagonal(sums, g0, g1)
            source0, source1, target = source0 + _COMPLEX, source1 + _COMPLEX, target + _COMPLEX
    return _diagonal(sums)


@spliced
def _whiten(h, source0, source1, amplitude0, amplitude1, factors, first, stop, g, target, g_row):
    """Channels sqrt(p_k) F_l^-1 hh_kl of two users to access points ``first`` to ``stop``, into two rows of g.

    Returns the diagonal tile of the two rows, which costs little while they are in registers. A constant number of
    antennas lets LLVM unroll the short loops over them.
    """
    antennas, one, four = factors.shape[1], np.int64(1), np.int64(4)  # literals would be types of their own
    if antennas == 1:
        return _whiten_antennas(
            h, source0, source1, amplitude0, amplitude1, factors, first, stop, one, g, target, g_row
        )
    if antennas == 4:
        return _whiten_antennas(
            h, source0, source1, amplitude0, amplitude1, factors, first, stop, four, g, target, g_row
        )
    return _whiten_antennas(
        h, source0, source1, amplitude0, amplitude1, factors, first, stop, antennas, g, target, g_row
    )


@inlined
def _accumulate(a, start, lanes, first):
    """``a[start] = lanes`` if ``first``, else ``a[start] += lanes``."""
    if not first:
        lanes = add(load(a, start), lanes)
    store(a, start, lanes)


@inlined
def _accumulate_tile(a, start, a_row, sums, first):
    """The same of a tile, whose sums are as `_tile` returns them."""
    re00, im00, re01, im01, re10, im10, re11, im11 = sums
    _accumulate(a, start, re00, first)
    _accumulate(a, start + _IM, im00, first)
    _accumulate(a, start + _COMPLEX, re01, first)
    _accumulate(a, start + _COMPLEX + _IM, im01, first)
    _accumulate(a, start + a_row, re10, first)
    _accumulate(a, start + a_row + _IM, im10, first)
    _accumulate(a, start + a_row + _COMPLEX, re11, first)
    _accumulate(a, start + a_row + _COMPLEX + _IM, im11, first)


@spliced
def _add_gram(h, group, p, factors, first, stop, g, g_row, a, a_row):
    """Add the Gram matrix of the whitened channels of access points ``first`` to ``stop`` to the lower triangle of a.

    ``group`` is where the lane group starts in the flat ``h``.
    """
    users, aps, antennas = p.shape[0], factors.shape[0], factors.shape[1]
    length = (stop - first) * antennas
    for i in range(0, users, 2):
        row = i * a_row
        t0 = row + i * _COMPLEX
        t1 = t0 + a_row
        source0 = group + (i * aps + first) * antennas * _COMPLEX
        source1, p1 = source0 + aps * antennas * _COMPLEX, 0.0
        if i + 1 < users:
            p1 = p[i + 1]
        else:
            # The user that pads an odd number has no channels of its own: at zero power any will do.
            source1 = source0
        re00, re11, re10, im10 = _whiten(
            h, source0, source1, math.sqrt(p[i]), math.sqrt(p1), factors, first, stop, g, i * g_row, g_row
        )
        _accumulate(a, t0, re00, first == 0)
        _accumulate(a, t1, re10, first == 0)
        _accumulate(a, t1 + _IM, im10, first == 0)
        _accumulate(a, t1 + _COMPLEX, re11, first == 0)
        wide = i - i % 4 if LANES == 8 else 0  # those have 32 registers
        for j in range(0, wide, 4):
            left, right = _wide_tile(g, i * g_row, g_row, g, j * g_row, g_row, length)
            _accumulate_tile(a, row + j * _COMPLEX, a_row, left, first == 0)
            _accumulate_tile(a, row + (j + 2) * _COMPLEX, a_row, right, first == 0)
        for j in range(wide, i, 2):
            sums = _tile(g, i * g_row, g_row, g, j * g_row, g_row, length)
            _accumulate_tile(a, row + j * _COMPLEX, a_row, sums, first == 0)


@spliced
def _cholesky(a, a_row, users):
    """Lower Cholesky factor L of I + a in place of a, with 1 / L_kk in place of its diagonal."""
    one = splat(1.0)
    for j in range(0, users, 2):
        row = j * a_row
        t0 = row + j * _COMPLEX
        t1 = t0 + a_row
        re00, re11, re10, im10 = _diagonal_tile(a, row, a_row, j)
        r0 = rsqrt(add(one, sub(load(a, t0), re00)))
        l10r, l10i = mul(sub(load(a, t1), re10), r0), mul(sub(load(a, t1 + _IM), im10), r0)
        r1 = rsqrt(add(one, fnma(l10r, l10r, fnma(l10i, l10i, sub(load(a, t1 + _COMPLEX), re11)))))
        store(a, t0, r0)
        store(a, t1, l10r)
        store(a, t1 + _IM, l10i)
        store(a, t1 + _COMPLEX, r1)
        for i in range(j + 2, users, 2):
            t0 = i * a_row + j * _COMPLEX
            t1 = t0 + a_row
            re00, im00, re01, im01, re10, im10, re11, im11 = _tile(a, i * a_row, a_row, a, row, a_row, j)
            # Each row of the tile solves x conj(L_jj)^T = (a - sum), by its first column, then its second.
            for t, re0, im0, re1, im1 in ((t0, re00, im00, re01, im01), (t1, re10, im10, re11, im11)):
                x0r, x0i = mul(sub(load(a, t), re0), r0), mul(sub(load(a, t + _IM), im0), r0)
                x1r = sub(load(a, t + _COMPLEX), re1)
                x1i = sub(load(a, t + _COMPLEX + _IM), im1)
                x1r = fnma(x0r, l10r, fnma(x0i, l10i, x1r))
                x1i = fnma(x0i, l10r, fma(x0r, l10i, x1i))
                store(a, t, x0r)
                store(a, t + _IM, x0i)
                store(a, t + _COMPLEX, mul(x1r, r1))
                store(a, t + _COMPLEX + _IM, mul(x1i, r1))


@spliced
def _inverse_diagonal(a, a_row, users, y, norms):
    """Diagonal of (I + T)^-1 = L^-H L^-1 from the factor that :func:`_cholesky` leaves in a; y receives L^-H."""
    zero = splat(0.0)
    for i in range(0, users, 2):
        t0 = i * (a_row + _COMPLEX)
        t1 = t0 + a_row
        r0, r1 = load(a, t0), load(a, t1 + _COMPLEX)
        l10r, l10i = load(a, t1), load(a, t1 + _IM)
        for j in range(0, i, 2):
            # Row pair i of L X = I: X_ij = -L_ii^-1 sum_{j <= q < i} L_iq X_qj, of which y stores the conjugate.
            diagonal = j * (a_row + _COMPLEX)
            re00, im00, re01, im01, re10, im10, re11, im11 = _tile(
                a, i * a_row + j * _COMPLEX, a_row, y, diagonal, a_row, i - j
            )
            for k, re0, im0, re1, im1 in ((j, re00, im00, re10, im10), (j + 1, re01, im01, re11, im11)):
                t = k * a_row + i * _COMPLEX
                x0r, x0i = neg(mul(re0, r0)), neg(mul(im0, r0))
                x1r = neg(mul(fma(l10r, x0r, fnma(l10i, x0i, re1)), r1))
                x1i = neg(mul(fma(l10r, x0i, fma(l10i, x0r, im1)), r1))
                store(y, t, x0r)
                store(y, t + _IM, neg(x0i))
                store(y, t + _COMPLEX, x1r)
                store(y, t + _COMPLEX + _IM, neg(x1i))
                norm = fma(x0r, x0r, fma(x0i, x0i, fma(x1r, x1r, fma(x1i, x1i, load(norms, k * LANES)))))
                store(norms, k * LANES, norm)
        x10r, x10i = neg(mul(mul(l10r, r0), r1)), neg(mul(mul(l10i, r0), r1))
        store(y, t0, r0)
        store(y, t0 + _IM, zero)
        store(y, t0 + _COMPLEX, x10r)
        store(y, t0 + _COMPLEX + _IM, neg(x10i))
        store(y, t1, zero)
        store(y, t1 + _IM, zero)
        store(y, t1 + _COMPLEX, r1)
        store(y, t1 + _COMPLEX + _IM, zero)
        store(norms, i * LANES, fma(r0, r0, fma(x10r, x10r, mul(x10i, x10i))))
        store(norms, (i + 1) * LANES, mul(r1, r1))


@spliced
def _scratch(users, aps, antennas):
    """Work arrays of one call: (access points at a time, g, its row length, a, its row length, y, norms, factors)."""
    even = users + users % 2
    chunks = -(-aps * antennas // _CHUNK)
    chunk = -(-aps // chunks)
    # An odd number of cache lines per row keeps the rows of a tile out of each other's cache sets.
    g_row, a_row = (chunk * antennas | 1) * _COMPLEX, (even + 1) * _COMPLEX
    g, a, y, norms = aligned(even * g_row), aligned(even * a_row), aligned(even * a_row), np.empty(even * LANES)
    return chunk, g, g_row, a, a_row, y, norms, np.empty((aps, antennas, antennas), np.complex128)


@spliced
def _inverse_norms(h, group, p, scratch):
    """[(I + T)^-1]_kk = 1 / (1 + SINR_k) of the lane group that starts at ``group`` in the flat ``h``."""
    chunk, g, g_row, a, a_row, y, norms, factors = scratch
    users, aps = p.shape[0], factors.shape[0]
    for first in range(0, aps, chunk):
        _add_gram(h, group, p, factors, first, min(first + chunk, aps), g, g_row, a, a_row)
    _cholesky(a, a_row, users)
    _inverse_diagonal(a, a_row, users, y, norms)
    return norms


@inlined
def _log2_product(values, start):
    """log2 of the product of four numbers, by pairs since the product of all four can underflow."""
    return np.log2(values[start] * values[start + 1]) + np.log2(values[start + 2] * values[start + 3])


@kernel(nogil=True)
def mmse_rates(powers: Float, worlds: Int, h: Float, C: Complex, num_realizations: int, out: Float) -> None:
    """Ergodic rates of centralised MMSE combining, without the pre-log factor.

    The rate is the mean over realisations of log2(1 + SINR_k), eq. (5.4) at the combiner (5.11) of Demir, Bjornson,
    Sanguinetti, 2021. Arrays must be C-contiguous and are not checked; a read-only one costs another compilation.

    Parameters
    ----------
    powers : float64 array, shape (B, K)
        Uplink powers in mW, non-negative. A user at power 0 has rate exactly 0.
    worlds : int64 array, shape (B,)
        World that each row is evaluated in.
    h : float64 array, shape (E, Q, K, L, N, 2, LANES)
        Channel estimates in E worlds, in units of the noise: |h|^2 is per mW of power. Each world is laid out by
        :func:`pack_realizations`.
    C : complex128 array, shape (E, L, K, N, N)
        Hermitian covariances of the estimation errors, per mW of power; the lower triangles are read.
    num_realizations : int
        Number R of realisations in the Q lane groups.
    out : float64 array, shape (B, K)
        Receives the rates in bit/s/Hz.
    """
    rows, users = powers.shape
    groups, aps, antennas = h.shape[1], h.shape[3], h.shape[4]
    scratch = _scratch(users, aps, antennas)
    products, logs = np.empty(users * _APART), np.empty(users)
    flat, size = h.reshape(-1), users * aps * antennas * _COMPLEX
    for row in range(rows):
        p, world = powers[row], worlds[row]
        _interference_factors(p, C[world], scratch[-1])
        products[:] = 1.0
        logs[:] = 0.0
        for group in range(groups):
            norms = _inverse_norms(flat, (world * groups + group) * size, p, scratch)
            for k in range(users):
                t = k * _APART
                for first in range(k * LANES, (k + 1) * LANES, _APART):
                    for r in range(_APART):
                        products[t + r] *= norms[first + r]
                    small = False
                    for r in range(t, t + _APART):
                        small |= products[r] < _SMALL
                    if small:
                        logs[k] += _log2_product(products, t)
                        for r in range(t, t + _APART):
                            products[r] = 1.0
        for k in range(users):
            # Rounding can leave a user of vanishing SINR a hair below zero.
            out[row, k] = max((0.0 - logs[k] - _log2_product(products, k * _APART)) / num_realizations, 0.0)


@kernel(nogil=True)
def mmse_sinrs(powers: Float, worlds: Int, h: Float, C: Complex, num_realizations: int, out: Float) -> None:
    """Instantaneous SINRs of centralised MMSE combining, as ratios: eq. (5.5) at the combiner (5.11).

    They come from 1 + SINR_k, so that their absolute error is a few 1e-16 where they are small. The parameters are
    those of :func:`mmse_rates`, except that ``out`` has shape (B, R, K).
    """
    rows, users = powers.shape
    groups, aps, antennas = h.shape[1], h.shape[3], h.shape[4]
    scratch = _scratch(users, aps, antennas)
    flat, size = h.reshape(-1), users * aps * antennas * _COMPLEX
    for row in range(rows):
        p, world = powers[row], worlds[row]
        _interference_factors(p, C[world], scratch[-1])
        for group in range(groups):
            norms = _inverse_norms(flat, (world * groups + group) * size, p, scratch)
            for r in range(group * LANES, min((group + 1) * LANES, num_realizations)):
                for k in range(users):
                    out[row, r, k] = max(1.0 / norms[k * LANES + r % LANES] - 1.0, 0.0)
