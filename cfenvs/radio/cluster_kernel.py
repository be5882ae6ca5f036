"""Central combining within user-centric clusters, several channel realisations at a time.

The access points M_k of user k combine with

    v_k = p_k (sum_{i in S_k} p_i hh_i hh_i^H + Z_k)^-1 hh_k

on their antennas alone, and all users disturb what comes out (Theorem 5.1 of [1]_):

    SINR_k = p_k |v_k^H hh_k|^2 / (sum_{i != k} p_i |v_k^H hh_i|^2 + v_k^H (sum_i p_i C_i + I) v_k).

P-MMSE (5.16) takes for S_k those that share an access point with k and Z_k = sum_{i in S_k} p_i C_i + I; MMSE (5.11)
takes everybody; P-RZF (5.18) is P-MMSE with Z_k = I; and central maximum ratio (5.14) has the direction of P-RZF with
S_k = {k}.

With the whitened channels G = [sqrt(p_i) Z_k^-1/2 hh_i] of the users in S_k, T = G^H G and m = (I + T)^-1 e_k, the
combiner is G m before it is whitened back, and what those in S_k, their errors and the noise make of the SINR is in m:
the signal is (1 - m_k)^2, and all of their disturbance m_k (1 - m_k). What is left are those outside S_k, whom the
combiner does not know. So the work is |S_k|^2 |M_k| for each user and realisation: it follows the cluster.

User k stands last in its matrix: of the Cholesky factor of I + conj(T) the last row then says m_k, and the others
follow by one back substitution. The tiles are those of `cfenvs.radio.mmse_kernel`; every sum has a fixed order.

.. [1] O. T. Demir, E. Bjornson, L. Sanguinetti, "Foundations of User-Centric Cell-Free Massive MIMO", 2021.
"""

# Inside a kernel the types are numba's; the annotations are for its callers.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

import numpy as np

from cfenvs.arrays import Bool, Complex, Float, Int
from cfenvs.kernels import inlined, kernel
from cfenvs.radio.cluster_antennas import (
    _add_errors,
    _border,
    _by_antennas,
    _cluster_matrix,
    _left_out,
    _read_combiner,
    _shared_matrix,
    _take_out,
)
from cfenvs.radio.lanes import LANES, add, div, fma, fnma, load, mul, neg, splat, store, sub
from cfenvs.radio.mmse_kernel import (
    _CHUNK,
    _COMPLEX,
    _IM,
    _accumulate_diagonal,
    _accumulate_tile,
    _cholesky,
    _diagonal_tile,
    _tile,
)


@inlined
def _estimate(y, group, filters, pilots, h):
    """Estimates of all users at all access points, h (K, L, N) lanes, from the pilots of a lane group, y (T, L, N)."""
    aps, users, antennas, _ = filters.shape
    for k in range(users):
        for ap in range(aps):
            source = group + (pilots[k] * aps + ap) * antennas * _COMPLEX
            target = (k * aps + ap) * antennas * _COMPLEX
            for n in range(antennas):
                re = im = splat(0.0)
                for m in range(antennas):
                    f = filters[ap, k, n, m]
                    fr, fi = splat(f.real), splat(f.imag)
                    yr, yi = load(y, source + m * _COMPLEX), load(y, source + m * _COMPLEX + _IM)
                    re, im = fnma(fi, yi, fma(fr, yr, re)), fma(fi, yr, fma(fr, yi, im))
                store(h, target + n * _COMPLEX, re)
                store(h, target + n * _COMPLEX + _IM, im)


@inlined
def _members(serving, meeting, k, stations, members):
    """List M_k and S_k: how many each are, and whether there are users beyond S_k.

    `meeting` is the row of k. User k stands last, with -1 before it where that makes the number even.
    """
    aps, users = serving.shape
    count = 0
    for ap in range(aps):
        if serving[ap, k]:
            stations[count] = ap
            count += 1
    size = 0
    for i in range(users):
        if i != k and meeting[i]:
            members[size] = i
            size += 1
    outside = size < users - 1
    if size % 2 == 0:
        members[size] = -1
        size += 1
    members[size] = k
    return count, size + 1, outside


@inlined
def _known_errors(p, C, members, size, whitened, stations, count, factors):
    """Factors of Z_k at each access point of a cluster, as `cfenvs.radio.mmse_kernel._interference_factors`.

    Where errors are not `whitened`, Z_k is the identity.
    """
    antennas = factors.shape[1]
    for a in range(count):
        factor, ap = factors[a], stations[a]
        for n in range(antennas):
            for m in range(n + 1):
                z = complex(1.0 if m == n else 0.0, 0.0)
                if whitened:
                    for j in range(size):
                        i = members[j]
                        if i >= 0:
                            z += p[i] * C[ap, i, n, m]
                for q in range(m):
                    z -= factor[n, q] * np.conj(factor[m, q])
                factor[n, m] = 1.0 / np.sqrt(z.real) if m == n else z * factor[m, m].real
        for n in range(antennas):
            for m in range(n):
                factor[n, m] *= factor[n, n].real


@inlined
def _unknown_errors(p, C, inside, whitened, stations, count, errors):
    """Sum of p_i C_i over the users whose errors are not in Z_k, at each access point of a cluster, (|M_k|, N, N)."""
    users, antennas = p.shape[0], errors.shape[1]
    for a in range(count):
        for n in range(antennas):
            for m in range(n + 1):
                total = 0j
                for i in range(users):
                    if not (whitened and inside[i]):
                        total += p[i] * C[stations[a], i, n, m]
                errors[a, n, m] = total


@inlined
def _whiten_member(h, source, amplitude, factors, stations, count, g, target):
    """sqrt(p_i) Z_k^-1/2 hh_i of one user at the access points of a cluster, to a row of g."""
    antennas = factors.shape[1]
    for a in range(count):
        start = source + stations[a] * antennas * _COMPLEX
        for n in range(antennas):
            scale = splat(amplitude * factors[a, n, n].real)
            re, im = mul(scale, load(h, start + n * _COMPLEX)), mul(scale, load(h, start + n * _COMPLEX + _IM))
            for m in range(n):
                factor = factors[a, n, m]
                fr, fi = splat(factor.real), splat(factor.imag)
                t = target + (m - n) * _COMPLEX
                yr, yi = load(g, t), load(g, t + _IM)
                re, im = fma(fi, yi, fnma(fr, yr, re)), fnma(fi, yr, fnma(fr, yi, im))
            store(g, target, re)
            store(g, target + _IM, im)
            target += _COMPLEX


@inlined
def _gram(g, g_row, size, length, a, a_row):
    """The lower triangle of conj(T) from the rows of g, a chunk of antennas at a time."""
    for first in range(0, length, _CHUNK):
        count, start = min(_CHUNK, length - first), first * _COMPLEX
        for i in range(0, size, 2):
            diagonal = _diagonal_tile(g, i * g_row + start, g_row, count)
            _accumulate_diagonal(a, i * (a_row + _COMPLEX), a_row, diagonal, first == 0)
            for j in range(0, i, 2):
                sums = _tile(g, i * g_row + start, g_row, g, j * g_row + start, g_row, count)
                _accumulate_tile(a, i * a_row + j * _COMPLEX, a_row, sums, first == 0)


@inlined
def _last_column(a, a_row, size, x):
    """The last column of (I + conj(T))^-1 = conj(m), from its Cholesky factor: L^H x = e / L_kk, from below.

    Rows of L are read in order: when x_j is known, its part is taken from all that come before it.
    """
    for i in range(size - 1):
        store(x, i * _COMPLEX, splat(0.0))
        store(x, i * _COMPLEX + _IM, splat(0.0))
    last = (size - 1) * (a_row + _COMPLEX)
    store(x, (size - 1) * _COMPLEX, load(a, last))
    store(x, (size - 1) * _COMPLEX + _IM, splat(0.0))
    for j in range(size - 1, -1, -1):
        r = load(a, j * (a_row + _COMPLEX))
        xr, xi = mul(load(x, j * _COMPLEX), r), mul(load(x, j * _COMPLEX + _IM), r)
        store(x, j * _COMPLEX, xr)
        store(x, j * _COMPLEX + _IM, xi)
        for i in range(j):
            # x_i -= conj(L_ji) x_j
            lr, li = load(a, j * a_row + i * _COMPLEX), load(a, j * a_row + i * _COMPLEX + _IM)
            t = i * _COMPLEX
            store(x, t, fnma(li, xi, fnma(lr, xr, load(x, t))))
            store(x, t + _IM, fma(li, xr, fnma(lr, xi, load(x, t + _IM))))


@inlined
def _combiner(g, g_row, size, x, factors, count, v):
    """v_k = Z_k^-1/2 G m over the antennas of a cluster, v (|M_k| N) lanes."""
    antennas = factors.shape[1]
    for n in range(count * antennas):
        re = im = splat(0.0)
        for i in range(size):
            gr, gi = load(g, i * g_row + n * _COMPLEX), load(g, i * g_row + n * _COMPLEX + _IM)
            xr, xi = load(x, i * _COMPLEX), neg(load(x, i * _COMPLEX + _IM))
            re, im = fnma(gi, xi, fma(gr, xr, re)), fma(gi, xr, fma(gr, xi, im))
        store(v, n * _COMPLEX, re)
        store(v, n * _COMPLEX + _IM, im)
    for a in range(count):  # F^H v = G m by columns from below; the factor holds 1 / F_nn, and F_mn / F_mm under it
        factor = factors[a]
        for n in range(antennas - 1, -1, -1):
            t = (a * antennas + n) * _COMPLEX
            re, im = load(v, t), load(v, t + _IM)
            for m in range(n + 1, antennas):
                f, s = np.conj(factor[m, n]) / factor[m, m].real, (a * antennas + m) * _COMPLEX
                fr, fi = splat(f.real), splat(f.imag)
                yr, yi = load(v, s), load(v, s + _IM)
                re, im = fma(fi, yi, fnma(fr, yr, re)), fnma(fi, yr, fnma(fr, yi, im))
            scale = splat(factor[n, n].real)
            store(v, t, mul(re, scale))
            store(v, t + _IM, mul(im, scale))


@inlined
def _through(v, h, source, stations, count, antennas):
    """v_k^H hh_i, (re, im), of the user whose estimates start at ``source``."""
    re = im = splat(0.0)
    for a in range(count):
        t, s = a * antennas * _COMPLEX, source + stations[a] * antennas * _COMPLEX
        for _ in range(antennas):
            vr, vi, hr, hi = load(v, t), load(v, t + _IM), load(h, s), load(h, s + _IM)
            re, im = fma(vi, hi, fma(vr, hr, re)), fnma(vi, hr, fma(vr, hi, im))
            t, s = t + _COMPLEX, s + _COMPLEX
    return re, im


@inlined
def _form(v, matrices, count):
    """v^H C v, C block diagonal with the lower triangles (|M_k|, N, N)."""
    antennas = matrices.shape[1]
    total = splat(0.0)
    for a in range(count):
        for n in range(antennas):
            t = (a * antennas + n) * _COMPLEX
            nr, ni = load(v, t), load(v, t + _IM)
            total = fma(splat(matrices[a, n, n].real), fma(nr, nr, mul(ni, ni)), total)
            for m in range(n):
                # 2 Re(conj(v_n) C_nm v_m)
                s, c = (a * antennas + m) * _COMPLEX, matrices[a, n, m]
                mr, mi = load(v, s), load(v, s + _IM)
                re, im = fma(nr, mr, mul(ni, mi)), fnma(ni, mr, mul(nr, mi))
                total = fma(splat(2.0 * c.real), re, fnma(splat(2.0 * c.imag), im, total))
    return total


@inlined
def _scratch(users, aps, antennas):
    """Work arrays of one call: (h, g, a, its row length, x, v, factors, errors, stations, members)."""
    even = users + users % 2 + 2
    length, a_row = aps * antennas, (even + 1) * _COMPLEX
    factors = np.empty((aps, antennas, antennas), np.complex128)
    return (
        np.empty(users * length * _COMPLEX),
        np.empty(even * (length | 1) * _COMPLEX),
        np.empty(even * a_row),
        a_row,
        np.empty(even * _COMPLEX),
        np.empty(length * _COMPLEX),
        factors,
        np.empty_like(factors),
        np.empty(aps, np.int64),
        np.empty(even, np.int64),
    )


@inlined
def _combine(k, p, C, serving, meeting, whitened, scratch):
    """Factor I + conj(T) of user k from the estimates in the scratch; what `_members` returns."""
    h, g, a, a_row, _, _, factors, _, stations, members = scratch
    antennas = factors.shape[1]
    user = serving.shape[0] * antennas * _COMPLEX
    count, size, outside = _members(serving, meeting, k, stations, members)
    _known_errors(p, C, members, size, whitened, stations, count, factors)
    length = count * antennas
    g_row = (length | 1) * _COMPLEX
    for j in range(size):
        i = members[j]
        if i >= 0:
            _whiten_member(h, i * user, np.sqrt(p[i]), factors, stations, count, g, j * g_row)
        else:
            g[j * g_row : j * g_row + length * _COMPLEX] = 0.0
    if length == 0:
        a[: size * a_row] = 0.0
    _gram(g, g_row, size, length, a, a_row)
    _cholesky(a, a_row, size)
    return count, size, outside


@kernel(nogil=True, of_worlds="powers worlds out")
def cluster_sinrs(
    powers: Float,
    worlds: Int,
    y: Float,
    filters: Complex,
    C: Complex,
    pilots: Int,
    serving: Bool,
    meeting: Bool,
    whitened: bool,
    num_realizations: int,
    out: Float,
) -> None:
    """Instantaneous SINRs of central combining within clusters, as ratios.

    Parameters
    ----------
    powers : (B, K) array
        In mW.
    worlds : (B,) int array
        World that each row is evaluated in.
    y : (E, Q, T, L, N, 2, LANES) array
        Received pilots of E worlds, each laid out by `cfenvs.radio.mmse_kernel.pack_realizations`.
    filters : (E, L, K, N, N) complex array
        From received pilots to estimates.
    C : (E, L, K, N, N) complex array
        Covariances of the estimation errors, per mW.
    pilots : (E, K) int array
    serving : (E, L, K) bool array
        D.
    meeting : (E, K, K) bool array
        `meeting[k, i]`: whether the combiner of user k knows of user i.
    whitened : bool
        Whether it knows of these users' estimation errors.
    num_realizations : int
        R, in Q lane groups.
    out : (B, R, K) array
        Written in place.
    """
    rows, users = powers.shape
    groups, num_pilots, aps, antennas = y.shape[1:5]
    scratch = _scratch(users, aps, antennas)
    h, g, a, a_row, x, v, factors, errors, stations, _ = scratch
    flat, size_of = y.reshape(-1), num_pilots * aps * antennas * _COMPLEX
    user = aps * antennas * _COMPLEX
    one = splat(1.0)
    lanes = np.empty(LANES)
    for row in range(rows):
        p, world = powers[row], worlds[row]
        for group in range(groups):
            _estimate(flat, (world * groups + group) * size_of, filters[world], pilots[world], h)
            for k in range(users):
                inside = meeting[world, k]
                count, size, outside = _combine(k, p, C[world], serving[world], inside, whitened, scratch)
                r = load(a, (size - 1) * (a_row + _COMPLEX))
                own = mul(r, r)
                signal = sub(one, own)
                disturbance = mul(own, signal)
                if outside or not whitened:
                    _last_column(a, a_row, size, x)
                    _combiner(g, ((count * antennas) | 1) * _COMPLEX, size, x, factors, count, v)
                    _unknown_errors(p, C[world], inside, whitened, stations, count, errors)
                    disturbance = add(disturbance, _form(v, errors, count))
                    for i in range(users):
                        if i != k and not inside[i]:
                            re, im = _through(v, h, i * user, stations, count, antennas)
                            disturbance = fma(splat(p[i]), fma(re, re, mul(im, im)), disturbance)
                store(lanes, 0, div(mul(signal, signal), disturbance))
                store(x, 0, signal)
                for q in range(group * LANES, min((group + 1) * LANES, num_realizations)):
                    out[row, q, k] = lanes[q % LANES] if x[q % LANES] > 0.0 else 0.0


@kernel
def cluster_moments(
    p: Float,
    y: Float,
    filters: Complex,
    C: Complex,
    pilots: Int,
    serving: Bool,
    meeting: Bool,
    whitened: bool,
    shared: bool,
    num_realizations: int,
    mean: Complex,
    power: Float,
    noise: Float,
) -> None:
    """Moments of central combining within clusters at given powers, in one world.

    Parameters
    ----------
    p : (K,) array
        In mW, all positive.
    y, filters, C, pilots, serving, meeting, whitened, num_realizations
        As `cluster_sinrs`, without the axis of worlds.
    shared : bool
        Whether combiners come from one matrix over all antennas (`cfenvs.radio.cluster_antennas`): the same but for
        rounding.
    mean : (K, K) complex array
        Receives E{v_k^H h_i}.
    power : (K, K) array
        Receives E{|v_k^H h_i|^2}; the expectation over the estimation error is exact.
    noise : (K,) array
        Receives E{||v_k||^2}.
    """
    users = p.size
    groups, num_pilots, aps, antennas = y.shape[:4]
    scratch = _scratch(users, aps, antennas)
    h, g, a, a_row, x, v, factors, _, stations, _ = scratch
    flat, size_of = y.reshape(-1), num_pilots * aps * antennas * _COMPLEX
    user = aps * antennas * _COMPLEX
    outer = np.empty((users, aps, antennas, antennas), np.complex128)
    outer[:] = 0.0
    mean[:] = 0.0
    power[:] = 0.0
    noise[:] = 0.0
    lanes = np.empty(_COMPLEX)
    # Of the matrix over all antennas, of that of a cluster, and of the users that are taken out.
    rows, most = aps * antennas, 0
    for k in range(users):
        most = max(most, antennas * serving[:, k].sum())
    even = rows + rows % 2 if shared else 0
    c_row, g_row, s_row, b_row = users * _COMPLEX, (users | 1) * _COMPLEX, (even + 1) * _COMPLEX, (most + 3) * _COMPLEX
    columns, everything = np.empty(even * g_row), np.empty(even * s_row)
    b, bx, c = np.empty((most + 2) * b_row), np.empty((most + 2) * _COMPLEX), np.empty((most + 1) * c_row)
    left_out, ants, total = np.empty(users, np.int64), np.empty(rows, np.int64), np.zeros_like(factors)
    for i in range(users):
        total += p[i] * C[:, i]
    for group in range(groups):
        width = min(LANES, num_realizations - group * LANES)
        _estimate(flat, group * size_of, filters, pilots, h)
        if shared:
            _by_antennas(h, p, rows, columns, g_row)
            _shared_matrix(columns, g_row, even, users, everything, s_row)
        for k in range(users):
            if shared:
                count, length = 0, 0
                for ap in range(aps):
                    if serving[ap, k]:
                        stations[count] = ap
                        count += 1
                        for n in range(antennas):
                            ants[length] = ap * antennas + n
                            length += 1
                size = _left_out(meeting[k], k, left_out)
                _take_out(columns, g_row, ants, length, left_out, size, c, c_row)
                _cluster_matrix(everything, s_row, ants, length, c, c_row, size, b, b_row)
                if whitened:
                    _add_errors(p, C, total, left_out, size, stations, count, b, b_row)
                size = _border(h, k * user, p[k], ants, length, b, b_row)
                _cholesky(b, b_row, size)
                _last_column(b, b_row, size, bx)
                _read_combiner(bx, size, length, np.sqrt(p[k]), v)
            else:
                count, size, _ = _combine(k, p, C, serving, meeting[k], whitened, scratch)
                _last_column(a, a_row, size, x)
                _combiner(g, ((count * antennas) | 1) * _COMPLEX, size, x, factors, count, v)
            for i in range(users):
                re, im = _through(v, h, i * user, stations, count, antennas)
                store(lanes, 0, re)
                store(lanes, _IM, im)
                for e in range(width):
                    mean[k, i] += complex(lanes[e], lanes[_IM + e])
                    power[k, i] += lanes[e] * lanes[e] + lanes[_IM + e] * lanes[_IM + e]
            # sum over realisations of v v^H at each access point: what errors and noise do is linear in it.
            for s in range(count):
                for n in range(antennas):
                    for m in range(n + 1):
                        t, q = (s * antennas + n) * _COMPLEX, (s * antennas + m) * _COMPLEX
                        for e in range(width):
                            product = complex(v[t + e], v[t + _IM + e]) * complex(v[q + e], -v[q + _IM + e])
                            outer[k, stations[s], n, m] += product
    scale = 1.0 / num_realizations
    for k in range(users):
        for ap in range(aps):
            if serving[ap, k]:
                for n in range(antennas):
                    noise[k] += scale * outer[k, ap, n, n].real
        for i in range(users):
            through = 0.0
            for ap in range(aps):
                if serving[ap, k]:
                    for n in range(antennas):
                        through += (C[ap, i, n, n] * outer[k, ap, n, n]).real
                        for m in range(n):
                            # C_nm and conj(v v^H)_nm are counted with their mirror images.
                            through += 2.0 * (C[ap, i, n, m] * np.conj(outer[k, ap, n, m])).real
            mean[k, i] *= scale
            power[k, i] = scale * (power[k, i] + through)
