"""Combiners of user-centric clusters from one matrix over all antennas, which the users share.

`cfenvs.radio.cluster_kernel` makes a matrix of the users in S_k for each user k. Where nearly everybody shares an
access point with everybody, as in large networks on few pilots, these are nearly the same sums again and again. Here

    A = sum_i p_i hh_i hh_i^H,    A_k = A on the antennas of M_k - the few users outside S_k + Z_k,

and v_k ~ A_k^-1 hh_k: A is made once for all users, and what is left for each is the Cholesky factor of as many rows as
there are antennas in M_k.

The user's own estimate stands under A_k as one more row: of [[A_k, hh], [hh^H, c]] the last column of the inverse is
(-A_k^-1 hh, 1) over c - hh^H A_k^-1 hh, which the routines for the matrix of users give. With c = 1 + 1 / p_k that is
at least 1.
"""

# Inside a kernel the types are numba's; the annotations are for its callers.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

import numpy as np

from cfenvs.kernels import inlined
from cfenvs.radio.lanes import add, div, load, mul, neg, splat, store, sub
from cfenvs.radio.mmse_kernel import _COMPLEX, _IM, _accumulate_tile, _tile

# Rows of A that are multiplied with all others, one after the other, while a second-level cache holds them.
_ROWS = 64


@inlined
def _by_antennas(h, p, rows, g, g_row):
    """Write sqrt(p_i) hh_i as columns: a row of g for each antenna, and one of zeros where their number is odd."""
    for n in range(rows):
        for i in range(p.shape[0]):
            scale, s, t = splat(np.sqrt(p[i])), (i * rows + n) * _COMPLEX, n * g_row + i * _COMPLEX
            store(g, t, mul(scale, load(h, s)))
            store(g, t + _IM, mul(scale, load(h, s + _IM)))
    g[rows * g_row : (rows + rows % 2) * g_row] = 0.0


@inlined
def _shared_matrix(g, g_row, rows, length, a, a_row):
    """Lower triangle of A from the rows of g, whose number is even; `_ROWS` columns at a time."""
    for first in range(0, rows, _ROWS):
        for i in range(first, rows, 2):
            for j in range(first, min(first + _ROWS, i + 1), 2):
                sums = _tile(g, i * g_row, g_row, g, j * g_row, g_row, length)
                _accumulate_tile(a, i * a_row + j * _COMPLEX, a_row, sums, True)


@inlined
def _left_out(meeting, k, left_out):
    """List the users outside S_k, and say how many they are."""
    size = 0
    for i in range(meeting.size):
        if i != k and not meeting[i]:
            left_out[size] = i
            size += 1
    return size


@inlined
def _take_out(g, g_row, ants, count, left_out, size, c, c_row):
    """Copy the columns of the users that are left out, on the antennas of a cluster, to c; a pad row where odd."""
    for r in range(count):
        for j in range(size):
            s, t = ants[r] * g_row + left_out[j] * _COMPLEX, r * c_row + j * _COMPLEX
            store(c, t, load(g, s))
            store(c, t + _IM, load(g, s + _IM))
    c[count * c_row : (count + count % 2) * c_row] = 0.0


@inlined
def _entry(shared, s_row, ants, r, q, re, im, a, a_row):
    """Entry (r, q) of A_k without Z_k: that of A less what is taken out."""
    s, t = ants[r] * s_row + ants[q] * _COMPLEX, r * a_row + q * _COMPLEX
    store(a, t, sub(load(shared, s), re))
    store(a, t + _IM, sub(load(shared, s + _IM), im))


@inlined
def _cluster_matrix(shared, s_row, ants, count, c, c_row, size, a, a_row):
    """Lower triangle of A_k without Z_k; `size` users are taken out."""
    for i in range(0, count, 2):
        for j in range(0, i + 1, 2):
            re00, im00, re01, im01, re10, im10, re11, im11 = _tile(c, i * c_row, c_row, c, j * c_row, c_row, size)
            _entry(shared, s_row, ants, i, j, re00, im00, a, a_row)
            if i + 1 < count:
                _entry(shared, s_row, ants, i + 1, j, re10, im10, a, a_row)
                if j + 1 <= i + 1:
                    _entry(shared, s_row, ants, i + 1, j + 1, re11, im11, a, a_row)
            if j < i:
                _entry(shared, s_row, ants, i, j + 1, re01, im01, a, a_row)


@inlined
def _add_errors(p, C, errors, left_out, size, stations, count, a, a_row):
    """Add Z_k - I: all of the errors (L, N, N) but those of the users that are left out."""
    antennas = C.shape[3]
    for s in range(count):
        ap = stations[s]
        for n in range(antennas):
            for m in range(n + 1):
                z = errors[ap, n, m]
                for j in range(size):
                    z -= p[left_out[j]] * C[ap, left_out[j], n, m]
                t = (s * antennas + n) * a_row + (s * antennas + m) * _COMPLEX
                store(a, t, add(load(a, t), splat(z.real)))
                if m < n:
                    store(a, t + _IM, add(load(a, t + _IM), splat(z.imag)))


@inlined
def _border(h, source, power, ants, count, a, a_row):
    """Write hh_k as the last row, under one of zeros where that makes their number even, which is returned."""
    last = count + (count + 1) % 2
    for t in range(count * a_row, (last + 1) * a_row):
        a[t] = 0.0
    for r in range(count):
        s, t = source + ants[r] * _COMPLEX, last * a_row + r * _COMPLEX
        store(a, t, load(h, s))
        store(a, t + _IM, neg(load(h, s + _IM)))
    store(a, last * (a_row + _COMPLEX), splat(1.0 / power))
    return last + 1


@inlined
def _read_combiner(x, size, count, amplitude, v):
    """v_k = sqrt(p_k) A_k^-1 hh_k from the last column of the inverse."""
    scale = div(splat(-amplitude), load(x, (size - 1) * _COMPLEX))
    for r in range(count):
        t = r * _COMPLEX
        store(v, t, mul(scale, load(x, t)))
        store(v, t + _IM, mul(scale, load(x, t + _IM)))
