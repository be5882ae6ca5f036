"""Four float64 lanes as one numba value, eight where the processor has vectors of 512 bits.

LLVM vectorises simple loops by itself, but it does not keep a tile of complex sums in vector registers through a
reduction, because it may not reorder a sum. Here the vector is the value: :data:`lanes_type` is a numba type backed
by the LLVM type ``<4 x double>`` or ``<8 x double>``, and the functions below are the few operations that the kernels
need, each one or two instructions. A kernel then works on so many independent problems at a time and reads like its
scalar form. Every operation is exact IEEE 754 arithmetic lane by lane; nothing is fused or reordered unless it is
written so, and the result in a lane does not depend on its neighbours. Where the machine has narrower vectors, LLVM
splits them.

An array of float32 has twice as many lanes, which fill the same vectors; what lanes are of, these functions see from
the array or from other lanes. As values that numba knows, they are of float64.

Numba renews the cached machine code of a kernel when the kernel's own file changes, not when this one does: after an
edit here, remove the ``__pycache__`` beside it.
"""

# To Python the arguments of these functions are placeholders, to a kernel lanes: annotations would fit neither.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.codegen import get_host_cpu_features
from numba.extending import models, register_model

from cfenvs.emitted import Number, builder, call, constant, each, emitted, represent, root
from cfenvs.kernels import inlined

_config: Any = numba.config


def _processor_has(feature: str) -> bool:
    # The same words by which numba keeps what it compiles apart from what was compiled for another processor.
    given = _config.CPU_FEATURES
    return f"+{feature}" in (get_host_cpu_features() if given is None else given).split(",")


LANES = 8 if _processor_has("avx512f") else 4
COMPLEX = 2 * LANES
"""Numbers in a complex number of so many lanes: the real parts, then the imaginary parts."""

_VECTOR, _SINGLES = ir.VectorType(ir.DoubleType(), LANES), ir.VectorType(ir.FloatType(), 2 * LANES)
_INDEX, _INT = ir.IntType(32), ir.IntType(64)


class LanesType(types.Type):
    """Numba type of float64 lanes."""

    def __init__(self):
        super().__init__(name=f"float64x{LANES}")


lanes_type = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, _VECTOR)


represent(_VECTOR, lanes_type)


def lanes_of(array):
    """How many lanes go with an array: `LANES` of 64 bits, twice as many of 32."""
    return 2 * LANES if array.single else LANES


def complex_of(array):
    """Numbers in a complex number of the lanes that go with an array."""
    return 2 * lanes_of(array)


@emitted
def load(array, start):
    """Lanes ``array[start : start + lanes_of(array)]``, counted from the start of it; bounds are not checked."""
    return _load(array, start, _SINGLES if array.single else _VECTOR)


def load_doubles(array, start):
    """`LANES` lanes of 64 bits, also of an array of 32."""
    return in_doubles(_load(array, start, ir.VectorType(ir.FloatType(), LANES))) if array.single else load(array, start)


def load_halves(array, first, second):
    """Lanes of 32 bits whose first half is at one place, the second at another."""
    halves = (_load(array, start, ir.VectorType(ir.FloatType(), LANES)).value for start in (first, second))
    return _shuffled(next(halves), next(halves), range(2 * LANES))


def splat_halves(array, first, second):
    """Lanes of 32 bits that are copies of one entry in the first half, of another in the second."""
    mask = ir.Constant(ir.VectorType(ir.IntType(1), 2 * LANES), [True] * LANES + [False] * LANES)
    return Number(builder().select(mask, *(splat_for(array, array[place]).value for place in (first, second))))


def add_halves(a):
    """Lanes of 32 bits that are sums of those of both halves, in either."""
    return a + _shuffled(a.value, a.value, [*range(LANES, 2 * LANES), *range(LANES)])


def any_of(conditions):
    """Whether a condition on lanes holds in one of them at least."""
    write, kind = builder(), ir.IntType(conditions.value.type.count)
    return Number(write.icmp_unsigned("!=", write.bitcast(conditions.value, kind), kind(0)))


def choose_lanes(conditions, a, b):
    """The lanes of a where the condition holds, else those of b."""
    return Number(builder().select(conditions.value, a.value, b.value))


def in_doubles(a):
    """Lanes of 32 bits as so many of 64."""
    return Number(builder().fpext(a.value, ir.VectorType(ir.DoubleType(), a.value.type.count)))


@emitted
def store(array, start, a):
    """``array[start : start + lanes] = a``, rounded if the array is of 32 bits; bounds are not checked."""
    lanes, rounded = a.value, ir.VectorType(ir.FloatType(), a.value.type.count)
    if array.single and lanes.type != rounded:
        lanes = builder().fptrunc(lanes, rounded)
    builder().store(lanes, _place(array, start, lanes.type), align=_alignment(lanes.type))


def put_in_lanes(array, start, stride, count, factors, out):
    """Write ``factor * array[start + lane * stride + i]`` for i < count to ``out[i * LANES + lane]``, of each lane.

    There may be several factors, in turn. Fewer than `LANES` places behind are read and written too.
    """

    @each(0, count, LANES)
    def tile(i):
        rows = [load(array, start + i + lane * stride) for lane in range(LANES)]
        for side in (1 << power for power in range(LANES.bit_length() - 1)):
            rows = _turned(rows, side)
        for column, lanes in enumerate(rows):
            for factor in factors:
                lanes = mul(lanes, splat(factor))
            store(out, (i + column) * LANES, lanes)


def _turned(rows, side):
    """Exchange the blocks off the diagonal in all blocks of two sides by two; of all sides in turn this transposes."""
    turned = list(rows)
    for i in (i for i in range(LANES) if not i & side):
        pair = rows[i].value, rows[i + side].value
        places = [lane + (LANES - side) * bool(lane & side) for lane in range(LANES)]
        for row, first in ((i, 0), (i + side, side)):
            turned[row] = _shuffled(*pair, [place + first for place in places])
    return turned


def _load(array, start, kind):
    return Number(builder().load(_place(array, start, kind), align=_alignment(kind)))


def _place(array, start, kind):
    return builder().bitcast(array.pointer(start), kind.as_pointer())


def _alignment(kind):
    # NumPy promises the alignment of one element, not of four; on aligned data an unaligned access costs nothing.
    return 8 if kind.element == ir.DoubleType() else 4


@emitted
def splat(value):
    """Copies of one number in all lanes."""
    return _splat(value, _VECTOR)


def splat_for(array, value):
    """The same in lanes that go with an array."""
    if array.single and isinstance(value, Number):
        value = Number(builder().fptrunc(value.value, ir.FloatType()))
    return _splat(value, _SINGLES if array.single else _VECTOR)


def _splat(value, kind):
    if not isinstance(value, Number):
        return constant(kind, value)
    undefined = ir.Constant(kind, ir.Undefined)
    return _shuffled(builder().insert_element(undefined, value.value, _INDEX(0)), undefined, [0] * kind.count)


def _shuffled(a, b, lanes):
    """Some of the lanes of two, numbered one after the other."""
    order = ir.Constant(ir.VectorType(_INDEX, len(lanes)), list(lanes))
    return Number(builder().shuffle_vector(a, b, order))


@emitted
def add(a, b):
    """``a + b``."""
    return a + b


@emitted
def sub(a, b):
    """``a - b``."""
    return a - b


@emitted
def mul(a, b):
    """``a * b``."""
    return a * b


@emitted
def div(a, b):
    """``a / b``."""
    return a / b


@emitted
def neg(a):
    """``-a``."""
    return constant(a.value.type, -0.0) - a


@emitted
def fma(a, b, c):
    """``a * b + c``, rounded once."""
    return call("llvm.fma", a, b, c)


@emitted
def fnma(a, b, c):
    """``c - a * b``, rounded once."""
    return call("llvm.fma", neg(a), b, c)


@emitted
def rsqrt(a):
    """``1 / sqrt(a)`` by an exact square root and an exact division, not the hardware's estimate."""
    return 1.0 / root(a)


# A complex number is a tuple of its real and its imaginary lanes.


@emitted
def load_complex(array, start):
    """``load`` of the real lanes at ``start`` and of the imaginary ones behind them."""
    return load(array, start), load(array, start + lanes_of(array))


@emitted
def store_complex(array, start, z):
    """``store`` of the real lanes at ``start`` and of the imaginary ones behind them."""
    store(array, start, z[0])
    store(array, start + z[0].value.type.count, z[1])


@emitted
def splat_complex(re, im):
    """Copies of one complex number in all lanes."""
    return splat(re), splat(im)


@emitted
def scale(a, z):
    """``a z`` for real lanes ``a``."""
    return a * z[0], a * z[1]


@emitted
def add_complex(a, b):
    """``a + b``."""
    return a[0] + b[0], a[1] + b[1]


@emitted
def sub_product(z, a, b):
    """``z - a b``: first what the real part of ``a`` takes from either part."""
    re, im = fnma(a[0], b[0], z[0]), fnma(a[0], b[1], z[1])
    return fma(a[1], b[1], re), fnma(a[1], b[0], im)


@emitted
def add_product(z, a, b):
    """``z + a b``: first what the real part of ``a`` adds to either part."""
    re, im = fma(a[0], b[0], z[0]), fma(a[0], b[1], z[1])
    return fnma(a[1], b[1], re), fma(a[1], b[0], im)


@emitted
def add_conjugate_product(z, a, b):
    """``z + a conj(b)``: first what the real part of ``b`` adds to either part."""
    re, im = fma(a[0], b[0], z[0]), fma(a[1], b[0], z[1])
    return fma(a[1], b[1], re), fnma(a[0], b[1], im)


@emitted
def _to_line(array):
    """How many places of an array to leave out, of the first `LANES`, for lanes not to straddle lines of the cache."""
    write = builder()
    line = constant(_INT, 0) - Number(write.lshr(write.ptrtoint(array.data, _INT), _INT(3)))
    return Number(write.and_(line.value, _INT(LANES - 1)))


def align(array):
    """The part of an array, from one of its first `LANES` places on, whose lanes do not straddle lines of the cache."""
    return array.part(_to_line(array), array.shape[0])


@inlined
def aligned(size):
    """An empty array whose lanes do not straddle lines of the cache."""
    spare = np.empty(size + LANES)
    first = _to_line(spare)
    return spare[first : first + size]
