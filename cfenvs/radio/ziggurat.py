"""Many standard normals at once: to the bit what NumPy draws, in a quarter of its time.

Since NumPy draws the same, nothing waits for the kernel to be compiled: that is left until so many are drawn that it
pays, unless it is on disk.

NumPy's generator is asked for each word of 64 bits by itself. Here they are made in blocks, four at a time straight
from the state before them, which is a linear congruence: PCG64 [1]_ has s' = a s + c modulo 2^128, so that the state k
words on is a^k s + (a^(k-1) + .. + 1) c. A word becomes a normal by the ziggurat [2]_: 8 bits choose one of 256 layers
of equal area under the density, one is the sign and 52 are a place in the layer, which 98.8 % of the time is clearly
below the density. Wedges and the tail take further words.

.. [1] M. E. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random Number
   Generation", Harvey Mudd College, HMC-CS-2014-0905, 2014.
.. [2] G. Marsaglia, W. W. Tsang, "The Ziggurat Method for Generating Random Variables", J. Stat. Softw. 5(8), 2000.
"""

# To Python the arguments of an intrinsic are numba's types, to a kernel they are words: annotations would fit neither.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import extending, types
from numba.core import cgutils
from numpy.typing import NDArray

from cfenvs.arrays import Float
from cfenvs.kernels import is_on_disk, kernel

try:  # NumPy's tables, which numba has for generators within kernels; no recurrence gives their last digits
    from numba.np.random._constants import fi_double, ki_double, wi_double, ziggurat_nor_inv_r, ziggurat_nor_r
except ImportError:  # a numba to come may have them elsewhere
    _HAS_TABLES = False
    fi_double = wi_double = np.zeros(256)
    ki_double = np.zeros(256, np.uint64)
    ziggurat_nor_inv_r = ziggurat_nor_r = 0.0
else:
    _HAS_TABLES = True

MANY = 800
"""Numbers from which on it pays to fetch the generator's state and to put it back, which takes some 6 us."""
ENOUGH = 10_000_000
"""Numbers that a process leaves to NumPy, in all, rather than compile: a tenth of a second more of drawing.

What takes half a second to compile is on disk then for all processes that follow; a first step draws some thousands.
"""
_BLOCK = 1024
"""Words made at a time, which the first-level cache holds."""

_TELLING = 80
"""A seed of whose first thousand normals three are from the tail."""

_MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645

_U = np.uint64
_PLACES = _U(2**52 - 1)
_SIDES = _U(511)
"""The bits of a word that tell the layer and, the last of them, the sign."""
_WIDTHS = np.concatenate([wi_double, np.negative(wi_double)])
"""Of the layers over 2^52, to either side."""
_WITHIN = np.tile(np.asarray(ki_double, np.uint64), 2)
"""The places below which all of a layer is under the density."""
_DENSITY = np.asarray(fi_double, np.float64)
_TAIL, _OVER_TAIL = float(ziggurat_nor_r), float(ziggurat_nor_inv_r)
"""Where the tail begins, and 1 over it."""

_config: Any = numba.config
_WIDE, _HALF, _INDEX = ir.IntType(128), ir.IntType(64), ir.IntType(32)
_pair = types.UniTuple(types.uint64, 2)
_asked_for = 0
"""Numbers of large draws so far."""


def _wide(builder, pair):
    high, low = (builder.zext(builder.extract_value(pair, half), _WIDE) for half in (0, 1))
    return builder.or_(builder.shl(high, _WIDE(64)), low)


def _writer(count: int) -> Any:
    """Part of kernels that writes ``words[at : at + count]``, and returns the state behind them; unchecked bounds."""

    @extending.intrinsic
    def write(typingctx, words, at, state, increment):
        def codegen(context, builder, signature, args):
            data = cgutils.create_struct_proxy(signature.args[0])(context, builder, args[0]).data
            first = builder.gep(data, [args[1]])
            state, increment = _wide(builder, args[2]), _wide(builder, args[3])
            rotated = builder.module.declare_intrinsic("llvm.fshr", [_HALF], ir.FunctionType(_HALF, [_HALF] * 3))
            power, total, halves = 1, 0, []
            for i in range(count):
                power, total = power * _MULTIPLIER % 2**128, (total * _MULTIPLIER + 1) % 2**128
                later = builder.add(builder.mul(state, _WIDE(power)), builder.mul(increment, _WIDE(total)))
                halves = [builder.trunc(builder.lshr(later, _WIDE(64)), _HALF), builder.trunc(later, _HALF)]
                mixed = builder.xor(*halves)
                word = builder.call(rotated, [mixed, mixed, builder.lshr(halves[0], _HALF(58))])
                builder.store(word, builder.gep(first, [_INDEX(i)]))
            return context.make_tuple(builder, _pair, halves)

        return _pair(words, types.intp, _pair, _pair), codegen

    return write


_write_word, _write_four = _writer(1), _writer(4)


@kernel(nogil=True)
def _write_normals(state: NDArray[np.uint64], words: NDArray[np.uint64], out: Float) -> None:
    """Standard normals, (n,), from a generator's state and increment, (4,): of each the high and the low half.

    The state is moved on. Words are made for the time of the call, and never more than normals are left to draw, each
    of which takes one at least.
    """
    now, increment = (state[0], state[1]), (state[2], state[3])
    done = at = count = 0
    word, x = _U(0), 0.0
    while done < len(out):
        if at == count:
            at, count = 0, len(out) - done
            if count > len(words):  # numba would compile a `min` by itself
                count = len(words)
            for i in range(0, count - 3, 4):
                now = _write_four(words, i, now, increment)
            for i in range(count - count % 4, count):
                now = _write_word(words, i, now, increment)
        ahead = done - at
        for i in range(at, count):
            word = words[_U(i)]
            at += 1
            place = (word >> _U(9)) & _PLACES
            x = np.int64(place) * _WIDTHS[word & _SIDES]
            out[_U(ahead + i)] = x
            if place >= _WITHIN[word & _SIDES]:
                break
            done += 1
        if done < ahead + at:  # the last word was none of those
            layer = word & _U(255)
            first, pending = 0.0, False
            while True:
                if at == count:
                    now = _write_word(words, 0, now, increment)
                    at, count = 0, 1
                u = np.int64(words[at] >> _U(11)) * 2.0**-53
                at += 1
                if layer != 0:
                    if (_DENSITY[layer - _U(1)] - _DENSITY[layer]) * u + _DENSITY[layer] < math.exp(-0.5 * x * x):
                        done += 1
                    break
                exponential = -math.log1p(-u)
                if not pending:
                    first = exponential * _OVER_TAIL
                elif exponential + exponential > first * first:
                    out[done] = -(_TAIL + first) if word & _U(2**17) else _TAIL + first
                    done += 1
                    break
                pending = not pending
    state[0], state[1] = now


def fill_normals(rng: np.random.Generator, out: Float) -> None:
    """Overwrite a contiguous array with standard normals: `rng.standard_normal(out=out)`, its numbers and its state.

    Examples
    --------
    >>> one, other = np.random.default_rng(0), np.random.default_rng(0)
    >>> numbers = np.empty(5000)
    >>> fill_normals(one, numbers)
    >>> bool((numbers == other.standard_normal(5000)).all()), one.random() == other.random()
    (True, True)
    """
    if out.size < MANY or not out.flags.c_contiguous:
        rng.standard_normal(out=out)
        return
    with drawing(rng, out.size) as fill:
        fill(out.reshape(-1))


@contextmanager
def drawing(rng: np.random.Generator, count: int) -> Iterator[Callable[[Float], object]]:
    """What fills contiguous arrays (n,), some `count` numbers in all, as `rng.standard_normal(out=array)` does.

    Until they are drawn nothing else may be drawn from the generator.
    """
    bits: Any = rng.bit_generator
    if count < MANY or type(bits) is not np.random.PCG64 or not _pays(count) or not agrees_with_numpy():
        yield lambda out: rng.standard_normal(out=out)
    else:
        with _kernel_of(bits) as fill:
            yield fill


@contextmanager
def _kernel_of(bits: Any) -> Iterator[Callable[[Float], object]]:
    with bits.lock:
        state = bits.state
        held = state["state"]
        halves = np.array([half for wide in (held["state"], held["inc"]) for half in divmod(wide, 2**64)], np.uint64)
        try:
            yield functools.partial(_write_normals, halves, np.empty(_BLOCK, np.uint64))
        finally:
            held["state"] = int(halves[0]) << 64 | int(halves[1])
            bits.state = state


def _pays(count: int) -> bool:
    """Whether so many more numbers are for the kernel: it is compiled, or has been asked for enough of them."""
    global _asked_for  # threads that miss each other's numbers only compile a little later
    _asked_for += count
    if _config.DISABLE_JIT:
        return False
    return _asked_for > ENOUGH or bool(_write_normals.overloads) or _is_on_disk()


@functools.cache
def _is_on_disk() -> bool:
    return is_on_disk(_write_normals, np.empty(4, np.uint64), np.empty(0, np.uint64), np.empty(0))


@functools.cache
def agrees_with_numpy() -> bool:
    """Whether this draws what NumPy does: decided once, on numbers of which some come from wedges and the tail.

    This compiles the kernel.
    """
    if not _HAS_TABLES or _config.DISABLE_JIT:
        return False
    theirs, ours = np.random.PCG64(_TELLING), np.random.PCG64(_TELLING)
    expected, got = np.random.Generator(theirs).standard_normal(1024), np.empty(1024)
    with _kernel_of(ours) as fill:
        fill(got)
    return bool((got == expected).all()) and ours.state == theirs.state
