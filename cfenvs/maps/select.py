"""Choosing some of many: access points that serve the places best, cells that are spread over an area."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.maps.file import Map

HEARD_DB = -130.0
"""Gain from which on a place hears an access point: 16 dB below the noise of 20 MHz at 100 mW."""


def heard(mapped: Map, threshold_db: float = HEARD_DB) -> Bool:
    """Places at which some access point has at least that gain, (P,)."""
    return np.asarray((mapped.gain_db >= threshold_db).any(axis=0))


def some_access_points(mapped: Map, chosen: int | Sequence[int], threshold_db: float = HEARD_DB) -> Map:
    """A map with some of the access points.

    Parameters
    ----------
    mapped : Map
    chosen : int or sequence of int
        Which; or how many. Then one after the other is added that brings the most places over the threshold, and among
        equals the one that raises the mean of the best gains most: the first ones are the same for every number.
    threshold_db : float
    """
    L = mapped.num_access_points
    if isinstance(chosen, (int, np.integer)):
        if not 1 <= chosen <= L:
            raise ValueError(f"{chosen} access points of a map that has {L}: choose from 1 to {L}")
        chosen = _greedy(mapped, int(chosen), threshold_db)
    index = np.asarray(chosen)
    if index.ndim != 1 or index.dtype.kind not in "iu" or not ((index >= 0) & (index < L)).all():
        raise ValueError(f"access points {chosen!r}: must be indices from 0 to {L - 1}")
    if len(set(index.tolist())) < len(index):
        raise ValueError(f"access points {index.tolist()}: must be different ones")
    parts = ("access_points", "gain_db", "orientation", "correlation", "rician_db")
    fewer = {name: getattr(mapped, name)[index] for name in parts if getattr(mapped, name) is not None}
    return replace(mapped, **fewer)


def _greedy(mapped: Map, count: int, threshold_db: float) -> list[int]:
    gains = np.maximum(mapped.gain_db, -200.0)  # no link counts as a very weak one
    best = np.full(mapped.num_places, -200.0)
    chosen: list[int] = []
    for _ in range(count):
        after = np.maximum(best, gains)
        worth = (after >= threshold_db).sum(axis=1) + after.mean(axis=1) / 1e3  # dB of less than one place
        worth[chosen] = -np.inf
        chosen.append(int(np.argmax(worth)))
        best = after[chosen[-1]]
    return sorted(chosen)


def spread(cells: Float, allowed: Bool, count: int, side: float) -> Int:
    """Of cells (C, 2) the allowed ones nearest to the centres of a grid of about `count` squares, none twice.

    The grid has as few squares as hold `count`, and of its squares those are taken that lie evenly along it.
    """
    per_side = int(np.ceil(np.sqrt(count)))
    centres = (np.arange(per_side) + 0.5) * side / per_side
    x, y = (axis.ravel() for axis in np.meshgrid(centres, centres))
    even = np.floor(np.arange(count) * len(x) / count).astype(int)
    free, found = allowed.copy(), []
    if free.sum() < count:
        raise ValueError(f"{count} access points on {free.sum()} cells outdoors: choose fewer, or smaller cells")
    for goal in np.column_stack([x, y])[even]:
        distance = np.where(free, ((cells - goal) ** 2).sum(axis=1), np.inf)
        found.append(int(np.argmin(distance)))
        free[found[-1]] = False
    return np.array(found)
