"""Grids of power levels."""

from __future__ import annotations

import numpy as np


def linear_levels(count: int, max_power: float = 100.0) -> tuple[float, ...]:
    """`count` equally spaced power levels in mW from 0 to `max_power`.

    Examples
    --------
    >>> linear_levels(5)
    (0.0, 25.0, 50.0, 75.0, 100.0)
    """
    return tuple(np.linspace(0.0, max_power, count).tolist())


def db_levels(count: int, step_db: float, max_power: float = 100.0) -> tuple[float, ...]:
    """A level 0 and `count - 1` levels in mW that fall from `max_power` in steps of `step_db`, in rising order.

    Examples
    --------
    >>> db_levels(4, step_db=10.0)
    (0.0, 1.0, 10.0, 100.0)
    """
    return (0.0, *(max_power * 10.0 ** (-step_db / 10.0 * np.arange(count - 1)))[::-1].tolist())
