"""One thread for linear algebra, so that results do not depend on how many the machine has."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

import scipy.linalg.blas  # noqa: F401  (loaded before the controller looks for BLAS libraries; numba calls this one)
from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """A context in which BLAS and LAPACK use one thread.

    Threads split sums differently, which changes the last bits of large products; drops are drawn in this context.

    Examples
    --------
    >>> import numpy as np
    >>> with one_thread():
    ...     product = np.ones((2, 2)) @ np.ones((2, 2))
    """
    return _controller().limit(limits=1, user_api="blas")


@lru_cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all loaded libraries: milliseconds, once
