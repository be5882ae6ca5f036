"""How threads share the worlds of a kernel: without Python's lock, so that to hand over takes a microsecond.

A caller writes down, in flags that all see, the address of compiled code and of its arguments, and into which parts the
worlds fall. Threads that wait awake in `help_callers` take parts, as the caller does itself, first those that are
theirs, then whatever is left: nobody waits for one that is asleep, or has no processor at the moment.
"""

# Inside a kernel the types are numba's; the annotations are for its callers.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import inspect
import os
from functools import cache, reduce
from time import perf_counter
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from cfenvs.arrays import Float, Int
from cfenvs.emitted import Number, builder, emitted, remainder, when
from cfenvs.kernels import beside, inlined, kernel

APART = 8
"""Flags so far apart are in lines of the cache of their own."""
OPEN, JOB, INSIDE, FOUND, TAKEN, ASKED, NEXT = (place * APART for place in (0, 1, 2, 3, 4, 5, 6))
"""Flags: the number of the job that is open, or 0; what it is; how many others may be at it; what parts have returned;
whether a caller has a job, and how many there were; what was asked for in Python; of each thread its next part."""
PARTS = 8
"""Of the worlds for each thread: more would cost, and with fewer all would wait longer for the last one."""
YIELD = 256
"""Looks, of a nanosecond or so each, after which those have their turn who wait for the processor."""
FAILED = 2
"""What a part returns that could not allocate memory."""
_INT, _POINTER = ir.IntType(64), ir.IntType(8).as_pointer()
_ONE = ir.Constant(_INT, 1)
_PART = ir.FunctionType(_INT, [_POINTER, _INT, _INT])


def flags_of(threads: int) -> Int:
    """The flags of so many threads, that of the caller included."""
    return np.zeros(NEXT + threads * APART, np.int64)


@emitted
def _tell(flags: Any, place: Any, told: Any) -> None:
    """Write a flag, after all that was written before, and before all that is read from now on."""
    builder().store_atomic(told.value, flags.pointer(place), "seq_cst", 8)


@emitted
def _add(flags: Any, place: Any, more: Any) -> Any:
    """What a flag was before it has become so much more, in the same order."""
    return Number(builder().atomic_rmw("add", flags.pointer(place), more.value, "seq_cst"))


@emitted
def _swap(flags: Any, place: Any, told: Any) -> Any:
    """What a flag was before it was written, in the same order."""
    return Number(builder().atomic_rmw("xchg", flags.pointer(place), told.value, "seq_cst"))


@emitted
def _look(flags: Any, place: Any) -> Any:
    """Read a flag that another thread may write."""
    return Number(builder().load_atomic(flags.pointer(place), "seq_cst", 8))


@emitted
def _let_others(looks: Any) -> None:
    """Let those have their turn who wait for the processor, every so many looks: it takes as long as some hundred."""
    if hasattr(os, "sched_yield"):  # else the system has no such function

        @when(remainder(looks, YIELD).equals(0))
        def turn():
            write, kind = builder(), ir.FunctionType(ir.IntType(32), [])
            write.call(cgutils.get_or_insert_function(write.module, kind, "sched_yield"), [])


@emitted
def _do(function: Any, arguments: Any, first: Any, stop: Any) -> Any:
    """What the code at an address makes of the worlds of a range."""
    write = builder()
    part, pointer = write.inttoptr(function.value, _PART.as_pointer()), write.inttoptr(arguments.value, _POINTER)
    return Number(write.call(part, [pointer, first.value, stop.value]))


@inlined
def _take_parts(flags, me):
    """Do parts of the job until none is left."""
    function, arguments, worlds, size = flags[JOB], flags[JOB + 1], flags[JOB + 2], flags[JOB + 3]
    threads, found = (flags.size - NEXT) // APART, 0
    parts = -(-worlds // size)
    for turn in range(threads):
        whose = (me + turn) % threads
        stop = parts * (whose + 1) // threads
        while True:
            part = _add(flags, NEXT + whose * APART, 1)
            if part >= stop:
                break
            found |= _do(function, arguments, part * size, min((part + 1) * size, worlds))
    if found & 1:
        _tell(flags, FOUND, 1)
    if found & FAILED:
        _tell(flags, FOUND + 1, 1)


@kernel(nogil=True)
def help_callers(flags: Int, me: int, asked: int, looks: int) -> bool:
    """Take parts in jobs until there was none for a while; whether Python has asked for help by then.

    Parameters
    ----------
    flags : int array
    me : int
        Which of the threads this is; 0 is whoever calls.
    asked : int
        What the flag `ASKED` was when nothing was to be done in Python.
    looks : int
        How often to look for a job.
    """
    left, last = looks, 0
    while True:
        job = _look(flags, OPEN)
        if job != 0 and job != last:
            last, left = job, looks
            _add(flags, INSIDE, 1)
            if _look(flags, OPEN) != 0:  # else its caller has gone, with all that was to be done
                _take_parts(flags, me)
            _add(flags, INSIDE, -1)
        elif _look(flags, ASKED) != asked:
            return True
        elif left <= 0:
            return False
        left -= 1
        _let_others(left)


@inlined
def _open(flags, function, arguments, worlds, grain):
    """Do a job with all who help, in parts that begin at multiples of the grain."""
    threads = (flags.size - NEXT) // APART
    size = -(-worlds // (PARTS * threads * grain)) * grain
    flags[JOB], flags[JOB + 1], flags[JOB + 2], flags[JOB + 3] = function, arguments, worlds, size
    flags[FOUND] = flags[FOUND + 1] = 0
    parts = -(-worlds // size)
    for whose in range(threads):
        flags[NEXT + whose * APART] = parts * whose // threads
    flags[TAKEN + 1] += 1
    _tell(flags, OPEN, flags[TAKEN + 1])
    _take_parts(flags, 0)
    _tell(flags, OPEN, 0)
    looks = 0
    while _look(flags, INSIDE) > 0:
        looks += 1
        _let_others(looks)
    found = flags[FOUND] + FAILED * flags[FOUND + 1]
    _tell(flags, TAKEN, 0)
    return found


@cache
def shared(kernel: Any) -> Any:
    """A kernel of flags and of the same arguments, whose worlds threads share.

    It returns whether a part has returned that something is so.

    Parameters
    ----------
    kernel : kernel
        One that says which of its arrays are `of_worlds`.
    """
    outlined = _outlined(kernel)

    def among(flags, *arguments):
        function, address, worlds, grain = outlined(arguments)
        if worlds <= grain or _swap(flags, TAKEN, 1) != 0:  # another caller has taken those who help
            found = _do(function, address, 0, worlds)
        else:
            found = _open(flags, function, address, worlds, grain)
        if found & FAILED:
            raise MemoryError("a kernel had not enough memory")
        return found & 1 == 1

    return beside(kernel, among)


def _outlined(kernel: Any) -> Any:
    """What numba calls with a tuple of a kernel's arguments, and it answers with four integers.

    These are the address of a function that does the kernel's work in the worlds from one to another, that of the
    arguments, which it wants too, how many worlds there are, and of what number the first one must be a multiple.
    """
    places = {name: i for i, name in enumerate(inspect.signature(kernel.py_func).parameters)}
    of_worlds, of_groups = ([places[name] for name in names.split()] for names in (kernel.of_worlds, kernel.of_groups))
    dispatcher = types.Dispatcher(kernel)

    @intrinsic
    def outlined(typing, arguments):
        kinds = arguments.types
        signature: Any = dispatcher.get_call_type(typing, kinds, {})

        def lengths(context, write, values, place):
            return cgutils.unpack_tuple(write, context.make_array(kinds[place])(context, write, values[place]).shape)

        def grain_of(context, write, values):
            return lengths(context, write, values, of_groups[0])[-1] if of_groups else ir.Constant(_INT, 1)

        def entries(context, write, values, place, first, stop):
            """An array from one index to another."""
            array = context.make_array(kinds[place])(context, write, values[place])
            shape, strides = (cgutils.unpack_tuple(write, numbers) for numbers in (array.shape, array.strides))
            shape[0] = write.sub(stop, first)
            array.shape = cgutils.pack_array(write, shape)
            array.nitems = reduce(write.mul, shape)
            array.data = cgutils.pointer_add(write, array.data, write.mul(first, strides[0]), array.data.type)
            return array._getvalue()

        def part(context, module, held):
            compiled = kernel.get_compile_result(signature)
            context.active_code_library.add_linking_library(compiled.library)
            function = ir.Function(module, _PART, f"{compiled.fndesc.mangled_name}.part")
            function.linkage = "internal"
            write = ir.IRBuilder(function.append_basic_block())
            address, first, stop = function.args
            values = cgutils.unpack_tuple(write, write.load(write.bitcast(address, held)))
            grain = grain_of(context, write, values)
            for place in of_worlds:
                values[place] = entries(context, write, values, place, first, stop)
            groups = write.sdiv(first, grain), write.add(write.sdiv(write.sub(stop, _ONE), grain), _ONE)
            for place in of_groups:
                values[place] = entries(context, write, values, place, *groups)
            status, told = context.call_internal_no_propagate(write, compiled.fndesc, signature, values)
            found = write.zext(told, _INT) if signature.return_type == types.boolean else ir.Constant(_INT, 0)
            write.ret(write.select(status.is_error, ir.Constant(_INT, FAILED), found))
            return function

        def answer(context, write, own, packed):
            values = cgutils.unpack_tuple(write, packed[0])
            held = cgutils.alloca_once_value(write, packed[0])
            addresses = [write.ptrtoint(pointer, _INT) for pointer in (part(context, write.module, held.type), held)]
            worlds, grain = lengths(context, write, values, of_worlds[0])[0], grain_of(context, write, values)
            return context.make_tuple(write, own.return_type, [*addresses, worlds, grain])

        return types.UniTuple(types.int64, 4)(arguments), answer

    return outlined


@kernel(of_worlds="values out")
def duplicate(values: Float, out: Float) -> None:
    """Write the same (E, K): for threads, each of which then has what it has written at hand."""
    for e in range(len(values)):
        for k in range(values.shape[1]):
            out[e, k] = values[e, k]


@cache
def looks_in(seconds: float) -> int:
    """How many looks take so long on this machine."""
    flags, took = flags_of(1), []
    help_callers(flags, 0, 0, 1)  # compiled, or read from disk
    for _ in range(5):
        began = perf_counter()
        help_callers(flags, 0, 0, 10_000)
        took.append((perf_counter() - began) / 10_000)
    return round(seconds / min(took))
