"""Parts of kernels that are written straight into LLVM's language, where numba would take ten times as long.

Numba reads a function statement by statement, infers the type of each name, and makes a variable in memory of it, which
LLVM then takes apart again: a millisecond for each statement. An `emitted` function is run instead, in Python, for each
of its calls in a kernel that is compiled, on placeholders of its arguments: what it does with them is what the kernel
will do. A placeholder is a `Number`, a `Buffer` or a tuple of such; loops are `each` and `fold`, conditions `choose`
and `when`: a ``for`` or an ``if`` of Python is over when the kernel runs. Nothing is checked then, as bounds of arrays.

Emitted functions are called by kernels and by each other. As with `cfenvs.kernels.inlined`, numba does not see when
they change.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import signature as signature_of
from numba.extending import lower_builtin, type_callable

_INT, _REAL, _SINGLE = ir.IntType(64), ir.DoubleType(), ir.FloatType()
_TRUTH, _BYTE = ir.IntType(1), ir.IntType(8)
_TYPES: dict[ir.Type, Any] = {_INT: types.intp, _REAL: types.float64, _TRUTH: types.boolean}
_TUPLE: Any = types.BaseTuple
_ARRAYS = {
    types.float64: (_REAL, 1),
    types.float32: (_SINGLE, 1),
    types.complex128: (_REAL, 2),
    types.intp: (_INT, 1),
    types.boolean: (_BYTE, 1),
}
"""As what the entries of an array are stored, and in how many parts."""
_builders: list[ir.IRBuilder] = []  # of what is being written; numba compiles one kernel at a time


def emitted(function: Callable[..., Any]) -> Any:
    """Decorator of a part of kernels that is run when they are compiled, and writes what they do."""

    def typed(*arguments):
        taken = [_taken(kind) for kind in arguments]
        return None if None in taken else signature_of(_returned(function, tuple(taken)), *taken)

    def write(context, builder, signature, values):
        made = [_made(context, builder, kind, value) for kind, value in zip(signature.args, values, strict=True)]
        return _packed(context, builder, signature.return_type, _run(function, builder, made))

    typed.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]  # how many arguments there are
    type_callable(function)(lambda context: typed)
    lower_builtin(function, types.VarArg(types.Any))(write)
    return function


def represent(kind: ir.Type, numba_type: types.Type) -> None:
    """Let emitted functions take and return values of a numba type that is one LLVM type."""
    _TYPES[kind] = numba_type


class Number:
    """An integer, a real number, a truth value or lanes, as LLVM has it; the arithmetic of Python is that of LLVM."""

    def __init__(self, value: ir.Value) -> None:
        self.value = value

    def __add__(self, other: Real) -> Number:
        return self._with(other, "add")

    def __sub__(self, other: Real) -> Number:
        return self._with(other, "sub")

    def __mul__(self, other: Real) -> Number:
        return self._with(other, "mul")

    def __truediv__(self, other: Real) -> Number:
        return (as_real(self) if self.value.type == _INT else self)._with(other, "div")

    def __floordiv__(self, other: Whole) -> Number:
        """Of integers that are not negative."""
        return Number(builder().sdiv(self.value, _integer(other)))

    def __rsub__(self, other: float) -> Number:
        return constant(self.value.type, other) - self

    def __rtruediv__(self, other: float) -> Number:
        return constant(self.value.type, other) / self

    def __lt__(self, other: Real) -> Number:
        return self._compared(other, "<")

    def __le__(self, other: Real) -> Number:
        return self._compared(other, "<=")

    def __gt__(self, other: Real) -> Number:
        return self._compared(other, ">")

    def __ge__(self, other: Real) -> Number:
        return self._compared(other, ">=")

    def equals(self, other: Real) -> Number:
        return self._compared(other, "==")

    def differs(self, other: Real) -> Number:
        return self._compared(other, "!=")

    def __and__(self, other: Whole) -> Number:
        return self._bitwise(other, "and_")

    def __or__(self, other: Whole) -> Number:
        return self._bitwise(other, "or_")

    def __xor__(self, other: Whole) -> Number:
        return self._bitwise(other, "xor")

    def __lshift__(self, other: Whole) -> Number:
        return self._bitwise(other, "shl")

    def __rshift__(self, other: Whole) -> Number:
        """Zeros come in, whatever the sign."""
        return self._bitwise(other, "lshr")

    def __bool__(self) -> bool:
        raise TypeError("what a number is shows when the kernel runs: a condition on it is `choose` or `when`")

    __radd__, __rmul__ = __add__, __mul__

    def _with(self, other: Real, name: str) -> Number:
        a, b = self._beside(other)
        whole = isinstance(a.type.element if isinstance(a.type, ir.VectorType) else a.type, ir.IntType)
        return Number(getattr(builder(), name if whole else f"f{name}")(a, b))

    def _bitwise(self, other: Whole, name: str) -> Number:
        return Number(getattr(builder(), name)(*self._beside(other)))

    def _compared(self, other: Real, name: str) -> Number:
        a, b = self._beside(other)
        return Number((builder().icmp_signed if a.type == _INT else builder().fcmp_ordered)(name, a, b))

    def _beside(self, other: Real) -> tuple[ir.Value, ir.Value]:
        """Two numbers of one kind: an integer beside a real number becomes one."""
        kind = self.value.type
        if not isinstance(other, Number):
            other = constant(_REAL if kind == _INT and isinstance(other, float) else kind, other)
        if kind == _INT and other.value.type == _REAL:
            return as_real(self).value, other.value
        if kind == _REAL and other.value.type == _INT:
            return self.value, as_real(other).value
        return self.value, other.value


Whole = Number | int
Real = Number | float


def constant(kind: ir.Type, number: Any) -> Number:
    """A number, or lanes of it, of an LLVM type."""
    return Number(ir.Constant(kind, [number] * kind.count if isinstance(kind, ir.VectorType) else number))


def integer(number: int) -> Number:
    """An integer."""
    return constant(_INT, number)


def real(number: float) -> Number:
    """A real number."""
    return constant(_REAL, number)


def truth(value: bool) -> Number:
    """A truth value."""
    return constant(_TRUTH, value)


class Buffer:
    """A C-contiguous array; the two parts of complex numbers stand one after the other.

    Of real numbers that are stored in 32 bits 64 are read, and taken to be written.
    """

    def __init__(self, data: ir.Value, shape: Sequence[Number], parts: int) -> None:
        self.data, self.shape, self.parts = data, shape, parts

    def __getitem__(self, place: Whole) -> Number:
        stored = builder().load(self.pointer(place))
        if self.single:
            return Number(builder().fpext(stored, _REAL))
        return Number(builder().trunc(stored, _TRUTH) if stored.type == _BYTE else stored)

    def __setitem__(self, place: Whole, number: Number) -> None:
        value = number.value
        if self.single:
            value = builder().fptrunc(value, _SINGLE)
        builder().store(builder().zext(value, _BYTE) if value.type == _TRUTH else value, self.pointer(place))

    @property
    def single(self) -> bool:
        """Whether its numbers are real ones of 32 bits."""
        return bool(self.data.type.pointee == _SINGLE)

    def pointer(self, place: Whole) -> ir.Value:
        return builder().gep(self.data, [_integer(place)])

    def part(self, place: Whole, *shape: Number, parts: int = 1) -> Buffer:
        """An array of so many entries from one place on."""
        return Buffer(self.pointer(place), shape, parts)

    def in_singles(self) -> Buffer:
        """The memory of an array of one dimension for numbers of 32 bits, twice as many."""
        return Buffer(builder().bitcast(self.data, _SINGLE.as_pointer()), [self.shape[0] * 2], 1)

    def entry(self, i: Number) -> Buffer:
        """The array that stands at an index of the first dimension."""
        return self.part(self.place(i), *self.shape[1:], parts=self.parts)

    def place(self, *indices: Any) -> Number:
        """Where the entry at some indices is, zero being those that are left out, or the first part of it."""
        place = indices[0]
        for length, i in zip(self.shape[1:], (*indices[1:], *[0] * (len(self.shape) - len(indices))), strict=True):
            place = place * length + i
        return place * self.parts


def builder() -> ir.IRBuilder:
    """What writes instructions at the current place."""
    return _builders[-1]


def remainder(a: Number, b: Whole) -> Number:
    """What a division of an integer that is not negative leaves over."""
    return Number(builder().srem(a.value, _integer(b)))


def as_real(i: Number) -> Number:
    """An integer as a real number."""
    return Number(builder().sitofp(i.value, _REAL))


def as_integer(x: Number) -> Number:
    """A truth value as 0 or 1."""
    return Number(builder().zext(x.value, _INT))


def whole_part(x: Number) -> Number:
    """A real number without its fraction, as an integer."""
    return Number(builder().fptosi(x.value, _INT))


def smaller(a: Number, b: Number) -> Number:
    """The smaller of two numbers."""
    return Number(builder().select((b < a).value, b.value, a.value))


def larger(a: Number, b: Number) -> Number:
    """The larger of two numbers."""
    return Number(builder().select((a < b).value, b.value, a.value))


def not_negative(x: Number) -> Number:
    """A real number, or zero if it is negative."""
    return Number(builder().select((x < 0.0).value, real(0.0).value, x.value))


def absolute(x: Number) -> Number:
    """The size of a real number."""
    return call("llvm.fabs", x)


def log2(x: Number) -> Number:
    """The logarithm to base 2 of a real number."""
    return call("llvm.log2", x)


def exp(x: Number) -> Number:
    """E to a real number."""
    return call("llvm.exp", x)


def log1p(x: Number) -> Number:
    """The natural logarithm of 1 plus a real number."""
    return call("log1p", x)


def power(x: Number, exponent: Number) -> Number:
    """A real number to the power of another."""
    return call("llvm.pow", x, exponent)


def root(x: Number) -> Number:
    """The square root of a real number, or of lanes."""
    return call("llvm.sqrt", x)


def call(name: str, *numbers: Number) -> Number:
    """What a function of LLVM, ``llvm.name`` for every kind, or of C, makes of numbers of one kind: another of it."""
    write, kind = builder(), numbers[0].value.type
    if name.startswith("llvm."):
        vector = isinstance(kind, ir.VectorType)
        name = f"{name}.v{kind.count}{kind.element.intrinsic_name}" if vector else f"{name}.{kind.intrinsic_name}"
    function = cgutils.get_or_insert_function(write.module, ir.FunctionType(kind, [kind] * len(numbers)), name)
    return Number(write.call(function, [number.value for number in numbers]))


def each(first: Whole, stop: Whole, step: Whole = 1, rolled: bool = True) -> Callable[[Callable[[Number], None]], None]:
    """Decorator that makes a loop of a function of i, which stands for ``for i in range(first, stop, step)``."""

    def run(body):
        def go_on(i, state):
            body(i)
            return state

        fold((), first, stop, step, rolled)(go_on)

    return run


def fold(
    state: Any, first: Whole, stop: Whole, step: Whole = 1, rolled: bool = True
) -> Callable[[Callable[[Number, Any], Any]], Any]:
    """The same of a function of i and a state, which returns the next one: in place of it stands the last one.

    A state is a number, or a tuple of states. A loop whose bounds are integers of Python is written out, and i is such
    an integer. LLVM unrolls others only if they are not `rolled`: for short ones that gains time.
    """

    def run(body):
        if isinstance(first, int) and isinstance(stop, int) and isinstance(step, int):
            return functools.reduce(lambda here, i: body(i, here), range(first, stop, step), state)
        write = builder()
        before = write.block
        head, inside, after = (write.append_basic_block(f"loop.{name}") for name in ("head", "body", "after"))
        write.branch(head)
        write.position_at_end(head)
        counter, phis = write.phi(_INT), [write.phi(leaf.value.type) for leaf in _leaves(state)]
        counter.add_incoming(_integer(first), before)
        _add_incoming(phis, state, before)
        here = _like(state, iter(phis))
        write.cbranch(write.icmp_signed("<", counter, _integer(stop)), inside, after)
        write.position_at_end(inside)
        new = body(Number(counter), here)
        counter.add_incoming(write.add(counter, _integer(step), flags=["nsw"]), write.block)
        _add_incoming(phis, new, write.block)
        back = write.branch(head)
        if rolled:
            _keep_rolled(write.module, back)
        write.position_at_end(after)
        return here

    return run


def during(state: Any, holds: Callable[[Any], Number]) -> Callable[[Callable[[Any], Any]], Any]:
    """The same of a function of a state alone, which stands for ``while holds(state): state = function(state)``."""

    def run(body):
        write = builder()
        before = write.block
        head, inside, after = (write.append_basic_block(f"while.{name}") for name in ("head", "body", "after"))
        write.branch(head)
        write.position_at_end(head)
        phis = [write.phi(leaf.value.type) for leaf in _leaves(state)]
        _add_incoming(phis, state, before)
        here = _like(state, iter(phis))
        write.cbranch(holds(here).value, inside, after)
        write.position_at_end(inside)
        _add_incoming(phis, body(here), write.block)
        write.branch(head)
        write.position_at_end(after)
        return here

    return run


def _keep_rolled(module, back):
    """Have LLVM not unroll a loop that goes back, which would take it a quarter longer for code that is no faster."""
    flag = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
    loop = ir.values.MDValue(module, [flag], str(len(module.metadata)))
    loop.operands = loop, flag  # what says something of a loop begins with itself
    back.set_metadata("llvm.loop", loop)


def choose(condition: Number, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
    """``then()`` if the condition holds, else ``otherwise()``: two states of the same kinds."""
    write, ends = builder(), []
    with write.if_else(condition.value) as branches:
        for branch, function in zip(branches, (then, otherwise), strict=True):
            with branch:
                ends.append((function(), write.block))
    phis = [write.phi(leaf.value.type) for leaf in _leaves(ends[0][0])]
    for state, end in ends:
        _add_incoming(phis, state, end)
    return _like(ends[0][0], iter(phis))


def when(condition: Number) -> Callable[[Callable[[], None]], None]:
    """Decorator that has a function of nothing run if the condition holds."""

    def run(body):
        with builder().if_then(condition.value):
            body()

    return run


def table(numbers: Sequence[int] | Sequence[float]) -> Buffer:
    """An array of integers or of real numbers that are known."""
    kind, write = _INT if isinstance(numbers[0], int) else _REAL, builder()
    known = ir.Constant(ir.ArrayType(kind, len(numbers)), list(numbers))
    data = cgutils.global_constant(write.module, "table", known)
    return Buffer(write.bitcast(data, kind.as_pointer()), [integer(len(numbers))], 1)


def fill(array: Buffer, number: Number) -> None:
    """Write a number to all places of an array of one dimension."""

    @each(0, array.shape[0])
    def entry(i):
        array[i] = number


@emitted
def bits_of(x: Number) -> Number:
    """The bits of a real number as an integer."""
    return Number(builder().bitcast(x.value, _INT))


@emitted
def of_bits(i: Number) -> Number:
    """The real number that has some bits."""
    return Number(builder().bitcast(i.value, _REAL))


def _integer(i):
    return i.value if isinstance(i, Number) else ir.Constant(_INT, i)


def _leaves(state):
    return [state] if isinstance(state, Number) else [leaf for part in state for leaf in _leaves(part)]


def _like(state, values):
    """The structure of a state, of other values."""
    return Number(next(values)) if isinstance(state, Number) else tuple(_like(part, values) for part in state)


def _add_incoming(phis, state, block):
    for phi, leaf in zip(phis, _leaves(state), strict=True):
        phi.add_incoming(leaf.value, block)


def _run(function, builder, arguments):
    _builders.append(builder)
    try:
        return function(*arguments)
    finally:
        _builders.pop()


def _taken(kind: Any):
    """The numba type as which an argument is taken, None if it is not."""
    for abstract, taken in ((types.Integer, types.intp), (types.Float, types.float64), (types.Boolean, types.boolean)):
        if isinstance(kind, abstract):
            return taken
    if isinstance(kind, _TUPLE):
        parts = [_taken(part) for part in kind.types]
        return None if None in parts else _TUPLE.from_types(parts)
    if isinstance(kind, types.Array):
        return kind if kind.layout == "C" and kind.dtype in _ARRAYS else None
    return kind if kind in _TYPES.values() else None


@functools.cache
def _returned(function, taken):
    """The numba type that a function returns, which shows once it has written something."""
    nowhere = ir.Function(ir.Module(), ir.FunctionType(ir.VoidType(), []), "nowhere")
    arguments = [_made(None, None, kind, None) for kind in taken]
    return _type_of(_run(function, ir.IRBuilder(nowhere.append_basic_block()), arguments))


def _type_of(result):
    if result is None:
        return types.void
    if isinstance(result, Number):
        return _TYPES[result.value.type]
    return _TUPLE.from_types([_type_of(part) for part in result])


def _made(context, builder, kind: Any, value):
    """The placeholder of an argument; of no value in particular without a context."""
    undefined = context is None
    if isinstance(kind, _TUPLE):
        parts = kind.types if undefined else zip(kind.types, cgutils.unpack_tuple(builder, value), strict=True)
        return tuple(_made(context, builder, *((part, None) if undefined else part)) for part in parts)
    if isinstance(kind, types.Array):
        (stored, parts), undefined_length = _ARRAYS[kind.dtype], constant(_INT, ir.Undefined)
        if undefined:
            return Buffer(ir.Constant(stored.as_pointer(), ir.Undefined), [undefined_length] * kind.ndim, parts)
        array = cgutils.create_struct_proxy(kind)(context, builder, value)
        shape = [Number(length) for length in cgutils.unpack_tuple(builder, array.shape)]
        return Buffer(builder.bitcast(array.data, stored.as_pointer()), shape, parts)
    if undefined:
        value = ir.Constant(next(of for of, numba_type in _TYPES.items() if numba_type == kind), ir.Undefined)
    return Number(value)


def _packed(context, builder, kind, result):
    if result is None:
        return context.get_dummy_value()
    if isinstance(result, Number):
        return result.value
    return context.make_tuple(
        builder, kind, [_packed(context, builder, *part) for part in zip(kind.types, result, strict=True)]
    )
