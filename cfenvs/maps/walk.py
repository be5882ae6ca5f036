"""Walking on a map: from place to neighbouring place, never through a wall, with gains looked up."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cfenvs.arrays import Float, Int
from cfenvs.kernels import kernel
from cfenvs.maps.file import Map
from cfenvs.maps.select import HEARD_DB, heard

STRAIGHT = 4.0
"""How much who walks prefers to go on: the next place is chosen with weight exp(4 cos(turn))."""


class Paths(NamedTuple):
    """Which places are next to each other.

    Attributes
    ----------
    positions : (P, 2) array
        Of the places, in metres.
    neighbours : (P, D) int array
        Of each place, filled up with -1.
    shortest : float
        Metres between the two closest neighbours.
    """

    positions: Float
    neighbours: Int
    shortest: float


def neighbouring(mapped: Map, reach: float | None = None, threshold_db: float = HEARD_DB) -> Paths:
    """The places of a map that one can walk between.

    Parameters
    ----------
    mapped : Map
    reach : float, optional
        Places at most so many metres apart are neighbours. Where places are a grid it need not be given: then
        neighbours are those of the eight around that are places, across a corner only if both beside it are.
    threshold_db : float
        Places that hear no access point so well are not walked on; -inf for all.
    """
    from scipy.sparse import coo_array
    from scipy.spatial import cKDTree

    if reach is None and not mapped.spacing:
        raise ValueError(f"map {mapped.name!r} has no spacing, its places are no grid: give `reach` in metres")
    positions, alive = mapped.places[:, :2], heard(mapped, threshold_db) | np.isneginf(threshold_db)
    pairs = cKDTree(positions).query_pairs(1.5 * mapped.spacing if reach is None else reach, output_type="ndarray")
    pairs = pairs[alive[pairs].all(axis=1)]
    if reach is None:
        diagonal = np.hypot(*(positions[pairs[:, 0]] - positions[pairs[:, 1]]).T) > 1.2 * mapped.spacing
        side, shape = pairs[~diagonal], (len(positions),) * 2
        beside = coo_array((np.ones(2 * len(side), np.int64), (side.T.ravel(), side[:, ::-1].T.ravel())), shape).tocsr()
        ways = (beside @ beside).tocsr()
        across = pairs[diagonal]
        around = ways[across[:, 0], across[:, 1]] == 2 if len(across) else np.zeros(0, bool)
        pairs = np.vstack([side, across[around]])
    return _paths(positions, pairs)


def _paths(positions: Float, pairs: Int) -> Paths:
    both = np.vstack([pairs, pairs[:, ::-1]])
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    count = np.bincount(both[:, 0], minlength=len(positions))
    neighbours = np.full((len(positions), max(int(count.max(initial=0)), 1)), -1, np.int64)
    column = np.arange(len(both)) - np.repeat(np.cumsum(count) - count, count)
    neighbours[both[:, 0], column] = both[:, 1]
    lengths = np.hypot(*(positions[both[:, 0]] - positions[both[:, 1]]).T)
    return Paths(positions.copy(), neighbours, float(lengths.min(initial=np.inf)))


class MapWalk:
    """Users who walk on a map, each straight on where it can and now and then round a corner.

    Parameters
    ----------
    mapped : Map
    paths : Paths
        See `neighbouring`.
    places : (K,) int array
        Where users start. Who starts where no neighbour is stays there.
    stride : float
        Metres in a step.
    rng : numpy.random.Generator
        The same numbers are drawn from it, whatever the steps at a time are.

    Attributes
    ----------
    numbers : int
        How many in [0, 1) a step draws.
    places : (T + 1, K) int array
        Where users were in the steps that they went last: the place that is nearest on their way.

    Examples
    --------
    >>> from cfenvs import maps
    >>> canyon = maps.open_map("street-canyon")
    >>> walk = maps.MapWalk(canyon, maps.neighbouring(canyon), np.array([0, 100]), 1.5, np.random.default_rng(0))
    >>> positions, gain_db = walk.go(10)
    >>> positions.shape, gain_db.shape
    ((11, 2, 2), (11, 9, 2))
    """

    def __init__(self, mapped: Map, paths: Paths, places: Int, stride: float, rng: np.random.Generator) -> None:
        if not (np.isfinite(stride) and stride >= 0.0):
            raise ValueError(f"stride={stride!r}: must be metres, at least 0")
        self._map, self._paths, self._stride, self._rng = mapped, paths, float(stride), rng
        places = np.array(places, np.int64)
        self._from, self._to, self._gone = places, places.copy(), np.zeros(len(places))
        reached = 0.0 if np.isinf(paths.shortest) else stride / paths.shortest
        self._turns = int(np.ceil(reached)) + 1  # most places that are reached in a step
        self.numbers, self.places = self._turns * len(places), places[None]

    def go(self, steps: int) -> tuple[Float, Float]:
        """Positions (steps + 1, K, 2) in metres and gains (steps + 1, L, K) in dB, from where users are on."""
        users = len(self._from)
        draws = self._rng.random((steps, self._turns, users))
        places = np.empty((steps + 1, users), np.int64)
        positions = np.empty((steps + 1, users, 2))
        points, neighbours, _ = self._paths
        _wander(points, neighbours, self._from, self._to, self._gone, draws, self._stride, places, positions)
        self.places = places
        return positions, np.moveaxis(self._map.gain_db[:, places], 0, 1)


@kernel
def _wander(
    points: Float,
    neighbours: Int,
    start: Int,
    goal: Int,
    gone: Float,
    draws: Float,
    stride: float,
    places: Int,
    positions: Float,
) -> None:
    """Write places (T + 1, K), each the nearer end of the way a user is on, and positions; goes on with `start`, ...

    `start`, `goal` and `gone` (K,), the way each user is on and how many metres of it are behind, are overwritten.
    """
    weights = np.empty(neighbours.shape[1])
    for k in range(len(start)):
        a, b, done = start[k], goal[k], gone[k]
        for t in range(len(places)):
            left, turn = (stride if t > 0 else 0.0), 0
            while left > 0.0:
                dx, dy = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1]
                length = np.sqrt(dx * dx + dy * dy)
                if done + left < length:
                    done, left = done + left, 0.0
                    break
                if turn == draws.shape[1] or neighbours[b, 0] < 0:  # nowhere to go; or as far as a step can lead
                    done, left = length, 0.0
                    break
                left -= length - done
                total = 0.0
                for j in range(neighbours.shape[1]):
                    weights[j] = 0.0
                    c = neighbours[b, j]
                    if c >= 0:
                        ex, ey = points[c, 0] - points[b, 0], points[c, 1] - points[b, 1]
                        norm = length * np.sqrt(ex * ex + ey * ey)
                        weights[j] = np.exp(STRAIGHT * (dx * ex + dy * ey) / norm) if norm > 0.0 else 1.0
                        total += weights[j]
                chosen, rest = 0, draws[t - 1, turn, k] * total
                for j in range(neighbours.shape[1]):
                    if neighbours[b, j] >= 0:
                        chosen = j
                        rest -= weights[j]
                        if rest < 0.0:
                            break
                a, b, done, turn = b, neighbours[b, chosen], 0.0, turn + 1
            dx, dy = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1]
            length = np.sqrt(dx * dx + dy * dy)
            share = done / length if length > 0.0 else 0.0
            places[t, k] = a if share < 0.5 else b
            positions[t, k, 0], positions[t, k, 1] = points[a, 0] + share * dx, points[a, 1] + share * dy
        start[k], goal[k], gone[k] = a, b, done
