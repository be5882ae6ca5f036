"""Threads among which the worlds of an environment are shared out."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np

from cfenvs.core.config import require

HAND_OVER = 400_000
"""Multiplications and additions, in vectors, in the time in which a thread wakes and takes work over: some 0.2 ms."""
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
    >>> squares = Crew(2).share(lambda rows: np.arange(6)[rows] ** 2, 6)
    >>> np.concatenate(squares).tolist()
    [0, 1, 4, 9, 16, 25]
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

    def parts(self, worlds: int, each: float = np.inf) -> int:
        """Among how many threads it pays to share worlds that take so many multiplications and additions each.

        Examples
        --------
        >>> Crew(2).parts(1024, each=100.0), Crew(2).parts(1024, each=10_000.0)
        (1, 2)
        """
        return int(min(self.threads, max(1.0, worlds * each / HAND_OVER)))

    def share(self, work: Callable[[slice], Result], worlds: int, grain: int = 1, each: float = np.inf) -> list[Result]:
        """`work` of ranges that together are all worlds, one for each thread that it pays for.

        Parameters
        ----------
        work : callable
        worlds : int
        grain : int
            Ranges begin at multiples of it.
        each : float
            Multiplications and additions that a world takes.
        """
        parts, grains = self.parts(worlds, each), -(-worlds // grain)
        cuts = [min(i * grains // parts * grain, worlds) for i in range(parts + 1)]
        return self.map(work, [slice(a, b) for a, b in pairwise(cuts) if a < b])

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
        waiting = _helpers(self.threads - 1, os.getpid())
        answers: list[SimpleQueue[Any]] = [SimpleQueue() for _ in theirs]
        for part, answer in zip(theirs, answers, strict=True):
            waiting.put((work, part, answer))
        own = _outcome(work, mine)
        outcomes = [own, *(answer.get() for answer in answers)]  # all of them: none may still write when this returns
        for _, error in outcomes:
            if error is not None:
                raise error
        return [result for done, _ in outcomes for result in done]


def _outcome(work: Callable[[Item], Result], items: Sequence[Item]) -> tuple[list[Result], BaseException | None]:
    try:
        return [work(item) for item in items], None
    except BaseException as error:
        return [], error


@lru_cache
def _helpers(threads: int, process: int) -> SimpleQueue[Any]:
    """Where work is left for the threads of a process beside the callers', which all environments share.

    Those of a parent do not live in a fork. Bare queues hand work over in 20 us; an executor's futures take 60.
    """
    waiting: SimpleQueue[Any] = SimpleQueue()
    for number in range(threads):
        threading.Thread(target=_help, args=(waiting,), name=f"cfenvs_{number}", daemon=True).start()
    return waiting


def _help(waiting: SimpleQueue[Any]) -> None:
    while True:
        work, items, answer = waiting.get()
        answer.put(_outcome(work, items))
        del work, items, answer  # or the last worlds that it worked on would live on until the next ones come


def available_cpus() -> int:
    """Processors that this process may use.

    Examples
    --------
    >>> available_cpus() > 0
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
