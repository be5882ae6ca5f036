"""Square roots of many small Hermitian matrices."""

# Inside a kernel the types are numba's; the annotations are for its callers.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Complex
from cfenvs.kernels import inlined, kernel
from cfenvs.radio.lanes import COMPLEX, LANES, aligned, fma, fnma, load, mul, neg, splat, store

SMALL = 8
"""Largest order for which rotations of many matrices at once are faster than LAPACK's one by one."""
_SWEEPS = 30
"""Six are usual; rounding may keep the last digits of a matrix from settling."""
_SETTLED = 1e-30
_TINY = 1e-300


def matrix_root(R: Complex) -> Complex:
    """Hermitian square roots of positive semi-definite matrices, (..., N, N).

    Examples
    --------
    >>> R = np.array([[2.0, 2.0j], [-2.0j, 2.0]])
    >>> matrix_root(R).round(9) + 0.0
    array([[1.+0.j, 0.+1.j],
           [0.-1.j, 1.+0.j]])
    """
    N = R.shape[-1]
    if N == 1:
        return np.sqrt(R)
    if N > SMALL:
        values, vectors = np.linalg.eigh(R)
        return (vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]) @ vectors.conj().swapaxes(-1, -2)
    out = np.empty(R.shape, complex)
    _write_roots(np.ascontiguousarray(R, complex).reshape(-1, N, N), out.reshape(-1, N, N))
    return out


@kernel(nogil=True)
def _write_roots(R: Complex, out: Complex) -> None:
    """Roots by Jacobi's rotations (Golub, Van Loan, "Matrix Computations", 2013, Section 8.5), a matrix in each lane.

    A rotation of lines i and j makes the entry between them zero; after a few rounds over all pairs the matrix is
    diagonal.
    """
    count, N, _ = R.shape
    a, v = aligned(N * N * COMPLEX), aligned(N * N * COMPLEX)
    c, sr, si = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    total = np.zeros(COMPLEX)
    for first in range(0, count, LANES):
        some = min(LANES, count - first)
        a[:], v[:] = 0.0, 0.0
        for i in range(N):
            for j in range(N):
                here = (i * N + j) * COMPLEX
                for x in range(some):
                    a[here + x], a[here + LANES + x] = R[first + x, i, j].real, R[first + x, i, j].imag
                if i == j:
                    store(v, here, splat(1.0))
        for _ in range(_SWEEPS):
            if _off_diagonal(a, N, some) <= _SETTLED:
                break
            for i in range(N - 1):
                for j in range(i + 1, N):
                    _angles(a, N, i, j, c, sr, si)
                    for k in range(N):
                        _rotate(a, (k * N + i) * COMPLEX, (k * N + j) * COMPLEX, load(c, 0), load(sr, 0), load(si, 0))
                        _rotate(v, (k * N + i) * COMPLEX, (k * N + j) * COMPLEX, load(c, 0), load(sr, 0), load(si, 0))
                    for k in range(N):  # lines, by the conjugate
                        here, there = (i * N + k) * COMPLEX, (j * N + k) * COMPLEX
                        _rotate(a, here, there, load(c, 0), load(sr, 0), neg(load(si, 0)))
        for i in range(N):
            for j in range(i + 1):
                total[:] = 0.0
                for k in range(N):
                    left, right, middle = (i * N + k) * COMPLEX, (j * N + k) * COMPLEX, (k * N + k) * COMPLEX
                    for x in range(LANES):
                        root = np.sqrt(max(a[middle + x], 0.0))
                        pr, pi, qr, qi = v[left + x], v[left + LANES + x], v[right + x], v[right + LANES + x]
                        total[x] += root * (pr * qr + pi * qi)
                        total[LANES + x] += root * (pi * qr - pr * qi)
                for x in range(some):
                    out[first + x, i, j] = complex(total[x], total[LANES + x])
                    out[first + x, j, i] = complex(total[x], -total[LANES + x])


@inlined
def _off_diagonal(a, N, some):
    """The largest share of squares beside the diagonal in those on it, of some matrices in lanes."""
    worst = 0.0
    for x in range(some):
        beside, along = 0.0, 0.0
        for i in range(N):
            along += a[(i * N + i) * COMPLEX + x] ** 2
            for j in range(i):
                here = (i * N + j) * COMPLEX + x
                beside += a[here] ** 2 + a[here + LANES] ** 2
        if along > 0.0:
            worst = max(worst, beside / along)
    return worst


@inlined
def _angles(a, N, i, j, c, sr, si):
    """Cosines and complex sines of the rotations that make the entry (i, j) zero."""
    for x in range(LANES):
        re, im = a[(i * N + j) * COMPLEX + x], a[(i * N + j) * COMPLEX + LANES + x]
        size = np.sqrt(re * re + im * im)
        apart = a[(j * N + j) * COMPLEX + x] - a[(i * N + i) * COMPLEX + x]
        side = 1.0 if apart >= 0.0 else -1.0
        tangent = 2.0 * side * size / (abs(apart) + np.sqrt(apart * apart + 4.0 * size * size) + _TINY)
        c[x] = 1.0 / np.sqrt(1.0 + tangent * tangent)
        sine = tangent * c[x] / (size + _TINY)
        sr[x], si[x] = sine * re, sine * im


@inlined
def _rotate(a, first, second, c, sr, si):
    """First, second = c first - conj(s) second, s first + c second."""
    pr, pi, qr, qi = load(a, first), load(a, first + LANES), load(a, second), load(a, second + LANES)
    store(a, first, fnma(si, qi, fnma(sr, qr, mul(c, pr))))
    store(a, first + LANES, fma(si, qr, fnma(sr, qi, mul(c, pi))))
    store(a, second, fma(c, qr, fnma(si, pi, mul(sr, pr))))
    store(a, second + LANES, fma(c, qi, fma(si, pr, mul(sr, pi))))
