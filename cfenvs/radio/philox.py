"""Counter-based random numbers: Philox4x32-10 [1]_ and complex normals made from it.

A counter-based generator is a keyed bijection: block i of the stream (key, counter) is a function of these three
numbers alone. No state is carried, so that the fading of a world at a step is the same in whatever order or thread the
worlds advance. A block of four 32-bit words makes two uniforms of 53 bits and, by Box-Muller, one complex normal.
Logarithm, sine and cosine are series on a reduced argument: without branches, LLVM vectorises the loop over blocks,
and with no more than the basic operations of IEEE 754, every platform draws the same bits.

.. [1] J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
"""

# Inside a kernel the types are numba's; the annotations are for its callers.
# mypy: disable-error-code="no-untyped-def"

import math

import numpy as np
from numpy.typing import NDArray

from cfenvs.kernels import inlined, kernel

# Constants of the generator [1]_, as 32-bit words in 64 bits: a product of two of them does not overflow.
_ROUNDS = 10
_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_WORD, _WORD_BITS = np.uint64(0xFFFFFFFF), np.uint64(32)

# Fields of a float64. Adding _SQRT_OFFSET to the bits of one raises its exponent if its fraction is sqrt(2) or more.
_FRACTION, _FRACTION_BITS = np.uint64((1 << 52) - 1), np.uint64(52)
_ONE, _SQRT_HALF = np.float64(1.0).view(np.uint64), np.float64(math.sqrt(0.5)).view(np.uint64)
_SQRT_OFFSET = np.uint64(_ONE - _SQRT_HALF)


@inlined
def _block(c0, c1, c2, c3, k0, k1):
    """Output words of a counter under a key."""
    for _ in range(_ROUNDS):
        product0, product1 = _MULTIPLIER_0 * c0, _MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (
            (product1 >> _WORD_BITS) ^ c1 ^ k0,
            product1 & _WORD,
            (product0 >> _WORD_BITS) ^ c3 ^ k1,
            product0 & _WORD,
        )
        k0, k1 = (k0 + _WEYL_0) & _WORD, (k1 + _WEYL_1) & _WORD
    return c0, c1, c2, c3


@inlined
def _integer53(high, low):
    """The integer that the upper 27 and 26 bits of two words make, as a float64."""
    return np.int32(high >> np.uint64(5)) * 2.0**26 + np.int32(low >> np.uint64(6))


@inlined
def _log(x):
    """Natural logarithm of a normal x > 0: x = 2^k m with sqrt(1/2) <= m < sqrt(2), log m = 2 atanh((m-1) / (m+1))."""
    bits = np.float64(x).view(np.uint64) + _SQRT_OFFSET
    k = np.int32(bits >> _FRACTION_BITS) - np.int32(1023)
    m = np.uint64((bits & _FRACTION) + _SQRT_HALF).view(np.float64)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    series = 0.0
    for n in range(21, 1, -2):
        series = z * (1.0 / n + series)
    return k * math.log(2.0) + 2.0 * (s + s * series)


@inlined
def cos_sin(t):
    """Cosine and sine of t quarter turns, 0 <= t < 4."""
    quarter = np.int32(t + 0.5)
    x = (t - quarter) * (0.5 * math.pi)
    z = x * x
    c = s = 1.0
    for n in range(16, 0, -2):
        c = 1.0 - z * (1.0 / ((n - 1) * n)) * c
        s = 1.0 - z * (1.0 / (n * (n + 1))) * s
    s *= x
    odd = (quarter & 1) == 1
    c, s = (s, c) if odd else (c, s)
    c = -c if ((quarter + 1) & 2) == 2 else c
    s = -s if (quarter & 2) == 2 else s
    return c, s


@kernel
def philox4x32(counter_words: NDArray[np.uint32], key_words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Philox4x32-10: a block of random words.

    Parameters
    ----------
    counter_words : uint32 array, shape (4,)
    key_words : uint32 array, shape (2,)

    Returns
    -------
    uint32 array, shape (4,)
    """
    c, k = counter_words.astype(np.uint64), key_words.astype(np.uint64)
    return np.array(_block(c[0], c[1], c[2], c[3], k[0], k[1])).astype(np.uint32)


@kernel
def complex_normals(key: np.uint64, counter: np.uint64, out: NDArray[np.float64]) -> None:
    """Circularly symmetric standard complex normals CN(0, 1): real and imaginary parts of variance 1/2.

    Number i is Box-Muller of the Philox block with counter words (i, counter), low word first in each, under ``key``:
    sqrt(-log u) exp(2 pi j v), with u in (0, 1] from words 0 and 1 and v in [0, 1) from words 2 and 3. It depends on
    these three integers alone.

    Parameters
    ----------
    key : uint64
        Stream, for example a seed mixed with the index of a world.
    counter : uint64
        Position in the stream, for example the step.
    out : float64 array, shape (2 n,)
        Receives n numbers, real and imaginary parts alternating.
    """
    key, counter = np.uint64(key), np.uint64(counter)
    k0, k1, c2, c3 = key & _WORD, key >> _WORD_BITS, counter & _WORD, counter >> _WORD_BITS
    for i in range(out.size // 2):
        block = np.uint64(i)
        w0, w1, w2, w3 = _block(block & _WORD, block >> _WORD_BITS, c2, c3, k0, k1)
        radius = math.sqrt(-_log((_integer53(w0, w1) + 1.0) * 2.0**-53))
        c, s = cos_sin(_integer53(w2, w3) * 2.0**-51)
        out[2 * i] = radius * c
        out[2 * i + 1] = radius * s


@kernel
def uniforms(key: np.uint64, counter: np.uint64, out: NDArray[np.float64]) -> None:
    """Numbers in [0, 1): 2 i and 2 i + 1 are made of block i, of whose counter and key as `complex_normals`.

    Parameters
    ----------
    key, counter : uint64
    out : float64 array, shape (2 n,)
    """
    key, counter = np.uint64(key), np.uint64(counter)
    k0, k1, c2, c3 = key & _WORD, key >> _WORD_BITS, counter & _WORD, counter >> _WORD_BITS
    for i in range(out.size // 2):
        block = np.uint64(i)
        w0, w1, w2, w3 = _block(block & _WORD, block >> _WORD_BITS, c2, c3, k0, k1)
        out[2 * i], out[2 * i + 1] = _integer53(w0, w1) * 2.0**-53, _integer53(w2, w3) * 2.0**-53
