"""Where cells run, and what else takes long in many parts: processes of this machine, or a Ray cluster."""

from __future__ import annotations

import _thread
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from cfenvs.core.crew import available_cpus


class Task(Protocol):
    """What a worker does, such as `benchmarks.cells.Cell`; it and what it returns travel between processes."""

    def run(self, progress: bool = False) -> Any: ...


Work = TypeVar("Work", bound=Task)
Found = Any
"""What `run` returned, or, as a str, the traceback of what went wrong: exceptions lose theirs between processes."""


def local(cells: Sequence[Work], workers: int | None = None) -> Generator[tuple[Work, Found], None, None]:
    """Cells as they are done; with one worker in this very process.

    Ctrl-C lets trainings write their checkpoints; a second one does not wait for that. When this process is killed, its
    workers end too.
    """
    count = min(workers or _processors(), max(len(cells), 1))
    if count == 1:
        for cell in cells:
            yield cell, _attempt(cell, progress=True)
        return
    left, running, pool = list(reversed(cells)), dict[Future[Found], Work](), _Pool(count)
    alone: list[Work] = []  # what ran when a worker was killed: one of them may be the reason, and each is tried again
    try:
        while left or running or alone:
            broken = again = False
            try:
                # No more than there are workers: what waits within a pool would still run after Ctrl-C.
                while left and len(running) < count:
                    running[pool.submit(left[-1])] = left[-1]
                    left.pop()
                if not running:
                    running[pool.submit(alone[-1])] = alone[-1]
                    alone.pop()
                    again = True
            except BrokenProcessPool:  # a worker was killed since the last outcome
                broken = True
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            if broken or any(isinstance(future.exception(), BrokenProcessPool) for future in finished):
                pool.end({})  # it takes the others with it
                finished, pool = set(running), _Pool(count)
            for future in finished:
                error = future.exception()
                cell = running.pop(future)
                if isinstance(error, BrokenProcessPool) and not again:
                    alone.append(cell)
                else:
                    yield cell, future.result() if error is None else f"{type(error).__name__}: {error}\n"
    finally:
        pool.end(running)


def check_workers(workers: int | None) -> None:
    """Refuse a number of processes below one."""
    if workers is not None and workers < 1:
        raise SystemExit(f"--workers {workers}: must be at least 1")


def _processors() -> int:
    """That this process may use."""
    return min(available_cpus(), 61) if sys.platform == "win32" else available_cpus()  # more Windows cannot wait for


_SIGNALLED = hasattr(os, "setpgid")
"""Whether a worker is interrupted by a signal; Windows has none for one process, and there it interrupts itself."""


class _Pool:
    """Worker processes that Ctrl-C reaches through this process only, once, and only while they work."""

    def __init__(self, count: int) -> None:
        self._others = set(multiprocessing.active_children())
        context = multiprocessing.get_context("spawn")  # fresh processes: torch and numba do not survive a fork
        self._stop = context.Event()
        self._pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(self._stop,))

    def submit(self, cell: Task) -> Future[Found]:
        # This may start a worker, which takes the mask over: it is deaf to Ctrl-C until `_begin`.
        if not hasattr(signal, "pthread_sigmask"):  # Windows: a Ctrl-C meanwhile may end the worker
            return self._pool.submit(_work, cell)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # within: it may raise a Ctrl-C just before
            return self._pool.submit(_work, cell)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def end(self, running: Mapping[Future[Found], Task]) -> None:
        """Interrupt what runs and wait for it."""
        workers = set(multiprocessing.active_children()) - self._others
        try:
            if running:
                self._stop.set()
                for worker in workers if _SIGNALLED else ():
                    if worker.pid is not None:
                        with suppress(ProcessLookupError):  # it was killed
                            os.kill(worker.pid, signal.SIGINT)
            self._pool.shutdown(wait=True, cancel_futures=True)
        except KeyboardInterrupt:
            for worker in workers:
                worker.kill()
            raise


def ray(cells: Sequence[Work], workers: int | None = None) -> Generator[tuple[Work, Found], None, None]:
    """The same on a Ray cluster: the one that `RAY_ADDRESS` names, else a new one on this machine.

    Every machine of the cluster needs this repository and what it imports.
    """
    try:
        import ray as cluster
    except ImportError as error:
        raise SystemExit('there is no Ray here: pip install "ray[tune]>=2.60", or --executor local') from error
    address = os.environ.get("RAY_ADDRESS")
    mine = not cluster.is_initialized()
    running: dict[Any, Work] = {}
    if mine:
        cluster.init(
            address=address, num_cpus=None if address else workers, include_dashboard=False, log_to_driver=False
        )
    try:
        attempt: Any = cluster.remote(num_cpus=1, max_retries=0)(_attempt)
        running |= {attempt.remote(cell): cell for cell in cells}
        while running:
            done, _ = cluster.wait(list(running))
            for reference in done:
                cell = running.pop(reference)
                try:
                    yield cell, cluster.get(reference)
                except cluster.exceptions.RayError as error:
                    yield cell, f"{type(error).__name__}: {error}\n"
    finally:
        for reference in running:  # Ctrl-C: trainings write their checkpoints
            cluster.cancel(reference)
        if running:
            cluster.wait(list(running), num_returns=len(running))
        if mine:
            cluster.shutdown()


START: dict[str, Callable[[Sequence[Any], int | None], Generator[tuple[Any, Found], None, None]]] = {
    "local": local,
    "ray": ray,
}


def _attempt(cell: Task, progress: bool = False) -> Found:
    try:
        return cell.run(progress)
    except (Exception, SystemExit):  # a stranger's code may try to leave
        return traceback.format_exc()


class _Worker:
    """What a worker process knows."""

    stop: Any = None


def _begin(stop: Any) -> None:
    """Prepare a worker: out of the reach of the terminal's Ctrl-C, and with an end when its parent ends."""
    _Worker.stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if _SIGNALLED:
        os.setpgid(0, 0)
    else:
        threading.Thread(target=_interrupt_when_told, daemon=True).start()
        if sys.platform == "win32":
            ctypes.windll.kernel32.SetConsoleCtrlHandler(None, True)  # ignore the console's
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _interrupt_when_told() -> None:
    _Worker.stop.wait()
    _thread.interrupt_main()  # does nothing while the main thread ignores Ctrl-C


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        # At once: the same command, run again, would meet this process at its checkpoints. Windows ends by any signal.
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def _work(cell: Task) -> Found:
    """A cell in a worker, which may be interrupted meanwhile."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return "interrupted before it began" if _Worker.stop.is_set() else _attempt(cell)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
