"""Threads among which the worlds of an environment are shared out."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from operator import call
from queue import SimpleQueue
from time import perf_counter
from typing import Any, Generic, TypeVar

import numpy as np

from cfenvs.core.config import require
from cfenvs.core.sharing import ASKED, flags_of, help_callers, looks_in, shared
from cfenvs.kernels import Run

# Measured on the machine of docs/speed.rst; they decide how fast it goes, and not what comes out.
HAND_OVER = 200_000
"""Multiplications and additions, in vectors, of a step for which it pays to share its kernels: some 0.1 ms."""
AWAKE = 0.5e-3
"""Seconds for which threads wait awake for more to do, before they fall asleep, ..."""
BRIEFLY = 0.05e-3
"""... and for which they do if that was in vain ..."""
IN_VAIN = 3
"""... so often, until a wait was short again. Between the kernels of a step it is."""
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

    def run(self, kernel: Callable[..., Any], /, *arguments: Any) -> Any:
        """What a kernel returns, of whose worlds threads who are awake do a part, and others are woken up.

        None of them waits for Python's lock, nor the caller for one that has not begun: it does what is left.

        Parameters
        ----------
        kernel : kernel
            One that says which of its arrays are `of_worlds`.
        """
        helpers = _helpers(self.threads - 1, os.getpid())
        if helpers.asleep:
            helpers.wake()
        return shared(kernel)(helpers.flags, *arguments)

    def runner(self, work: float) -> Run:
        """What runs the kernels of steps that take so many multiplications and additions: `run`, if that pays."""
        return self.run if self.threads > 1 and work >= HAND_OVER else call

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

    def share(self, work: Callable[[slice], Result], worlds: int) -> list[Result]:
        """`work` in Python of ranges that together are all worlds, one for each thread, in their order."""
        stops = [worlds * (i + 1) // self.threads for i in range(self.threads)]
        return self.map(work, [slice(a, b) for a, b in pairwise([0, *stops]) if a < b])

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
        job = _Job(work, items)
        try:
            _helpers(self.threads - 1, os.getpid()).ask(job, min(len(items), self.threads) - 1)
            job.do()
        finally:
            job.end()
        return job.results()


class _Job(Generic[Item, Result]):
    """Work of some items, of which threads take one after the other."""

    def __init__(self, work: Callable[[Item], Result], items: Sequence[Item]) -> None:
        self._work, self._left = work, deque(enumerate(items))
        self._outcomes: dict[int, tuple[Result | None, BaseException | None]] = {}
        self._helping: list[None] = []
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

    def help(self) -> None:
        """The same in another thread than that whose job it is."""
        self._helping.append(None)
        self.do()
        self._helped.append(None)
        self._some_helped.put(None)

    def end(self) -> None:
        """Let no item begin any more, and wait for those who help, interrupted or not: none may write from now on."""
        self._left.clear()
        interrupt = None
        while len(self._helped) < len(self._helping):
            try:
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

    To wake one up takes a caller 30 us and more on a virtual machine. Where there are fewer processors than threads,
    they wait awake between the kernels of a step only: they would take a processor from those who work.

    Attributes
    ----------
    flags : int array
        By which they share kernels with a caller.
    asleep : set of int
        Those who hear nothing but `ask` and `wake`.
    """

    def __init__(self, threads: int) -> None:
        self._jobs: list[SimpleQueue[_Job[Any, Any] | None]] = [SimpleQueue() for _ in range(threads)]
        self.flags, self.asleep = flags_of(threads + 1), set[int]()
        self._few_looks = looks_in(BRIEFLY)
        self._looks = looks_in(AWAKE) if threads < available_cpus() else self._few_looks
        for number in range(threads):
            threading.Thread(target=self._help, args=(number,), name=f"cfenvs_{number}", daemon=True).start()

    def ask(self, job: _Job[Any, Any], times: int) -> None:
        """Let so many of them help with a job."""
        for jobs in self._jobs[:times]:
            jobs.put(job)
        self.flags[ASKED] += 1

    def wake(self) -> None:
        """Let those who are asleep look at the flags."""
        for number in tuple(self.asleep):
            self.asleep.discard(number)
            self._jobs[number].put(None)

    def _help(self, number: int) -> None:
        jobs, in_vain = self._jobs[number], 0
        while True:
            asked = self.flags[ASKED]  # first: what is asked for from now on is heard
            if jobs.empty():
                help_callers(self.flags, number + 1, asked, self._looks if in_vain < IN_VAIN else self._few_looks)
            began = perf_counter()
            self.asleep.add(number)
            job = jobs.get()
            self.asleep.discard(number)
            in_vain = 0 if perf_counter() - began < AWAKE else in_vain + 1
            if job is not None:
                job.help()
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
