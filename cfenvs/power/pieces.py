"""What is observed, piece by piece: chosen by name, one after the other in one vector."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Box

from cfenvs.arrays import Float, Float32
from cfenvs.core.config import require
from cfenvs.core.errors import closest
from cfenvs.power.scaling import AGE_CLIP, GAIN_CLIP

BOUNDS: Mapping[str, tuple[float, float]] = {
    "gains": (-GAIN_CLIP, GAIN_CLIP),
    "pilots": (0.0, 1.0),
    "powers": (0.0, 1.0),
    "age": (0.0, AGE_CLIP),
    "active": (0.0, 1.0),
    "held": (0.0, 1.0),
    "identity": (0.0, 1.0),
}
"""Least and largest number of the pieces that are scaled alike in every system."""


class Pieces:
    """The pieces of an observation of all worlds. A system's own class has a method of the name of each.

    Such a method takes the observations (E, ..., D) of float32 and the slice of the last axis that it writes.

    Parameters
    ----------
    parts : mapping of str to slice
        Of the pieces that are observed, in order, as `layout` has them.
    rates_high : float or array
        Largest numbers of the piece "rates", the least being 0.

    Attributes
    ----------
    space : gymnasium.spaces.Box
        Of one observer.
    """

    def __init__(self, parts: Mapping[str, slice], rates_high: float | Float) -> None:
        self._writers = [(getattr(self, name), part) for name, part in parts.items()]
        size = max(part.stop for part in parts.values())
        low, high = np.zeros(size, np.float32), np.zeros(size, np.float32)
        for name, part in parts.items():
            low[part], high[part] = (0.0, rates_high) if name == "rates" else BOUNDS[name]
        self.space = Box(low, high)

    def write(self, out: Float32) -> None:
        """Write the observations (E, ..., D)."""
        for write, part in self._writers:
            write(out, part)


def check_observation(config: Any, offered: Collection[str]) -> None:
    """Check the field `observation` of a frozen configuration, and join several names by "+"."""
    given = config.observation
    names = given.split("+") if isinstance(given, str) else given
    require(
        isinstance(names, Sequence) and bool(names) and all(isinstance(name, str) for name in names),
        "observation",
        given,
        f"must be a name, several joined by '+', or a sequence of names, of {', '.join(map(repr, offered))}",
    )
    for i, name in enumerate(names):
        require(name in offered, "observation", given, f"has no piece {name!r}: {closest(name, offered)}")
        require(name not in names[:i], "observation", given, f"must have {name!r} once only")
    object.__setattr__(config, "observation", "+".join(names))


def pieces_of(config: Any) -> list[str]:
    """The names in a checked `observation`."""
    return config.observation.split("+")  # type: ignore[no-any-return]


def layout(sizes: Mapping[str, int], chosen: Sequence[str]) -> dict[str, slice]:
    """Where the chosen ones among pieces of these sizes stand in an observation.

    Examples
    --------
    >>> layout({"rates": 30, "gains": 260, "age": 10}, ["rates", "age"])
    {'rates': slice(0, 30, None), 'age': slice(30, 40, None)}
    """
    parts, start = {}, 0
    for name in chosen:
        parts[name] = slice(start, start + sizes[name])
        start += sizes[name]
    return parts
