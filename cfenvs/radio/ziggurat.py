"""Many standard normals at once: to the bit what NumPy draws, in an eighth of its time.

NumPy's generator is asked for each word of 64 bits by itself. Here they are made many at once (`cfenvs.radio.pcg64`). A
word becomes a normal by the ziggurat [1]_: 8 bits choose one of 256 layers of equal area under the density, one is the
sign and 52 are a place in the layer, which 98.8 % of the time is clearly below the density. So all words are taken for
such ones first, in lanes. Where one is not, wedges and the tail take further words, and what is behind moves up.

Since NumPy draws the same, nothing waits for the kernel to be compiled: that is left until so many are drawn that it
pays, unless it is on disk.

.. [1] G. Marsaglia, W. W. Tsang, "The Ziggurat Method for Generating Random Variables", J. Stat. Softw. 5(8), 2000.
"""

# The arguments of emitted functions are placeholders of what a kernel has: annotations would say nothing.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numba
import numpy as np
from llvmlite import ir

from cfenvs.arrays import Float, Int
from cfenvs.emitted import (
    Buffer,
    Number,
    as_integer,
    as_real,
    builder,
    choose,
    during,
    each,
    emitted,
    exp,
    fold,
    integer,
    log1p,
    real,
    smaller,
    table,
    when,
)
from cfenvs.kernels import inlined, is_on_disk, kernel
from cfenvs.radio.lanes import LANES, load, store
from cfenvs.radio.pcg64 import AT_ONCE, WORDS, load_words, powers, state_after, word_of, write_steps, write_words

try:  # NumPy's tables, which numba has for generators within kernels; no recurrence gives their last digits
    from numba.np.random._constants import fi_double, ki_double, wi_double, ziggurat_nor_inv_r, ziggurat_nor_r
except ImportError:  # a numba to come may have them elsewhere
    _HAS_TABLES = False
    fi_double = wi_double = np.zeros(256)
    ki_double = np.zeros(256, np.uint64)
    ziggurat_nor_inv_r = ziggurat_nor_r = 0.0
else:
    _HAS_TABLES = True

Fill = Callable[[Float], object]
MANY = 800
"""Numbers from which on it pays to fetch the generator's state and to put it back, which takes some 4 us."""
ENOUGH = 10_000_000
"""Numbers that a process leaves to NumPy, in all, rather than compile: a tenth of a second more of drawing.

What takes half a second to compile is on disk then for all processes that follow; a first step draws some thousands.
"""

_TELLING = 80
"""A seed of whose first thousand normals three are from the tail."""

_LAYERS = np.stack([wi_double, np.asarray(ki_double, np.float64)], axis=1)
"""Widths of the layers over 2^52, and the places below which all of a layer is under the density, (256, 2)."""
_TAIL, _OVER_TAIL = float(ziggurat_nor_r), float(ziggurat_nor_inv_r)
"""Where the tail begins, and 1 over it."""

_config: Any = numba.config
_asked_for = 0
"""Numbers of large draws so far."""


@kernel(nogil=True)
def write_normals(state: Int, out: Float) -> None:
    """Standard normals, (n,), from a generator's state and increment, (4,): of each the low and the high half.

    The state is moved on. No more words are taken than normals are left to draw, each of which takes one at least.
    """
    words, last = room_for_words()
    begin_words(state, words)
    write_more_normals(state, out, words, last)


@inlined
def room_for_words():
    """For what `write_more_normals` goes by."""
    return np.empty(3 * AT_ONCE, np.int64), np.empty(2 * AT_ONCE)


@emitted
def begin_words(state, words):
    """Write what hangs on the increment of a generator alone."""
    write_steps((state[3], state[2]), words.part(AT_ONCE, integer(2 * AT_ONCE)))


@kernel(nogil=True)
def write_normals_of(states: Int, out: Float) -> None:
    """The same of several generators, (n, 4) and (n, m)."""
    words, last = room_for_words()
    for i in range(len(states)):
        begin_words(states[i], words)
        write_more_normals(states[i], out[i], words, last)


@kernel(nogil=True)
def write_uniforms_of(states: Int, out: Float) -> None:
    """Numbers in [0, 1), likewise."""
    for i in range(len(states)):
        _draw_uniforms(states[i], out[i])


@emitted
def _draw_uniforms(state, out):
    increment = state[3], state[2]

    @fold((state[1], state[0]), 0, out.shape[0])
    def behind(i, state):
        state = state_after(state, increment, integer(1))
        out[i] = _uniform(word_of(state))
        return state

    state[1], state[0] = behind


def _uniform(word):
    return as_real(word >> 11) * 2.0**-53


@kernel(nogil=True)
def write_more_normals(state: Int, out: Float, words: Int, last: Float) -> None:
    """`write_normals` by way of words, once they are begun, and of the last normals."""
    _draw_normals(state, out, words, last)


@emitted
def _draw_normals(state, out, words, last):
    increment, steps = (state[3], state[2]), words.part(AT_ONCE, integer(2 * AT_ONCE))
    known, layers, density = powers(), table(_LAYERS.ravel().tolist()), table(fi_double.tolist())

    @during((integer(0), (state[1], state[0])), lambda drawn: drawn[0] < out.shape[0])
    def drawn(drawn):
        done, now = drawn
        left = out.shape[0] - done
        near_end = left < 2 * AT_ONCE  # no room for what moves up
        there = Buffer(builder().select(near_end.value, last.data, out.pointer(done)), last.shape, 1)
        write_words(now, known, steps, words)
        unsure, count = _write_candidates(words, layers, there), smaller(left, integer(AT_ONCE))
        spare = AT_ONCE - count
        unsure, behind = unsure << spare >> spare, state_after(now, increment, count)
        used, fewer, now = _settle(unsure, words.part(0, count), there, density, behind, increment)
        kept = used - fewer

        @when(near_end)
        def copy():
            @each(0, kept)
            def one(i):
                out[done + i] = last[i]

        return done + kept, now

    state[1], state[0] = drawn[1]


def _write_candidates(words, layers, out):
    """Overwrite ``out[:AT_ONCE]`` with the normals of so many words, if all of these are below the density.

    Returns an integer of whose bits each tells of a word whether that is not clear.
    """
    write, double, word = builder(), ir.DoubleType(), ir.IntType(64)
    reals = ir.VectorType(double, LANES)

    @fold(integer(0), 0, AT_ONCE, LANES)
    def unsure(first, found):
        pairs = []
        for lane in range(LANES):
            layer = layers.pointer((words[first + lane] & 255) * 2)
            pairs.append(write.load(write.bitcast(layer, ir.VectorType(double, 2).as_pointer()), align=8))
        widths, within = _columns(pairs)
        some = load_words(words, first)
        # A whole number below 2^52 in the digits of 2^52 as a real number is 2^52 more than it.
        above = ((some >> 9) & (2**52 - 1)) | 0x433 << 52
        places = Number(write.bitcast(above.value, reals)) - 2.0**52
        sizes = Number(write.bitcast((places * widths).value, WORDS))
        store(out, first, Number(write.bitcast((sizes ^ (some << 55 & 2**63)).value, reals)))
        outside = write.bitcast(write.fcmp_ordered(">=", places.value, within.value), ir.IntType(LANES))
        return (found >> LANES) | (Number(write.zext(outside, word)) << 64 - LANES)

    return unsure


def _columns(pairs):
    """The first and the second numbers of pairs, in lanes."""

    def joined(parts):
        return (
            parts[0]
            if len(parts) == 1
            else joined([_shuffled(a, b) for a, b in zip(parts[::2], parts[1::2], strict=True)])
        )

    even, odd = joined(pairs[::2]), joined(pairs[1::2])
    firsts = [side * LANES + part for part in range(0, LANES, 2) for side in (0, 1)]
    return tuple(Number(_shuffled(even, odd, [place + column for place in firsts])) for column in (0, 1))


def _shuffled(a, b, places=None):
    """Numbers of two vectors by their places, all of both unless told."""
    places = list(range(2 * a.type.count)) if places is None else places
    return builder().shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places))


def _settle(unsure, words, out, density, state, increment):
    """Put right what hangs on further words.

    Returns how many words are used up, how many normals are fewer, and the state behind these words.
    """
    count = words.shape[0]

    def further(at, state):
        """A place on [0, 1) that the next word tells."""

        def fresh():
            later = state_after(state, increment, integer(1))
            return word_of(later), later

        word, state = choose(at < count, lambda: (words[at], state), fresh)
        return _uniform(word), state

    @during((unsure, integer(0), integer(0), state), lambda settled: settled[0].differs(0))
    def settled(settled):
        unsure, used, fewer, state = settled
        i = _lowest_bit(unsure)
        here, word = i - fewer, words[i]
        layer = word & 255

        def wedge():
            u, behind = further(i + 1, state)
            x, inner, outer = out[here], density[layer - 1], density[layer]
            below = (inner - outer) * u + outer < exp(x * -0.5 * x)
            return i + 2, 2 - as_integer(below), behind

        def tail():
            start = i + 1, real(0.0), real(0.0), state

            @during(start, lambda drawn: drawn[2] + drawn[2] <= drawn[1] * drawn[1])
            def drawn(drawn):
                at, _, _, state = drawn
                u, state = further(at, state)
                v, state = further(at + 1, state)
                return at + 2, log1p(u * -1.0) * -_OVER_TAIL, log1p(v * -1.0) * -1.0, state

            at, beyond, _, behind = drawn
            x = beyond + _TAIL
            out[here] = choose((word & 2**17).equals(0), lambda: x, lambda: x * -1.0)
            return at, at - (i + 1), behind

        def settle():
            used, lost, behind = choose(layer.equals(0), tail, wedge)

            @each(used - fewer, used - fewer + AT_ONCE, LANES)
            def move_up(place):
                store(out, place - lost, load(out, place))

            return used, fewer + lost, behind

        unsure = unsure & (unsure - 1)
        return unsure, *choose(i < used, lambda: (used, fewer, state), settle)

    _, used, fewer, state = settled
    return choose(used < count, lambda: count, lambda: used), fewer, state


def _lowest_bit(bits):
    """The number of the lowest bit that is set."""
    word, truth = ir.IntType(64), ir.IntType(1)
    count = builder().module.declare_intrinsic("llvm.cttz.i64", (), ir.FunctionType(word, [word, truth]))
    return Number(builder().call(count, [bits.value, truth(1)]))


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


def drawing(rng: np.random.Generator, count: int) -> AbstractContextManager[Fill]:
    """What fills contiguous arrays (n,), some `count` numbers in all, as `rng.standard_normal(out=array)` does.

    Until they are drawn nothing else may be drawn from the generator.
    """
    if count < MANY or not is_ours(rng) or not pays(count):
        return nullcontext(lambda out: rng.standard_normal(out=out))
    return _Drawing(rng.bit_generator)


class _Drawing(AbstractContextManager[Fill]):
    """The kernel in place of a generator, whose state it has until the end."""

    def __init__(self, bits: Any) -> None:
        self._bits = bits

    def __enter__(self) -> Fill:
        self._bits.lock.acquire()
        self._was = self._bits.state
        self._state = np.frombuffer(bytearray(halves_of(self._was)), np.int64)
        return functools.partial(write_normals, self._state)

    def __exit__(self, *raised: object) -> None:
        put_back(self._bits, self._was, self._state.tobytes())
        self._bits.lock.release()


def is_ours(rng: np.random.Generator) -> bool:
    """Whether kernels can draw from a generator."""
    return type(rng.bit_generator) is np.random.PCG64


def halves_of(state: Any) -> bytes:
    """What kernels take of the state of a generator: the halves of the state proper and of the increment."""
    pcg = state["state"]
    halves: bytes = pcg["state"].to_bytes(16, "little") + pcg["inc"].to_bytes(16, "little")
    return halves


def put_back(bits: Any, was: Any, halves: bytes) -> None:
    """Give a generator the state that kernels have left in place of that which it had."""
    was["state"]["state"] = int.from_bytes(halves[:16], "little")
    bits.state = was


def pays(count: int) -> bool:
    """Whether so many more numbers are for kernels."""
    return _pays(count) and agrees_with_numpy()


def _pays(count: int) -> bool:
    """Whether so many more numbers are for the kernel: it is compiled, or has been asked for enough of them."""
    global _asked_for  # threads that miss each other's numbers only compile a little later
    _asked_for += count
    if _config.DISABLE_JIT:
        return False
    return _asked_for > ENOUGH or bool(write_normals.overloads) or _is_on_disk()


@functools.cache
def _is_on_disk() -> bool:
    return is_on_disk(write_normals, np.empty(4, np.int64), np.empty(0))


@functools.cache
def agrees_with_numpy() -> bool:
    """Whether this draws what NumPy does: decided once, on numbers of which some come from wedges and the tail.

    This compiles the kernel.
    """
    if not _HAS_TABLES or _config.DISABLE_JIT:
        return False
    theirs, ours = np.random.PCG64(_TELLING), np.random.PCG64(_TELLING)
    expected, got = np.random.Generator(theirs).standard_normal(1024), np.empty(1024)
    with _Drawing(ours) as fill:
        fill(got)
    return bool((got == expected).all()) and ours.state == theirs.state
