"""How kernels are compiled: serially, without fastmath, and kept on disk where there is a place for it."""

from __future__ import annotations

import functools
import gc
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numba
import numpy as np
from numba.core import event
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys

_config: Any = numba.config
_njit: Any = numba.njit
inlined: Any = _njit(error_model="numpy", forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""Decorator of a part of kernels, which Python cannot call.

It has no cache of its own: that one would go stale unseen.
"""
Run = Callable[..., Any]
"""What is called with a kernel and its arguments: `operator.call`, or `cfenvs.core.crew.Crew.run`."""
PATIENCE = 2.0
"""Seconds of compilation after which a process says that it compiles."""


def for_kernel(array: Any, dtype: Any = np.float64) -> Any:
    """An array as kernels take it, for which they are compiled once: of this type, contiguous, and not read-only.

    Examples
    --------
    >>> shown = np.arange(3)
    >>> shown.flags.writeable = False
    >>> taken = for_kernel(shown)
    >>> taken.tolist(), taken.flags.writeable
    ([0.0, 1.0, 2.0], True)
    """
    taken = np.ascontiguousarray(array, dtype)
    return taken if taken.flags.writeable else taken.copy()


def kernel(
    function: Callable[..., Any] | None = None, /, *, of_worlds: str = "", of_groups: str = "", **options: Any
) -> Any:
    """Decorator of a compiled function that Python may call.

    It is compiled at its first call, or read from numba's cache on disk.

    Parameters
    ----------
    function : callable
    of_worlds : str
        Names of arrays, separated by blanks, that have an entry of each world. Where there are some, threads may share
        the worlds (`cfenvs.core.crew.Crew.run`): what it writes of a world must hang on nothing of another, and it must
        return nothing, or whether something is so in any world.
    of_groups : str
        The same of those that have an entry of each group of worlds, and as many lanes as these have at their end.
    **options
        Further ones of `numba.njit`. Several threads may share a kernel with `nogil=True`, which costs a tenth of a
        microsecond a call.

    Raises
    ------
    RuntimeError
        When it is called, if ``NUMBA_DISABLE_JIT`` is set; it may be imported, as for documentation.

    Warns
    -----
    UserWarning
        Once in a process, if there is no place for the cache.
    """
    if function is None:
        return functools.partial(kernel, of_worlds=of_worlds, of_groups=of_groups, **options)
    if _config.DISABLE_JIT:
        return _refused(function)
    compiled = _kept_on_disk(function, function, options)
    compiled.of_worlds, compiled.of_groups = of_worlds, of_groups
    return compiled


def beside(kernel: Any, function: Callable[..., Any]) -> Any:
    """A function of other arguments that calls a kernel, compiled likewise, and kept on disk with it."""
    return _kept_on_disk(function, kernel.py_func, {"nogil": True})


def _kept_on_disk(function: Callable[..., Any], source: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    """A function compiled, and read again until the file changes in which the source is."""
    compiled: Any = _njit(error_model="numpy", no_cfunc_wrapper=True, **options)(function)
    try:
        compiled._cache = _Disk(source)  # type: ignore[no-untyped-call]  # as its `enable_caching` does
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        _warn_of_no_cache()
    return compiled


class _Disk(FunctionCache):  # type: ignore[misc]
    """Numba's cache on disk, which a kernel is read from without what only compiling needs.

    Numba loads that first, its registries with the linear algebra of SciPy and much else: it takes as long as all else
    from the start of a process to the first step of an environment.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        numbas: Any = super()
        try:
            read, guarded = numbas._load_overload, numbas._guard_against_spurious_io_errors
        except AttributeError:  # a numba to come may have it elsewhere
            return numbas.load_overload(sig, target_context)
        rtsys.initialize(target_context)  # what arrays ask for memory
        with guarded():
            return read(sig, target_context)

    def has(self, sig: Any, target_context: Any) -> bool:
        """Whether a signature can be read."""
        try:
            numbas: Any = self
            return numbas._index_key(sig, target_context.codegen()) in numbas._cache_file._load_index()
        except AttributeError:  # likewise
            return False


def is_on_disk(kernel: Any, *arguments: Any) -> bool:
    """Whether a kernel for such arguments would be read from disk, and not compiled."""
    disk = kernel._cache
    return isinstance(disk, _Disk) and disk.has(tuple(map(numba.typeof, arguments)), kernel.targetctx)


class _Patience(event.Listener):  # type: ignore[misc]
    """Says once what a process waits for whose kernels have been compiling for a while; what is on disk takes none."""

    def __init__(self) -> None:
        self._depth, self._spent, self._began = 0, 0.0, 0.0
        self._timer: threading.Timer | None = None

    def on_start(self, event: Any) -> None:
        self._depth += 1
        if self._depth == 1 and self._spent < PATIENCE and _ours(event):
            self._began = time.perf_counter()
            self._timer = threading.Timer(PATIENCE - self._spent, self._tell)
            self._timer.daemon = True
            self._timer.start()

    def on_end(self, event: Any) -> None:
        self._depth -= 1
        if self._depth == 0 and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._spent += time.perf_counter() - self._began

    @staticmethod
    def _tell() -> None:
        print("cfenvs compiles its kernels; later processes read them from disk", file=sys.stderr)


def _ours(event: Any) -> bool:
    return str(event.data["dispatcher"].py_func.__module__).startswith("cfenvs.")


class _Undisturbed(event.Listener):  # type: ignore[misc]
    """Lets Python's collector rest while a kernel compiles: it finds little in the many objects that it goes over.

    And has numba load what it compiles with, which it would do here, but not the linear algebra of SciPy.
    """

    def __init__(self) -> None:
        self._depth, self._resting = 0, False

    def on_start(self, event: Any) -> None:
        self._depth += 1
        if self._depth == 1 and gc.isenabled() and _ours(event):
            self._resting = True
            gc.disable()
            _load_registries()

    def on_end(self, event: Any) -> None:
        self._depth -= 1
        if self._depth == 0 and self._resting:
            self._resting = False
            gc.enable()


@functools.cache
def _load_registries() -> None:
    """Import what numba knows of NumPy's functions.

    It tries whether SciPy's linear algebra, of which our kernels have none, can be imported; that takes longer than
    all else that it loads. SciPy is there, as this package requires it: kernels of others that need it import it then.
    """
    from numba.np import linalg

    tries: Any = getattr(linalg, "ensure_blas", None)
    if tries is None:
        return  # a numba to come may do otherwise
    try:
        linalg.ensure_blas = lambda: None
        from numba.np import arraymath  # noqa: F401
    finally:
        linalg.ensure_blas = tries


event.register("numba:compile", _Patience())
event.register("numba:compile", _Undisturbed())


def _refused(function: Callable[..., Any]) -> Callable[..., NoReturn]:
    @functools.wraps(function)
    def refuse(*arguments: Any) -> NoReturn:
        raise RuntimeError(
            "NUMBA_DISABLE_JIT is set, but cfenvs runs compiled only: its kernels use vectors, which Python does not "
            "have. Unset it."
        )

    return refuse


@functools.cache
def _warn_of_no_cache() -> None:
    warnings.warn(
        "neither the folder of the package nor a home can be written, so that no compiled kernel is kept: each process "
        "compiles anew, for half a minute and more. Set NUMBA_CACHE_DIR to a folder that can be written",
        stacklevel=3,
    )
