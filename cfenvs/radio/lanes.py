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
# NumPy promises the alignment of one element, not of four; on aligned data an unaligned access costs nothing.
_ALIGNMENT = 8


class LanesType(types.Type):
    """Numba type of float64 lanes."""

    def __init__(self):
        super().__init__(name=f"float64x{LANES}")


lanes_type = LanesType()


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


def _call(builder, name, *lanes):
    """Call of the LLVM intrinsic ``name``; llvmlite's own methods for these take scalars only."""
    function_type = ir.FunctionType(_VECTOR, [_VECTOR] * len(lanes))
    return builder.call(cgutils.get_or_insert_function(builder.module, function_type, f"{name}.v{LANES}f64"), lanes)


def _neg(builder, a):
    return builder.fsub(_constant(-0.0), a)


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

    def codegen(context, builder, signature, args):
        undefined = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(undefined, args[0], ir.IntType(32)(0))
        return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))

    return lanes_type(types.float64), codegen


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
    return _lanewise(lambda builder, *abc: _call(builder, "llvm.fma", *abc), a, b, c)


@intrinsic
def fnma(typingctx, a, b, c):
    """``c - a * b``, rounded once."""
    return _lanewise(lambda builder, a, b, c: _call(builder, "llvm.fma", _neg(builder, a), b, c), a, b, c)


@intrinsic
def rsqrt(typingctx, a):
    """``1 / sqrt(a)`` by an exact square root and an exact division, not the hardware's estimate."""
    return _lanewise(lambda builder, a: builder.fdiv(_constant(1.0), _call(builder, "llvm.sqrt", a)), a)


@inlined
def aligned(size):
    """An empty array whose lanes do not straddle lines of the cache."""
    spare = np.empty(size + LANES)
    first = -(spare.ctypes.data // 8) % LANES
    return spare[first : first + size]
