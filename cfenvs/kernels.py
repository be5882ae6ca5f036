"""How kernels are compiled: serially, without fastmath, and kept on disk where there is a place for it."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numba

_config: Any = numba.config
inlined: Any = numba.njit(error_model="numpy", forceinline=True)
"""Decorator of a part of kernels. It has no cache of its own: that one would go stale unseen."""


def kernel(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Decorator of a compiled function that Python may call.

    It is compiled at its first call, or read from numba's cache on disk.

    Parameters
    ----------
    function : callable
    **options
        Further ones of `numba.njit`.

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
        return functools.partial(kernel, **options)
    if _config.DISABLE_JIT:
        return _refused(function)
    return _kept(lambda cache: numba.njit(cache=cache, error_model="numpy", **options)(function))


def ufunc_kernel(signatures: Sequence[str], layout: str) -> Any:
    """Decorator of a compiled generalised ufunc; parameters as of `numba.guvectorize`, the cache as of `kernel`."""
    return lambda function: _kept(lambda cache: numba.guvectorize(signatures, layout, cache=cache)(function))


def _refused(function: Callable[..., Any]) -> Callable[..., NoReturn]:
    @functools.wraps(function)
    def refuse(*arguments: Any) -> NoReturn:
        raise RuntimeError(
            "NUMBA_DISABLE_JIT is set, but cfenvs runs compiled only: its kernels use vectors, which Python does not "
            "have. Unset it."
        )

    return refuse


def _kept(compiled: Callable[[bool], Any]) -> Any:
    """What `compiled` returns with a cache, or without one where numba finds no folder that it could write."""
    try:
        return compiled(True)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
    _warn_of_no_cache()
    return compiled(False)


@functools.cache
def _warn_of_no_cache() -> None:
    warnings.warn(
        "neither the folder of the package nor a home can be written, so that no compiled kernel is kept: each process "
        "compiles anew, for half a minute and more. Set NUMBA_CACHE_DIR to a folder that can be written",
        stacklevel=4,
    )
