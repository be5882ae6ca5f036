"""Threads among which the worlds of an environment are shared out."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, pairwise
from queue import SimpleQueue
from time import perf_counter
from typing import Any, Generic, TypeVar

import numpy as np

from cfenvs.core.config import require
from cfenvs.core.waiting import APART, looks_in, meet

# Measured on the machine of docs/speed.rst; they decide how fast it goes, and not what comes out.
HAND_OVER = 200_000
"""Multiplications and additions, in vectors, of a thread for which it pays: some 0.1 ms."""
LAG = 150_000
"""Those that the caller does before the others begin and after they have ended: some 75 us."""
AWAKE = 0.5e-3
"""Seconds for which threads wait awake for each other, before they fall asleep."""
ASIDE = 8e-6
"""Those in which a caller that has asked for help begins its own work, and then needs Python's lock no more."""
IN_VAIN = 3
"""Waits that were too long, after which a thread falls asleep at once, until one is short again."""
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

        The first, which is the caller's, is larger by what it does while the others do not work yet, or no more: two
        threads that ended together would both want Python's lock.

        Parameters
        ----------
        work : callable
        worlds : int
        grain : int
            Ranges begin at multiples of it.
        each : float
            Multiplications and additions that a world takes.
        """
        return self.map(work, _ranges(worlds, grain, self.parts(worlds, each), LAG / each))

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """`work` of each item, in their order, by the caller's thread and others. All are done when it returns.

        The caller begins with the first, and does what nobody has begun by the time that it would wait.

        Raises
        ------
        BaseException
            The first that any raised.
        """
        if self.threads == 1 or len(items) < 2:
            return [work(item) for item in items]
        job, helpers = _Job(work, items), _helpers(self.threads - 1, os.getpid())
        try:
            helpers.ask(job, min(len(items), self.threads) - 1)
            job.do()
        finally:
            job.end(helpers)
        return job.results()


@lru_cache
def _ranges(worlds: int, grain: int, parts: int, ahead: float) -> tuple[slice, ...]:
    """At most so many ranges, the first larger by some worlds."""
    grains = -(-worlds // grain)
    first = min(ahead / grain, grains)
    stops = [round(first + (grains - first) * (i + 1) / parts) * grain for i in range(parts)]
    return tuple(slice(a, min(b, worlds)) for a, b in pairwise([0, *stops]) if a < b)


class _Job(Generic[Item, Result]):
    """Work of some items, of which threads take one after the other."""

    def __init__(self, work: Callable[[Item], Result], items: Sequence[Item]) -> None:
        self._work, self._left = work, deque(enumerate(items))
        self._outcomes: dict[int, tuple[Result | None, BaseException | None]] = {}
        self._helping: list[tuple[int, int]] = []
        self._helped: list[None] = []
        self._some_helped: SimpleQueue[None] = SimpleQueue()

    def do(self) -> None:
        """Work until no item is left; what it raises is kept."""
        while True:
            try:
                number, item = self._left.popleft()
            except IndexError:
                return
            try:
                self._outcomes[number] = self._work(item), None
            except BaseException as error:
                self._outcomes[number] = None, error

    def help(self, flag: int, told: int) -> None:
        """The same in another thread than that whose job it is, which will then tell something by its flag."""
        self._helping.append((flag, told))
        self.do()
        self._helped.append(None)
        self._some_helped.put(None)

    def end(self, helpers: _Helpers) -> None:
        """Let no item begin any more, and wait for those who help, interrupted or not: none may write from now on."""
        self._left.clear()
        interrupt = None
        while len(self._helped) < len(self._helping):
            try:
                if not all(helpers.hear(*told) for told in self._helping):
                    self._some_helped.get()
            except BaseException as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt

    def results(self) -> list[Result]:
        """Of all items, which are done."""
        outcomes = [self._outcomes[number] for number in range(len(self._outcomes))]
        for _, error in outcomes:
            if error is not None:
                raise error
        return [result for result, _ in outcomes]  # type: ignore[misc]


class _Helpers:
    """Threads beside those of the callers, which wait for jobs: awake at first, then asleep.

    To wake one up takes a caller 30 us and more on a virtual machine, and so does Python's lock if two want it at once.
    Where there are fewer processors than threads, they take none from those who work.

    The first flag counts what was asked for, the second says nothing, the others are those of the threads.
    """

    def __init__(self, threads: int) -> None:
        self._jobs: SimpleQueue[_Job[Any, Any]] = SimpleQueue()
        self._flags = np.zeros((threads + 2) * APART, np.int64)
        self._looks, self._aside = (looks_in(AWAKE) if threads < available_cpus() else 0), looks_in(ASIDE)
        for number in range(threads):
            flag = (number + 2) * APART
            threading.Thread(target=self._help, args=(flag,), name=f"cfenvs_{number}", daemon=True).start()

    def ask(self, job: _Job[Any, Any], times: int) -> None:
        """Let so many of them help with a job."""
        for _ in range(times):
            self._jobs.put(job)
        self._flags[0] += 1

    def hear(self, flag: int, told: int) -> bool:
        """Wait awake for what one of them tells by its flag; whether it has."""
        return bool(meet(self._flags, APART, 0, flag, told, self._looks, 0))

    def wait(self, flag: int, told: int, awake: bool) -> _Job[Any, Any]:
        """Tell by a flag that the last job is done, and wait for the next one."""
        asked = self._flags[0]  # first: what is asked for from now on is heard
        if self._jobs.empty():
            meet(self._flags, flag, told, 0, asked + 1, self._looks if awake else 0, self._aside)
        else:
            meet(self._flags, flag, told, 0, 0, 0, 0)
        return self._jobs.get()

    def _help(self, flag: int) -> None:
        in_vain = 0
        for told in count():
            began = perf_counter()
            job = self.wait(flag, told, in_vain < IN_VAIN)
            in_vain = 0 if perf_counter() - began < AWAKE else in_vain + 1
            job.help(flag, told + 1)
            del job  # or the last worlds that it worked on would live on until the next ones come


@lru_cache
def _helpers(threads: int, process: int) -> _Helpers:
    """Those of a process, which all environments share; a parent's do not live in a fork."""
    return _Helpers(threads)


def available_cpus() -> int:
    """Processors that this process may use.

    Examples
    --------
    >>> available_cpus() > 0
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
