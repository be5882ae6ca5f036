"""Power levels: grids of them, their check, and all of them a little higher."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cfenvs.core.config import require

if TYPE_CHECKING:
    from cfenvs.power.config import PowerConfig


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


def require_levels(config: Any) -> None:
    """The field `levels` must rise from at least 0 to at most `max_power`; it becomes a tuple."""
    try:
        levels = np.asarray(config.levels, float)
    except (TypeError, ValueError, OverflowError):  # words, rows of several lengths, or more than a float holds
        levels = np.empty(0)
    rising = levels.ndim == 1 and levels.size > 0 and np.isfinite(levels).all() and (np.diff(levels) > 0).all()
    require(
        bool(rising and levels[0] >= 0 and 0 < levels[-1] <= config.max_power * (1 + 1e-12)),
        "levels",
        config.levels,
        f"must rise from at least 0 to at most max_power={config.max_power:g} mW, with one level above 0",
    )
    object.__setattr__(config, "levels", tuple(levels.tolist()))


def louder(config: PowerConfig, share: float) -> dict[str, Any]:
    """The arguments `max_power` and `levels` of a configuration, all larger by a share of themselves."""
    more = 1.0 + share
    levels = None if config.levels is None else [level * more for level in config.levels]
    return {"max_power": config.max_power * more, "levels": levels}
