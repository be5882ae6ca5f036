"""Four float64 lanes as one numba value, eight where the processor has vectors of 512 bits.

LLVM vectorises simple loops by itself, but it does not keep a tile of complex sums in vector registers through a
reduction, because it may not reorder a sum. Here the vector is the value: :data:`lanes_type` is a numba type backed
by the LLVM type ``<4 x double>`` or ``<8 x double>``, and the functions below are the few operations that the kernels
need, each one or two instructions. A kernel then works on so many independent problems at a time and reads like its
scalar form. Every operation is exact IEEE 754 arithmetic lane by lane; nothing is fused or reordered unless it is
written so, and the result in a lane does not depend on its neighbours. Where the machine has narrower vectors, LLVM
splits them.

Numba renews the cached machine code of a kernel when the kernel's own file changes, not when this one does: after an
edit here, remove the ``__pycache__`` beside it.
"""

# To Python the arguments of an intrinsic are numba's types, to a kernel they are lanes: annotations would fit neither.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import extending, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import models, register_model

from cfenvs.kernels import inlined

intrinsic: Any = extending.intrinsic
_config: Any = numba.config


def _processor_has(feature: str) -> bool:
    # The same words by which numba keeps what it compiles apart from what was compiled for another processor.
    given = _config.CPU_FEATURES
    return f"+{feature}" in (get_host_cpu_features() if given is None else given).split(",")


LANES = 8 if _processor_has("avx512f") else 4
COMPLEX = 2 * LANES
"""Numbers in a complex number of so many lanes: the real parts, then the imaginary parts."""

_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_INDEX = ir.IntType(32)
# NumPy promises the alignment of one element, not of four; on aligned data an unaligned access costs nothing.
_ALIGNMENT = 8


class LanesType(types.Type):
    """Numba type of float64 lanes."""

    def __init__(self):
        super().__init__(name=f"float64x{LANES}")


lanes_type = LanesType()
complex_type = types.UniTuple(lanes_type, 2)


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, _VECTOR)


def _is_buffer(array):
    return isinstance(array, types.Array) and (array.dtype, array.ndim, array.layout) == (types.float64, 1, "C")


def _pointer(context, builder, signature, args):
    data = cgutils.create_struct_proxy(signature.args[0])(context, builder, args[0]).data
    return builder.bitcast(builder.gep(data, [args[1]]), _VECTOR.as_pointer())


def _constant(value):
    return ir.Constant(_VECTOR, [value] * LANES)


def _splat(builder, value):
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, value, _INDEX(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES))


def _call(builder, name, *lanes):
    """Call of the LLVM intrinsic ``name``; llvmlite's own methods for these take scalars only."""
    function_type = ir.FunctionType(_VECTOR, [_VECTOR] * len(lanes))
    return builder.call(cgutils.get_or_insert_function(builder.module, function_type, f"{name}.v{LANES}f64"), lanes)


def _neg(builder, a):
    return builder.fsub(_constant(-0.0), a)


def _fma(builder, a, b, c):
    return _call(builder, "llvm.fma", a, b, c)


def _fnma(builder, a, b, c):
    return _call(builder, "llvm.fma", _neg(builder, a), b, c)


def _lanewise(emit, *operands):
    """Typing and code of an operation that the builder method ``emit`` applies lane by lane."""
    if any(operand != lanes_type for operand in operands):
        return None
    return lanes_type(*operands), lambda context, builder, signature, args: emit(builder, *args)


@intrinsic
def load(typingctx, array, start):
    """Lanes ``array[start : start + LANES]`` of a contiguous one-dimensional float64 array; bounds are not checked."""
    if not (_is_buffer(array) and isinstance(start, types.Integer)):
        return None

    def codegen(context, builder, signature, args):
        return builder.load(_pointer(context, builder, signature, args), align=_ALIGNMENT)

    return lanes_type(array, types.intp), codegen


@intrinsic
def load_apart(typingctx, array, start, stride):
    """``array[start : start + LANES * stride : stride]``; bounds are not checked."""
    if not (_is_buffer(array) and isinstance(start, types.Integer) and isinstance(stride, types.Integer)):
        return None

    def codegen(context, builder, signature, args):
        first = builder.gep(cgutils.create_struct_proxy(array)(context, builder, args[0]).data, [args[1]])
        lanes = ir.Constant(_VECTOR, ir.Undefined)
        for lane in range(LANES):
            number = builder.load(builder.gep(first, [builder.mul(args[2], args[2].type(lane))]))
            lanes = builder.insert_element(lanes, number, _INDEX(lane))
        return lanes

    return lanes_type(array, types.intp, types.intp), codegen


@intrinsic
def store(typingctx, array, start, lanes):
    """Write ``lanes`` to ``array[start : start + LANES]``; bounds are not checked."""
    if not (_is_buffer(array) and isinstance(start, types.Integer) and lanes == lanes_type):
        return None

    def codegen(context, builder, signature, args):
        builder.store(args[2], _pointer(context, builder, signature, args), align=_ALIGNMENT)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes_type), codegen


@intrinsic
def splat(typingctx, value):
    """Copies of one number in all lanes."""
    return lanes_type(types.float64), lambda context, builder, signature, args: _splat(builder, args[0])


@intrinsic
def add(typingctx, a, b):
    """``a + b``."""
    return _lanewise(ir.IRBuilder.fadd, a, b)


@intrinsic
def sub(typingctx, a, b):
    """``a - b``."""
    return _lanewise(ir.IRBuilder.fsub, a, b)


@intrinsic
def mul(typingctx, a, b):
    """``a * b``."""
    return _lanewise(ir.IRBuilder.fmul, a, b)


@intrinsic
def div(typingctx, a, b):
    """``a / b``."""
    return _lanewise(ir.IRBuilder.fdiv, a, b)


@intrinsic
def neg(typingctx, a):
    """``-a``."""
    return _lanewise(_neg, a)


@intrinsic
def fma(typingctx, a, b, c):
    """``a * b + c``, rounded once."""
    return _lanewise(_fma, a, b, c)


@intrinsic
def fnma(typingctx, a, b, c):
    """``c - a * b``, rounded once."""
    return _lanewise(_fnma, a, b, c)


@intrinsic
def rsqrt(typingctx, a):
    """``1 / sqrt(a)`` by an exact square root and an exact division, not the hardware's estimate."""
    return _lanewise(lambda builder, a: builder.fdiv(_constant(1.0), _call(builder, "llvm.sqrt", a)), a)


# A complex number is a tuple of its real and its imaginary lanes. One of the operations below stands for several calls
# of the ones above, and calls are what compilation spends its time on.


def _complexwise(emit, *operands):
    """Typing and code of an operation on complex numbers: `emit` maps the builder and their pairs to a pair."""
    if any(operand != complex_type for operand in operands):
        return None

    def codegen(context, builder, signature, args):
        pairs = [[builder.extract_value(arg, part) for part in (0, 1)] for arg in args]
        return context.make_tuple(builder, complex_type, emit(builder, *pairs))

    return complex_type(*operands), codegen


@intrinsic
def load_complex(typingctx, array, start):
    """``load`` of the real lanes at ``start`` and of the imaginary ones behind them."""
    if not (_is_buffer(array) and isinstance(start, types.Integer)):
        return None

    def codegen(context, builder, signature, args):
        real = _pointer(context, builder, signature, args)
        parts = [builder.load(place, align=_ALIGNMENT) for place in (real, builder.gep(real, [_INDEX(1)]))]
        return context.make_tuple(builder, complex_type, parts)

    return complex_type(array, types.intp), codegen


@intrinsic
def store_complex(typingctx, array, start, z):
    """``store`` of the real lanes at ``start`` and of the imaginary ones behind them."""
    if not (_is_buffer(array) and isinstance(start, types.Integer) and z == complex_type):
        return None

    def codegen(context, builder, signature, args):
        real = _pointer(context, builder, signature, args)
        for part, place in enumerate((real, builder.gep(real, [_INDEX(1)]))):
            builder.store(builder.extract_value(args[2], part), place, align=_ALIGNMENT)
        return context.get_dummy_value()

    return types.void(array, types.intp, complex_type), codegen


@intrinsic
def splat_complex(typingctx, re, im):
    """Copies of one complex number in all lanes."""

    def codegen(context, builder, signature, args):
        return context.make_tuple(builder, complex_type, [_splat(builder, arg) for arg in args])

    return complex_type(types.float64, types.float64), codegen


@intrinsic
def scale(typingctx, a, z):
    """``a z`` for real lanes ``a``."""
    if (a, z) != (lanes_type, complex_type):
        return None

    def codegen(context, builder, signature, args):
        parts = [builder.fmul(args[0], builder.extract_value(args[1], part)) for part in (0, 1)]
        return context.make_tuple(builder, complex_type, parts)

    return complex_type(lanes_type, complex_type), codegen


@intrinsic
def sub_product(typingctx, z, a, b):
    """``z - a b``: first what the real part of ``a`` takes from either part."""

    def emit(builder, z, a, b):
        re, im = _fnma(builder, a[0], b[0], z[0]), _fnma(builder, a[0], b[1], z[1])
        return _fma(builder, a[1], b[1], re), _fnma(builder, a[1], b[0], im)

    return _complexwise(emit, z, a, b)


@intrinsic
def add_conjugate_product(typingctx, z, a, b):
    """``z + a conj(b)``: first what the real part of ``b`` adds to either part."""

    def emit(builder, z, a, b):
        re, im = _fma(builder, a[0], b[0], z[0]), _fma(builder, a[1], b[0], z[1])
        return _fma(builder, a[1], b[1], re), _fnma(builder, a[0], b[1], im)

    return _complexwise(emit, z, a, b)


@inlined
def aligned(size):
    """An empty array whose lanes do not straddle lines of the cache."""
    spare = np.empty(size + LANES)
    first = -(spare.ctypes.data // 8) % LANES
    return spare[first : first + size]
