"""Where people were when: traces of positions over time, on a map or where a path loss says what they hear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cfenvs.arrays import Float
from cfenvs.maps.file import Map


class Trace:
    """Positions of users at equal intervals: a function of seconds, as `network` takes it with `mobility="given"`.

    In between users go straight at constant speed. After the last position they begin anew at the first, as a day
    follows a day, or with `repeat=False` stay.

    Parameters
    ----------
    positions : (T, K, 2) array or path
        In metres, or the name of a `.npy` file that has them; a file is not loaded, but read where it is needed.
    interval : float
        Seconds from one position to the next.
    repeat : bool

    Examples
    --------
    >>> trace = Trace([[[0.0, 0.0]], [[10.0, 0.0]]], interval=2.0, repeat=False)
    >>> trace(np.array([0.0, 1.0, 9.0]))[:, 0].tolist()
    [[0.0, 0.0], [5.0, 0.0], [10.0, 0.0]]
    """

    def __init__(self, positions: Any, interval: float, repeat: bool = True) -> None:
        from_file = isinstance(positions, str | Path)
        found = np.load(positions, mmap_mode="r", allow_pickle=False) if from_file else np.array(positions, float)
        if found.ndim != 3 or found.shape[-1] != 2 or not len(found):
            raise ValueError(f"positions have shape {found.shape}: must be (T, K, 2), K users at T times")
        if not interval > 0.0:
            raise ValueError(f"interval={interval!r}: must be seconds, more than 0")
        self.positions, self.interval, self.repeat = found, float(interval), repeat

    def __call__(self, seconds: Float) -> Float:
        """Positions (n, K, 2) at times (n,) in seconds since the reset."""
        count = len(self.positions)
        at = np.asarray(seconds, float) / self.interval
        if not self.repeat:
            at = np.minimum(at, count - 1)
        before = np.floor(at).astype(np.int64)
        share = (at - before)[:, None, None]
        now, then = (np.asarray(self.positions[which % count], float) for which in (before, before + 1))
        if not self.repeat:
            then = np.where((before == count - 1)[:, None, None], now, then)
        return (1.0 - share) * now + share * then

    def __deepcopy__(self, memo: dict[int, Any]) -> Trace:
        return self  # nothing of it changes, and it may be large


class Traced:
    """As `network=` with `mobility="given"`: users who go where a trace says on a map, and hear what its places hear.

    Gains are those of the nearest place.

    Parameters
    ----------
    mapped : Map
        With as many access points as the environment.
    trace : callable
        From seconds (n,) to positions (n, K, 2) in metres on the map: a `Trace`, or your own.
    """

    def __init__(self, mapped: Map, trace: Any) -> None:
        from scipy.spatial import cKDTree

        self.map, self.trace = mapped, trace
        self._places = cKDTree(mapped.places[:, :2])

    def __call__(self, config: Any, rng: np.random.Generator) -> dict[str, Any]:
        parts = {
            "access_points": self.map.access_points,
            "users": self.trace,
            "gain_db": self.gain_db,
            "orientation": self.map.orientation,
        }
        taken = {"access_points", *config.given_shapes} - {name for name in config.refused_parts if name != "gain_db"}
        return {name: part for name, part in parts.items() if part is not None and name in taken}

    def gain_db(self, seconds: Float) -> Float:
        """Gains in dB (n, L, K) at times (n,)."""
        _, places = self._places.query(self.trace(seconds))
        return np.moveaxis(self.map.gain_db[:, places], 0, 1)

    def __deepcopy__(self, memo: dict[int, Any]) -> Traced:
        return self
