"""Words of NumPy's usual generator, many at once.

PCG64 [1]_ is a linear congruence, s' = a s + c modulo 2^128, whose states are stirred into words of 64 bits. The state
k words on is a^k s + (a^(k-1) + .. + 1) c: words need not wait for each other, and are made in lanes, all straight from
one state. Numbers of 128 bits are pairs of their halves, the high one first.

.. [1] M. E. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random Number
   Generation", Harvey Mudd College, HMC-CS-2014-0905, 2014.
"""

# The arguments of these functions are placeholders of numbers and arrays in a kernel: annotations would say nothing.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

from llvmlite import ir

from cfenvs.emitted import Number, builder, choose, each, fold, table
from cfenvs.radio.lanes import LANES

AT_ONCE = 64
"""Words made at a time: as many as a word has bits, each of which can tell something of one."""

_MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645
_WORD, _WIDE, _INDEX = ir.IntType(64), ir.IntType(128), ir.IntType(32)
WORDS = ir.VectorType(_WORD, LANES)
"""Lanes of words."""

_powers, _sums = [1], [0]
for _ in range(AT_ONCE):
    _sums.append((_sums[-1] + _powers[-1]) % 2**128)
    _powers.append(_powers[-1] * _MULTIPLIER % 2**128)


def powers():
    """a^k for k from 1 to `AT_ONCE` in lanes, (AT_ONCE / LANES, 2, LANES)."""
    return _table_in_lanes(_powers[1:])


def write_steps(increment, out):
    """(a^(k-1) + .. + 1) c, likewise."""
    c, sums = _splat_pair(increment), _table_in_lanes(_sums[1:])

    @each(0, 2 * AT_ONCE, 2 * LANES)
    def step(first):
        high, low = _product(c, _load_pair(sums, first))
        store_words(out, first, high)
        store_words(out, first + LANES, low)


def write_words(state, powers, steps, words):
    """Overwrite ``words[:AT_ONCE]`` with those behind a state."""
    s = _splat_pair(state)

    @each(0, AT_ONCE, LANES)
    def some(first):
        later = _product(s, _load_pair(powers, first * 2))
        store_words(words, first, word_of(_sum(later, _load_pair(steps, first * 2))))


def state_after(state, increment, count):
    """The state behind so many words, which are `AT_ONCE` or few."""
    s, c = _wide(state), _wide(increment)

    def step_by_step():
        return fold(s, 0, count)(lambda _, s: s * _MULTIPLIER + c)

    s = choose(count.equals(AT_ONCE), lambda: s * _powers[AT_ONCE] + c * _sums[AT_ONCE], step_by_step)
    return Number(builder().trunc((s >> 64).value, _WORD)), Number(builder().trunc(s.value, _WORD))


def word_of(state):
    """The word that a state is stirred into, or those of several states in lanes."""
    high, low = state
    mixed, kind = (high ^ low).value, high.value.type
    name = f"llvm.fshr.v{LANES}i64" if kind == WORDS else "llvm.fshr.i64"
    rotated = builder().module.declare_intrinsic(name, (), ir.FunctionType(kind, [kind] * 3))
    return Number(builder().call(rotated, [mixed, mixed, (high >> 58).value]))


def load_words(array, start):
    """Lanes ``array[start : start + LANES]``; bounds are not checked."""
    return Number(builder().load(_place(array, start), align=8))


def store_words(array, start, words):
    """``array[start : start + LANES] = words``; bounds are not checked."""
    builder().store(words.value, _place(array, start), align=8)


def _place(array, start):
    return builder().bitcast(array.pointer(start), WORDS.as_pointer())


def _load_pair(array, start):
    return load_words(array, start), load_words(array, start + LANES)


def _table_in_lanes(numbers):
    groups = [numbers[first : first + LANES] for first in range(0, len(numbers), LANES)]
    halves = [[n >> 64 for n in group] + [n % 2**64 for n in group] for group in groups]
    return table([half for group in halves for half in group])


def _product(a, b):
    """Of lanes, modulo 2^128; vectors multiply 32 bits by 32 at a time."""
    (a_high, a_low), (b_high, b_low), half = a, b, 2**32 - 1
    (a2, a1), (b2, b1) = ((number >> 32, number & half) for number in (a_low, b_low))
    first = a1 * b1
    second = a1 * b2 + (first >> 32)
    third = a2 * b1 + (second & half)
    carried = a2 * b2 + (second >> 32) + (third >> 32)
    return a_high * b_low + a_low * b_high + carried, third << 32 | first & half


def _sum(a, b):
    """Of lanes, modulo 2^128."""
    (a_high, a_low), (b_high, b_low) = a, b
    low = a_low + b_low
    carry = builder().zext(builder().icmp_unsigned("<", low.value, b_low.value), WORDS)
    return a_high + b_high + Number(carry), low


def _splat_pair(halves):
    zeros = ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES)
    undefined = ir.Constant(WORDS, ir.Undefined)
    firsts = (builder().insert_element(undefined, half.value, _INDEX(0)) for half in halves)
    high, low = (Number(builder().shuffle_vector(first, undefined, zeros)) for first in firsts)
    return high, low


def _wide(halves):
    high, low = (Number(builder().zext(half.value, _WIDE)) for half in halves)
    return high << 64 | low
