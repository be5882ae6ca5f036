"""One thread for linear algebra, so that results do not depend on how many the machine has; and which library it is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import RLock

from threadpoolctl import ThreadpoolController

# The limit is the process's, and threadpoolctl lets only the thread that set it lift it: of two uses that overlap in
# different threads, the first to leave would end the other's. So one waits.
_IN_USE = RLock()


def _free() -> None:
    """Let a fork not wait for a thread that its parent alone has."""
    global _IN_USE
    _IN_USE = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free)


@contextmanager
def one_thread() -> Iterator[None]:
    """A context in which BLAS and LAPACK use one thread.

    Threads split sums differently, which changes the last bits of large products; networks are drawn in this context.
    Another thread that enters it waits until this one has left.

    Examples
    --------
    >>> import numpy as np
    >>> with one_thread():
    ...     product = np.ones((2, 2)) @ np.ones((2, 2))
    """
    with _IN_USE:
        if all(of.num_threads == 1 for of in _controller().lib_controllers if of.user_api == "blas"):
            yield  # as in a worker or a learner: asking takes 1 us, setting 13
        else:
            with _controller().limit(limits=1, user_api="blas"):
                yield


def blas_libraries() -> list[str]:
    """Of each BLAS that is loaded its name, version, and the kernels that it has chosen for this processor.

    Examples
    --------
    >>> blas_libraries()  # doctest: +SKIP
    ['openblas 0.3.30 SkylakeX', 'openblas 0.3.31.188.0 SkylakeX']
    """
    import scipy.linalg.blas  # noqa: F401  (so that its library is among them)

    loaded = _controller().select(user_api="blas").info()
    keys = ("internal_api", "version", "architecture")
    return sorted({" ".join(str(library[key]) for key in keys if library.get(key)) for library in loaded})


def _controller() -> ThreadpoolController:
    # SciPy has a BLAS of its own, which numba calls too; it is not imported before it is needed.
    return _found("scipy.linalg" in sys.modules)


@lru_cache
def _found(scipy: bool) -> ThreadpoolController:
    return ThreadpoolController()  # looks through all loaded libraries: milliseconds, once or twice
