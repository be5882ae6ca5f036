"""How threads wait for each other: awake for a while, as it takes long to wake up, and without Python's lock."""

from __future__ import annotations

import os
from functools import cache
from time import perf_counter
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from cfenvs.arrays import Int
from cfenvs.emitted import Number, builder, emitted
from cfenvs.kernels import kernel

APART = 8
"""Flags so far apart are in lines of the cache of their own."""


@emitted
def _tell(flags: Any, place: Any, told: Any) -> None:
    """Write a flag, after all that was written before."""
    builder().store_atomic(told.value, flags.pointer(place), "release", 8)


@emitted
def _look(flags: Any, place: Any) -> Any:
    """Read a flag that another thread may write, once those had their turn who wait for the processor."""
    write = builder()
    if hasattr(os, "sched_yield"):  # else the system has no such function
        kind = ir.FunctionType(ir.IntType(32), [])
        write.call(cgutils.get_or_insert_function(write.module, kind, "sched_yield"), [])
    return Number(write.load_atomic(flags.pointer(place), "acquire", 8))


@kernel(nogil=True)
def meet(flags: Int, mine: int, told: int, theirs: int, awaited: int, looks: int, more: int) -> bool:
    """Tell others something, then wait until they tell what is awaited; whether they have.

    Parameters
    ----------
    flags : int array
    mine, told : int
        Which of them is written, and what.
    theirs, awaited : int
        Which of them is read until it is at least so large.
    looks : int
        How often at most.
    more : int
        Looks after that, while the others are taken to need Python's lock.
    """
    _tell(flags, mine, told)
    for _ in range(looks):
        if _look(flags, theirs) >= awaited:
            for _ in range(more):
                _look(flags, theirs)
            return True
    return False


@cache
def looks_in(seconds: float) -> int:
    """How many looks take so long on this machine."""
    flags, took = np.zeros(2 * APART, np.int64), []
    meet(flags, 0, 0, APART, 1, 1, 0)  # compiled, or read from disk
    for _ in range(5):
        began = perf_counter()
        meet(flags, 0, 0, APART, 1, 100, 0)
        took.append((perf_counter() - began) / 100)
    return round(seconds / min(took))
