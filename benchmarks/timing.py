"""What is timed, timing in blocks of processor time, and ratios of medians."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

BLOCKS = 15
"""Timed blocks in a row; the table shows their median and range."""
BLOCK_SECONDS = 0.1


class Workload(NamedTuple):
    """Something to do again and again.

    Attributes
    ----------
    run : callable
        Does `amount` units of work, or returns how many it has done.
    amount : float
    unit : str
    prepare : callable
        Called before each block and not timed.
    most_calls : int
        Of `run` in a block.
    """

    run: Callable[[], Any]
    amount: float = 1.0
    unit: str = "world-steps"
    prepare: Callable[[], object] = lambda: None
    most_calls: int = 1_000_000


class Timed(NamedTuple):
    """A row of the table before it is timed: its name, and what makes the workload.

    Attributes
    ----------
    name : str
    make : callable
    shared : callable, optional
        The same with a number of threads, where an environment can share out its worlds.
    """

    name: str
    make: Callable[[], Workload]
    shared: Callable[[int], Workload] | None = None


class Pair(NamedTuple):
    """A row on two sides: rates of blocks in turn, on the one and on the other."""

    name: str
    unit: str
    here: tuple[float, ...]
    there: tuple[float, ...]


class Row(NamedTuple):
    """A row of the table: rates of `BLOCKS` blocks."""

    name: str
    unit: str
    per_second: tuple[float, ...]

    @property
    def median(self) -> float:
        return float(np.median(self.per_second))


class Blocks:
    """Blocks of about a tenth of a second of a workload; the first two calls, which may compile, belong to none.

    Normals are those of the kernel, which otherwise is compiled only once millions have been drawn.

    Parameters
    ----------
    work : Workload
    clock : callable
        Seconds so far: of processor time, which the other users of a machine disturb least, unless threads share work.
    """

    def __init__(self, work: Workload, clock: Callable[[], float] = time.process_time) -> None:
        self._work, self._clock = work, clock
        with suppress(ImportError, AttributeError):  # of another checkout, from before
            import_module("cfenvs.radio.ziggurat").agrees_with_numpy()
        work.run()
        start = clock()
        work.run()
        taken = max(clock() - start, 1e-9)
        self._calls = min(max(1, int(BLOCK_SECONDS / taken)), work.most_calls)

    def time(self) -> float:
        """Units of work for each second in one block."""
        run, amount, done = self._work.run, self._work.amount, 0.0
        self._work.prepare()
        start = self._clock()
        for _ in range(self._calls):
            counted = run()
            done += amount if counted is None else counted
        return done / max(self._clock() - start, 1e-9)


def in_turn(name: str, unit: str, sides: Sequence[Callable[[], float]], blocks: int) -> Pair:
    """Rates of blocks on two sides; neither always goes first."""
    rates: tuple[list[float], list[float]] = ([], [])
    for block in range(blocks):
        for side in (0, 1) if block % 2 == 0 else (1, 0):
            rates[side].append(sides[side]())
    return Pair(name, unit, tuple(rates[0]), tuple(rates[1]))


def timed(row: Timed) -> Row:
    """Time a row."""
    work = row.make()
    blocks = Blocks(work)
    return Row(row.name, work.unit, tuple(blocks.time() for _ in range(BLOCKS)))


def ratio(name: str, row: Row, other: Row) -> None:
    """Print the ratio of two medians."""
    factor = row.median / other.median
    print(f"{name}: {factor:,.1f} x" if factor < 1000 else f"{name}: {factor:,.0f} x")
