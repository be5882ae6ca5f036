"""Rates of centralised MMSE combining, several channel realisations at a time.

With the estimates hh_k of all L access points (N antennas each) stacked, the instantaneous SINR of user k is

    SINR_k = p_k hh_k^H (sum_{i != k} p_i hh_i hh_i^H + Z)^-1 hh_k,    Z = sum_i p_i C_i + I,

the value of Theorem 5.1, eq. (5.4)-(5.5), at the optimal combiner (5.11) of [1]_. Z is block diagonal over the access
points. With the whitened channels G = [sqrt(p_k) Z^-1/2 hh_k] and T = G^H G, it is 1 + SINR_k = 1 / [(I + T)^-1]_kk:
the work is one K x K matrix per realisation instead of K systems of size LN.

A lane (:mod:`cfenvs.radio.lanes`) is a realisation, so no operation crosses lanes and a padded, all-zero
realisation has SINR 0 and adds nothing to a rate. Every stage is a loop over 2 x 2 tiles of the K x K matrix, whose
eight real sums stay in registers: 16 fused multiply-adds for 8 loads, enough independent sums to hide the latency; the
Gram matrix takes two at a time where there are registers for it, to the same bits.
The Gram matrix, its left-looking Cholesky factor and the inverse of that all come from one tile product, sum_m
a_im conj(b_jm), because it is conj(T) that is formed and the conjugate of the inverse that is stored: with I + conj(T)
= L L^H and X = L^-1, [(I + T)^-1]_kk = sum_j |X_jk|^2. Every sum has a fixed order, so that a row gives the same bits
in any batch.

Estimates in 32 bits have the same layout, and a lane group of twice as many lanes is two of theirs. Where one is left
over, both halves of the lanes are of its realisations, one at the first half of the access points and one at the last,
and their Gram matrices are added: the one step that crosses lanes. What is summed over users or realisations, Z and
logarithms, has 64 bits all the same. `cfenvs.radio.mmse_refinement` says which digits 32 bits lose, and gets them back.

.. [1] O. T. Demir, E. Bjornson, L. Sanguinetti, "Foundations of User-Centric Cell-Free Massive MIMO", 2021.
"""

# Inside a kernel the types are numba's; the annotations are for its callers.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

import numpy as np

from cfenvs.arrays import Complex, Float, Int
from cfenvs.emitted import (
    as_integer,
    as_real,
    choose,
    each,
    emitted,
    fill,
    fold,
    integer,
    log2,
    not_negative,
    real,
    remainder,
    root,
    smaller,
    truth,
    when,
)
from cfenvs.kernels import kernel
from cfenvs.radio.lanes import (
    COMPLEX,
    LANES,
    add,
    add_conjugate_product,
    add_halves,
    align,
    complex_of,
    fma,
    fnma,
    lanes_of,
    load,
    load_complex,
    load_doubles,
    mul,
    neg,
    rsqrt,
    scale,
    splat,
    splat_for,
    splat_halves,
    store,
    store_complex,
    sub,
    sub_product,
)
from cfenvs.radio.mmse_refinement import bearable_loss, extremes, keep_diagonal, load_channel, refine

# A complex number of several realisations: the real parts of the lanes, then the imaginary parts. Of 64 bits, for
# kernels elsewhere that share the stages below.
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


def unpack_realizations(lanes: Float, count: int) -> Complex:
    """The first R realisations as they were before `pack_realizations`, (R, L, N, K)."""
    apart = np.ascontiguousarray(lanes.transpose(0, 5, 2, 3, 1, 4)).view(np.complex128)
    return apart.reshape(-1, *apart.shape[2:5])[:count]


@emitted
def _tile(a, i, a_row, b, j, b_row, length):
    """Sums over m < length of a_im conj(b_jm) for two rows of a and two of b, as (re, im) of 00, 01, 10, 11.

    ``i`` and ``j`` are the starts of the first rows in the flat arrays, ``a_row`` and ``b_row`` the distances to the
    second ones.
    """
    step = complex_of(a)

    @fold((_zero(a),) * 4, 0, length * step, step)
    def sums(m, sums):
        z00, z01, z10, z11 = sums
        a0, a1 = load_complex(a, i + m), load_complex(a, i + a_row + m)
        b0, b1 = load_complex(b, j + m), load_complex(b, j + b_row + m)
        z00, z01 = add_conjugate_product(z00, a0, b0), add_conjugate_product(z01, a0, b1)
        return z00, z01, add_conjugate_product(z10, a1, b0), add_conjugate_product(z11, a1, b1)

    z00, z01, z10, z11 = sums
    return *z00, *z01, *z10, *z11


@emitted
def _wide_tile(a, i, a_row, b, j, b_row, length):
    """:func:`_tile` of two rows of a with four of b, as the tiles of the first and of the last two.

    Twelve loads for 32 fused multiply-adds, in 28 registers.
    """
    step = complex_of(a)

    @fold((_zero(a),) * 8, 0, length * step, step)
    def sums(m, sums):
        z00, z01, z02, z03, z10, z11, z12, z13 = sums
        a0, a1 = load_complex(a, i + m), load_complex(a, i + a_row + m)
        b0, b1 = load_complex(b, j + m), load_complex(b, j + b_row + m)
        z00, z01 = add_conjugate_product(z00, a0, b0), add_conjugate_product(z01, a0, b1)
        z10, z11 = add_conjugate_product(z10, a1, b0), add_conjugate_product(z11, a1, b1)
        b0, b1 = load_complex(b, j + 2 * b_row + m), load_complex(b, j + 3 * b_row + m)
        z02, z03 = add_conjugate_product(z02, a0, b0), add_conjugate_product(z03, a0, b1)
        return z00, z01, z02, z03, z10, z11, add_conjugate_product(z12, a1, b0), add_conjugate_product(z13, a1, b1)

    z00, z01, z02, z03, z10, z11, z12, z13 = sums
    return (*z00, *z01, *z10, *z11), (*z02, *z03, *z12, *z13)


def _zero(a):
    """A complex zero in lanes that go with an array."""
    return splat_for(a, 0.0), splat_for(a, 0.0)


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


def _diagonal(sums):
    """Entries 00 and 11, which are real, and (re, im) of 10."""
    r00, i00, r11, i11, rr10, ii10, ir10, ri10 = sums
    return add(r00, i00), add(r11, i11), add(rr10, ii10), sub(ir10, ri10)


@emitted
def _diagonal_tile(a, i, a_row, length):
    """:func:`_tile` of two rows of a with themselves, as :func:`_diagonal` returns it."""
    step = complex_of(a)

    @fold((splat_for(a, 0.0),) * 8, 0, length * step, step)
    def sums(m, sums):
        return _add_diagonal(sums, load_complex(a, i + m), load_complex(a, i + a_row + m))

    return _diagonal(sums)


@emitted
def _interference_factors(p, C, factors):
    """Factors of Z_l = sum_i p_i C_il + I = F_l F_l^H, shape (L, N, N), as :func:`_whiten` uses them.

    The solution of F y = h is y_n = h_n / F_nn - sum_{m < n} (F_nm / F_nn) y_m: the diagonal holds 1 / F_nn, and below
    it are F_nm / F_nn.
    """
    aps, users, antennas, _ = C.shape

    @each(0, aps)
    def access_point(ap):
        @each(0, antennas)
        def row(n):
            @each(0, n)
            def entry(m):
                @fold((real(0.0), real(0.0)), 0, users)
                def errors(k, z):
                    c = C.place(ap, k, n, m)
                    return z[0] + p[k] * C[c], z[1] + p[k] * C[c + 1]

                @fold(errors, 0, m)
                def left(q, z):
                    x, y = factors.place(ap, n, q), factors.place(ap, m, q)
                    xr, xi, yr, yi = factors[x], factors[x + 1], factors[y], factors[y + 1]
                    return z[0] - (xr * yr + xi * yi), z[1] - (xi * yr - xr * yi)

                place, inverse, (re, im) = factors.place(ap, n, m), factors[factors.place(ap, m, m)], left
                factors[place], factors[place + 1] = re * inverse, im * inverse

            @fold(real(1.0), 0, users)
            def own(k, z):
                return z + p[k] * C[C.place(ap, k, n, n)]

            @fold(own, 0, n)
            def left(q, z):
                x = factors.place(ap, n, q)
                return z - (factors[x] * factors[x] + factors[x + 1] * factors[x + 1])

            place = factors.place(ap, n, n)
            factors[place], factors[place + 1] = 1.0 / root(left), real(0.0)

        @each(0, antennas)
        def scaled(n):
            inverse = factors[factors.place(ap, n, n)]

            @each(0, n)
            def entry(m):
                place = factors.place(ap, n, m)
                factors[place], factors[place + 1] = factors[place] * inverse, factors[place + 1] * inverse


@emitted
def _round_factors(factors, rounded):
    """Factors in 32 bits: of all access points, then of the last half of them, with zero for one that both halves have.

    So a half of the lanes finds its factors where the other does, or a whole array behind.
    """
    aps, antennas = factors.shape[0], factors.shape[1]
    entries, half = antennas * antennas * 2, _half(aps)

    @each(0, aps * entries)
    def every(x):
        rounded[x] = factors[x]

    @each(0, half * entries)
    def last(x):
        twice = x < (2 * half - aps) * entries
        source = (aps - half) * entries + x
        rounded[aps * entries + x] = choose(twice, lambda: real(0.0), lambda: factors[source])


@emitted
def _add_halves(a, a_row, users):
    """Have both halves of the lanes of a's lower triangle be their sum."""

    @each(0, users, 2)
    def rows(i):
        @each(0, (i + 2) * complex_of(a), lanes_of(a))
        def lanes(x):
            for place in (i * a_row + x, (i + 1) * a_row + x):
                store(a, place, add_halves(load(a, place)))


@emitted
def _whiten(h, sources, apart, amplitudes, factors, first, stop, g, target, g_row):
    """Channels sqrt(p_k) F_l^-1 hh_kl of two users to access points ``first`` to ``stop``, into two rows of g.

    Returns the diagonal tile of the two rows, which costs little while they are in registers. A constant number of
    antennas lets LLVM unroll the short loops over them.
    """
    each_complex = complex_of(g)

    def channel(place):
        if not g.single:
            return load_doubles(h, place), load_doubles(h, place + LANES)
        return load_channel(h, place, apart[0])

    def factor(place, amplitude=None):
        if not g.single:
            return splat(factors[place] if amplitude is None else amplitude * factors[place])
        two = splat_halves(factors, place, place + apart[1])
        return two if amplitude is None else mul(splat_for(g, amplitude), two)

    def whiten(antennas):
        @fold((splat_for(g, 0.0),) * 8, 0, stop - first)
        def total(ap, sums):
            start = (first + ap) * antennas * antennas * 2

            @fold(sums, 0, antennas)
            def further(n, sums):
                row, column = start + n * antennas * 2, ap * antennas + n
                g0, g1 = (
                    scale(factor(row + n * 2, amplitude), channel(source + column * COMPLEX))
                    for source, amplitude in zip(sources, amplitudes, strict=True)
                )
                place = column * each_complex

                @fold((g0, g1), 0, n)
                def rows(m, rows):
                    f = factor(row + m * 2), factor(row + m * 2 + 1)
                    t = target + (ap * antennas + m) * each_complex
                    g0, g1 = rows
                    return sub_product(g0, f, load_complex(g, t)), sub_product(g1, f, load_complex(g, t + g_row))

                store_complex(g, target + place, rows[0])
                store_complex(g, target + g_row + place, rows[1])
                return _add_diagonal(sums, *rows)

            return further

        return _diagonal(total)

    antennas = factors.shape[1]
    return choose(
        antennas.equals(1),
        lambda: whiten(1),
        lambda: choose(antennas.equals(4), lambda: whiten(4), lambda: whiten(antennas)),
    )


@emitted
def _accumulate_diagonal(a, start, a_row, sums, first):
    """Add a diagonal tile, whose sums are as `_diagonal` returns them, to a; in its place if ``first``."""
    re00, re11, re10, im10 = sums
    places = start, start + a_row + complex_of(a), start + a_row, start + a_row + lanes_of(a)
    _accumulate(a, places, (re00, re11, re10, im10), first)


@emitted
def _accumulate_tile(a, start, a_row, sums, first):
    """The same of a tile, whose sums are as `_tile` returns them."""
    rows, lanes = (start, start + a_row), lanes_of(a)
    _accumulate(a, [row + x * lanes for row in rows for x in range(4)], sums, first)


def _accumulate(a, places, sums, first):
    totals = choose(first, lambda: sums, lambda: tuple(add(load(a, t), x) for t, x in zip(places, sums, strict=True)))
    for t, total in zip(places, totals, strict=True):
        store(a, t, total)


@emitted
def _add_gram(h, group, apart, p, who, users, factors, first, stop, g, g_row, a, a_row):
    """Add the Gram matrix of the whitened channels of access points ``first`` to ``stop`` to the lower triangle of a.

    ``group`` is where the lane group starts in the flat ``h``; the matrix is that of the first ``users`` in ``who``.
    With 32 bits ``apart`` says how far behind in ``h`` and in the factors the second half of the lanes stands.
    """
    aps, antennas = factors.shape[0], factors.shape[1]
    length, begins, each_user = (stop - first) * antennas, first.equals(0), aps * antennas * COMPLEX
    start, each_complex = group + first * antennas * COMPLEX, complex_of(a)

    @each(0, users, 2)
    def rows(i):
        row = i * a_row
        k0 = who[i]
        # The user that pads an odd number has no channels of its own: at zero power any will do.
        k1, p1 = choose(i + 1 < users, lambda: (who[i + 1], p[who[i + 1]]), lambda: (k0, real(0.0)))
        sources, amplitudes = (start + k0 * each_user, start + k1 * each_user), (root(p[k0]), root(p1))
        sums = _whiten(h, sources, apart, amplitudes, factors, first, stop, g, i * g_row, g_row)
        _accumulate_diagonal(a, row + i * each_complex, a_row, sums, begins)
        wide = 0
        if LANES == 8:  # those have 32 registers
            wide = i - remainder(i, 4)

            @each(0, wide, 4)
            def two_tiles(j):
                left, right = _wide_tile(g, i * g_row, g_row, g, j * g_row, g_row, length)
                _accumulate_tile(a, row + j * each_complex, a_row, left, begins)
                _accumulate_tile(a, row + (j + 2) * each_complex, a_row, right, begins)

        @each(wide, i, 2)
        def tile(j):
            sums = _tile(g, i * g_row, g_row, g, j * g_row, g_row, length)
            _accumulate_tile(a, row + j * each_complex, a_row, sums, begins)


@emitted
def _solve_diagonal(a, start, a_row, sums):
    """1 / L_00, (re, im) of L_10 and 1 / L_11 of a diagonal tile, written to its place in a."""
    re00, re11, re10, im10 = sums
    t0, t1, im, column = start, start + a_row, lanes_of(a), complex_of(a)
    one = splat_for(a, 1.0)
    t00, t11 = load(a, t0), load(a, t1 + column)
    left0 = sub(t00, re00)
    r0 = rsqrt(add(one, left0))
    l10r, l10i = mul(sub(load(a, t1), re10), r0), mul(sub(load(a, t1 + im), im10), r0)
    left1 = fnma(l10r, l10r, fnma(l10i, l10i, sub(t11, re11)))
    r1 = rsqrt(add(one, left1))
    store(a, t0, r0)
    store_complex(a, t1, (l10r, l10i))
    store(a, t1 + column, r1)
    if a.single:
        keep_diagonal(a, start, a_row, (t00, t11), (left0, left1))
    return r0, l10r, l10i, r1


@emitted
def _solve_tile(a, start, a_row, sums, diagonal):
    """Rows x of a tile below a diagonal one: x conj(L_jj)^T = (a - sum), by its first column, then its second."""
    (r0, l10r, l10i, r1), im, column = diagonal, lanes_of(a), complex_of(a)
    for t, (re0, im0, re1, im1) in ((start, sums[:4]), (start + a_row, sums[4:])):
        x0r, x0i = mul(sub(load(a, t), re0), r0), mul(sub(load(a, t + im), im0), r0)
        x1r = sub(load(a, t + column), re1)
        x1i = sub(load(a, t + column + im), im1)
        x1r = fnma(x0r, l10r, fnma(x0i, l10i, x1r))
        x1i = fnma(x0i, l10r, fma(x0r, l10i, x1i))
        store_complex(a, t, (x0r, x0i))
        store_complex(a, t + column, (mul(x1r, r1), mul(x1i, r1)))


@emitted
def _cholesky(a, a_row, users):
    """Lower Cholesky factor L of I + a in place of a, with 1 / L_kk in place of its diagonal."""
    column = complex_of(a)

    @each(0, users, 2)
    def columns(j):
        row = j * a_row
        diagonal = _solve_diagonal(a, row + j * column, a_row, _diagonal_tile(a, row, a_row, j))

        @each(j + 2, users, 2)
        def below(i):
            sums = _tile(a, i * a_row, a_row, a, row, a_row, j)
            _solve_tile(a, i * a_row + j * column, a_row, sums, diagonal)


@emitted
def _invert_tile(a, i, a_row, j, sums, y, norms):
    """Entries X_ij = -L_ii^-1 sum_{j <= q < i} L_iq X_qj of a tile, of which y stores the conjugate."""
    re00, im00, re01, im01, re10, im10, re11, im11 = sums
    column, lanes = complex_of(a), lanes_of(a)
    t0 = i * (a_row + column)
    t1 = t0 + a_row
    r0, r1 = load(a, t0), load(a, t1 + column)
    l10r, l10i = load_complex(a, t1)
    for k, re0, im0, re1, im1 in ((j, re00, im00, re10, im10), (j + 1, re01, im01, re11, im11)):
        t = k * a_row + i * column
        x0r, x0i = neg(mul(re0, r0)), neg(mul(im0, r0))
        x1r = neg(mul(fma(l10r, x0r, fnma(l10i, x0i, re1)), r1))
        x1i = neg(mul(fma(l10r, x0i, fma(l10i, x0r, im1)), r1))
        store_complex(y, t, (x0r, neg(x0i)))
        store_complex(y, t + column, (x1r, neg(x1i)))
        norm = fma(x0r, x0r, fma(x0i, x0i, fma(x1r, x1r, fma(x1i, x1i, load(norms, k * lanes)))))
        store(norms, k * lanes, norm)


@emitted
def _invert_diagonal_tile(a, i, a_row, y, norms):
    """The same of a diagonal tile, with which the norms of its columns begin: in 32 bits without those of X_kk."""
    column, lanes, zero = complex_of(a), lanes_of(a), splat_for(a, 0.0)
    t0 = i * (a_row + column)
    t1 = t0 + a_row
    r0, r1 = load(a, t0), load(a, t1 + column)
    l10r, l10i = load_complex(a, t1)
    x10r, x10i = neg(mul(mul(l10r, r0), r1)), neg(mul(mul(l10i, r0), r1))
    store_complex(y, t0, (r0, zero))
    store_complex(y, t0 + column, (x10r, neg(x10i)))
    store_complex(y, t1, (zero, zero))
    store_complex(y, t1 + column, (r1, zero))
    below = fma(x10r, x10r, mul(x10i, x10i))
    store(norms, i * lanes, below if a.single else fma(r0, r0, below))
    store(norms, (i + 1) * lanes, zero if a.single else mul(r1, r1))


@emitted
def _inverse_diagonal(a, a_row, users, y, norms):
    """Diagonal of (I + T)^-1 = L^-H L^-1 from the factor that :func:`_cholesky` leaves in a; y receives L^-H."""
    column = complex_of(a)

    @each(0, users, 2)
    def rows(i):
        @each(0, i, 2)
        def before(j):  # row pair i of L X = I
            sums = _tile(a, i * a_row + j * column, a_row, y, j * (a_row + column), a_row, i - j)
            _invert_tile(a, i, a_row, j, sums, y, norms)

        _invert_diagonal_tile(a, i, a_row, y, norms)


def _half(aps):
    """How many access points a half of the lanes has, where both halves are of the same realisations."""
    return (aps + 1) // 2


def _layout(h, single):
    """Access points at a time, lengths of the rows of g and of a, and the sizes of arrays, in words of 64 bits."""
    _, _, users, aps, antennas, _, _ = h.shape
    even, lanes = users + remainder(users, 2), 2 * LANES if single else LANES
    chunks = (aps * antennas + (_CHUNK - 1)) // _CHUNK
    chunk = (aps + chunks - 1) // chunks
    # An odd number of cache lines per row keeps the rows of a tile out of each other's cache sets.
    g_row, a_row = (chunk * antennas | 1) * (2 * lanes), (even + 1) * (2 * lanes)
    sizes = {"g": even * g_row, "a": even * a_row, "y": even * a_row, "norms": even * lanes}
    if single:
        sizes["column"] = (even + aps * antennas + 1) * (2 * lanes)
    return chunk, g_row, a_row, {name: size // 2 if single else size for name, size in sizes.items()}


def _shared(h):
    """Sizes of the arrays that have 64 bits in either precision, in words of them."""
    _, _, users, aps, antennas, _, _ = h.shape
    sizes = {"products": users * _APART, "factors": aps * antennas * antennas * 2}
    if not h.single:
        return sizes
    refined, rounded = (users + remainder(users, 2)) * (2 * LANES), (aps + _half(aps)) * antennas * antennas
    return {"refined": refined} | sizes | {"rounded": rounded}


@emitted
def _work_size(h):
    words = [*_layout(h, h.single)[-1].values(), *_shared(h).values()]
    return sum(words) + (sum(_layout(h, False)[-1].values()) if h.single else 0) + LANES


class _Stages:
    """The arrays of the matrices, in one precision, and what is done with them."""

    def __init__(self, take, h, single):
        self.chunk, self.g_row, self.a_row, sizes = _layout(h, single)
        parts = {name: take(size) for name, size in sizes.items()}
        self.arrays = {name: part.in_singles() if single else part for name, part in parts.items()}
        self.h = h

    def add_up(self, group, apart, aps, p, who, users, factors):
        """Write I + T without the I to a."""
        g, a = self.arrays["g"], self.arrays["a"]

        @each(0, aps, self.chunk)
        def access_points(first):
            stop = smaller(first + self.chunk, aps)
            _add_gram(self.h, group, apart, p, who, users, factors, first, stop, g, self.g_row, a, self.a_row)

    def invert(self, users):
        """Write the norms of the columns of the inverse factor."""
        a, y, norms = (self.arrays[name] for name in ("a", "y", "norms"))
        _cholesky(a, self.a_row, users)
        _inverse_diagonal(a, self.a_row, users, y, norms)


class _Work:
    """The work arrays of one call, all in one of 64 bits."""

    def __init__(self, array, who, h):
        array, place = align(array), integer(0)

        def take(size):
            nonlocal place
            part, place = array.part(place, size), place + size
            return part

        _, _, _, aps, antennas, _, _ = h.shape
        self.stages = _Stages(take, h, h.single)
        shared = {name: take(size) for name, size in _shared(h).items()}
        self.norms, self.products = shared["refined"] if h.single else self.stages.arrays["norms"], shared["products"]
        self.factors = self.exact_factors = shared["factors"].part(0, aps, antennas, antennas, parts=2)
        if h.single:
            self.exact = _Stages(take, h, False)
            self.rounded = shared["rounded"].in_singles().part(0, *self.factors.shape, parts=2)
        self.h, self.who = h, who

    def take(self, p, C, averaged):
        """Prepare for powers and errors of a world; returns how many users send: the others are as if not there."""
        _interference_factors(p, C, self.factors)
        if self.h.single:
            self.bearable = bearable_loss(self.h, averaged)
            _round_factors(self.exact_factors, self.rounded)
            self.factors = self.rounded

        @fold(integer(0), 0, p.shape[0])
        def users(k, users):
            self.who[users] = k
            return users + 1 - as_integer(p[k].equals(0.0))  # so that what is no number stays none

        return users

    def invert_each(self, world, p, users):
        """Have norms be [(I + T)^-1]_kk = 1 / (1 + SINR_k) of one lane group of a world after the other.

        Decorator of what is done then, a function of the first realisation of the group and of how many it has.
        """
        h = self.h
        _, groups, _, aps, antennas, _, _ = h.shape

        def run(body):
            if not h.single:

                @each(0, groups)
                def group(b):
                    self.stages.add_up(h.place(world, b), (0, 0), aps, p, self.who, users, self.factors)
                    self.stages.invert(users)
                    body(b * LANES, LANES)

                return

            def two():
                return (h.place(0, 1), integer(0)), aps, integer(2 * LANES)

            def one():
                half = _half(aps)
                return ((aps - half) * antennas * COMPLEX, aps * antennas * antennas * 2), half, integer(LANES)

            @each(0, groups, 2)
            def groups_of_two(b):
                left_over = groups.equals(b + 1)
                apart, points, count = choose(left_over, one, two)
                self.stages.add_up(h.place(world, b), apart, points, p, self.who, users, self.factors)

                @when(left_over)
                def both_halves():
                    _add_halves(self.stages.arrays["a"], self.stages.a_row, users)

                self.stages.invert(users)

                @when(self._refine(h.place(world, b), apart, points, left_over, p, users))
                def beyond():
                    self._compute_in_doubles(
                        world, b, choose(left_over, lambda: integer(1), lambda: integer(2)), p, users
                    )

                body(b * LANES, count)

        return run

    def _refine(self, group, apart, aps, in_halves, p, users):
        """Write the norms in 64 bits, and return whether some have lost more than there is to get back."""
        a_row = self.stages.a_row
        a, y, norms, column = (self.stages.arrays[name] for name in ("a", "y", "norms", "column"))

        def anew(k):
            where, which = (self.h, group, apart, aps, in_halves), (p, self.who, users)
            return extremes(*where, *which, self.factors, y, a_row, k, column)

        return refine(a, a_row, users, norms, self.bearable, anew, self.norms)

    def _compute_in_doubles(self, world, b, groups, p, users):
        """The norms of so many groups of `LANES` realisations, from the same estimates."""
        _, _, _, aps, _, _, _ = self.h.shape

        @each(0, groups)
        def group(i):
            self.exact.add_up(self.h.place(world, b + i), (0, 0), aps, p, self.who, users, self.exact_factors)
            self.exact.invert(users)

            @each(0, users)
            def user(k):
                store(self.norms, (k * 2 + i) * LANES, load(self.exact.arrays["norms"], k * LANES))


def _log2_product(values, start):
    """log2 of the product of four numbers, by pairs since the product of all four can underflow."""
    return log2(values[start] * values[start + 1]) + log2(values[start + 2] * values[start + 3])


@emitted
def _write_rates(p, world, h, C, num_realizations, work, who, out):
    """Rates of one row of powers, into a row of out."""
    work, lanes = _Work(work, who, h), lanes_of(h)
    norms, products = work.norms, work.products
    senders = work.take(p, C.part(C.place(world), *C.shape[1:], parts=2), as_real(num_realizations))
    fill(products, real(1.0))
    fill(out, real(0.0))

    @work.invert_each(world, p, senders)
    def group(first, count):
        @each(0, senders)
        def user(i):
            t = i * _APART

            @each(i * lanes, i * lanes + count, _APART)
            def realizations(first):
                @each(0, _APART)
                def multiplied(r):
                    products[t + r] = products[t + r] * norms[first + r]

                @fold(truth(False), 0, _APART)
                def small(r, small):
                    return small | (products[t + r] < _SMALL)

                @when(small)
                def taken():
                    out[who[i]] = out[who[i]] + _log2_product(products, t)

                    @each(0, _APART)
                    def begun(r):
                        products[t + r] = real(1.0)

    @each(0, senders)
    def rate(i):
        # Rounding can leave a user of vanishing SINR a hair below zero.
        mean = (0.0 - out[who[i]] - _log2_product(products, i * _APART)) / as_real(num_realizations)
        out[who[i]] = not_negative(mean)


@emitted
def _write_sinrs(p, world, h, C, num_realizations, work, who, out):
    """The same of the SINRs (R, K)."""
    work, lanes, users = _Work(work, who, h), lanes_of(h), p.shape[0]
    senders = work.take(p, C.part(C.place(world), *C.shape[1:], parts=2), real(1.0))

    @work.invert_each(world, p, senders)
    def group(first, count):
        @each(first, smaller(first + count, num_realizations))
        def realization(r):
            @each(0, users)
            def silent(k):
                out[out.place(r, k)] = real(0.0)

            @each(0, senders)
            def user(i):
                out[out.place(r, who[i])] = not_negative(1.0 / work.norms[i * lanes + (r - first)] - 1.0)


@kernel(nogil=True, of_worlds="powers worlds out")
def mmse_rates(powers: Float, worlds: Int, h: Float, C: Complex, num_realizations: int, out: Float) -> None:
    """Ergodic rates of centralised MMSE combining, without the pre-log factor.

    The rate is the mean over realisations of log2(1 + SINR_k), eq. (5.4) at the combiner (5.11) of Demir, Bjornson,
    Sanguinetti, 2021. Arrays must be as `cfenvs.kernels.for_kernel` makes them, and are not checked.

    Parameters
    ----------
    powers : float64 array, shape (B, K)
        Uplink powers in mW, non-negative. A user at power 0 has rate exactly 0, and takes no time.
    worlds : int64 array, shape (B,)
        World that each row is evaluated in.
    h : float64 or float32 array, shape (E, Q, K, L, N, 2, LANES)
        Channel estimates in E worlds, in units of the noise: |h|^2 is per mW of power. Each world is laid out by
        :func:`pack_realizations`. In 32 bits they are combined too.
    C : complex128 array, shape (E, L, K, N, N)
        Hermitian covariances of the estimation errors, per mW of power; the lower triangles are read.
    num_realizations : int
        Number R of realisations in the Q lane groups.
    out : float64 array, shape (B, K)
        Receives the rates in bit/s/Hz.
    """
    work, who = np.empty(_work_size(h)), np.empty(powers.shape[1], np.int64)
    for row in range(len(powers)):
        _write_rates(powers[row], worlds[row], h, C, num_realizations, work, who, out[row])


@kernel(nogil=True, of_worlds="powers worlds out")
def mmse_sinrs(powers: Float, worlds: Int, h: Float, C: Complex, num_realizations: int, out: Float) -> None:
    """Instantaneous SINRs of centralised MMSE combining, as ratios: eq. (5.5) at the combiner (5.11).

    They come from 1 + SINR_k, so that their absolute error is a few 1e-16 where they are small. With estimates in 32
    bits the logarithms of 1 + SINR_k are within 1e-5 of themselves besides. The parameters are those of
    :func:`mmse_rates`, except that ``out`` has shape (B, R, K).
    """
    work, who = np.empty(_work_size(h)), np.empty(powers.shape[1], np.int64)
    for row in range(len(powers)):
        _write_sinrs(powers[row], worlds[row], h, C, num_realizations, work, who, out[row])
