"""Threads among which the worlds of an environment are shared out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from cfenvs.core.config import require

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Crew:
    """So many threads, the caller's own among them.

    Kernels release Python's lock, so that threads run them side by side. Each works on worlds of its own, with the same
    arithmetic as one thread alone: results are the same bits.

    Parameters
    ----------
    threads : int
        1 starts none.

    Examples
    --------
    >>> squares = np.zeros(6)
    >>> Crew(2).share(lambda rows: squares.__setitem__(rows, np.arange(6)[rows] ** 2), 6)
    >>> squares
    array([ 0.,  1.,  4.,  9., 16., 25.])
    """

    threads: int = 1

    @classmethod
    def of(cls, threads: Any) -> Crew:
        """From the argument of a face: a number, or "auto" for one thread on each processor that this process may use.

        Raises
        ------
        ValueError
            If it is neither.
        """
        if threads == "auto":
            return cls(available_cpus())
        whole = isinstance(threads, (int, np.integer)) and not isinstance(threads, bool) and threads > 0
        require(bool(whole), "threads", threads, 'must be a whole number, at least 1, or "auto"')
        return cls(int(threads))

    def share(self, work: Callable[[slice], object], worlds: int, grain: int = 1) -> None:
        """Call `work` on ranges that together are all worlds, one for each thread, cut at multiples of `grain`."""
        grains = -(-worlds // grain)
        cuts = [min(i * grains // self.threads * grain, worlds) for i in range(self.threads + 1)]
        self.map(work, [slice(a, b) for a, b in pairwise(cuts) if a < b])

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """`work` of each item, in their order; the caller's thread takes its share. All are done when it returns.

        Raises
        ------
        Exception
            The first that any raised.
        """
        items = list(items)
        if self.threads == 1 or len(items) < 2:
            return [work(item) for item in items]
        cuts = [i * len(items) // self.threads for i in range(self.threads + 1)]
        mine, *theirs = (items[a:b] for a, b in pairwise(cuts) if a < b)
        helpers = _helpers(self.threads - 1, os.getpid())
        given = [helpers.submit(_each, work, part) for part in theirs]
        try:
            done = _each(work, mine)
        finally:
            for part in given:  # none may still write when this returns
                part.exception()
        return [*done, *(result for part in given for result in part.result())]


def _each(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [work(item) for item in items]


@lru_cache
def _helpers(threads: int, process: int) -> ThreadPoolExecutor:
    """The threads of a process beside the callers', of all environments; those of a parent do not live in a fork."""
    return ThreadPoolExecutor(threads, "cfenvs")


def available_cpus() -> int:
    """Processors that this process may use.

    Examples
    --------
    >>> available_cpus() > 0
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
