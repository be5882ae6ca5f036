"""Clusters of access points that are agents: which access points are together, and who holds which user.

A cluster holds the users whose master access point (Demir et al. 2021, Algorithm 4.1), the one that hears them best, is
among its own. It has S slots. Where more users than that have their master in it, it keeps those that it hears best,
and each of the others asks the cluster that hears it next best, until all have a place: deferred acceptance (Gale and
Shapley, 1962), whose outcome depends on no order in which they ask. In the slots users stand by rising number; what is
left over is empty. Who walks changes the agent as soon as another cluster hears it better.
"""

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Array, Bool, Float, Int
from cfenvs.cell_free.config import CellFreeConfig
from cfenvs.kernels import kernel
from cfenvs.radio.geometry import pairwise_distance

MILLIMETRES = 3
"""Digits of distances between clusters in metres: on a grid many are the same but for rounding."""


class Cells:
    """The clusters of access points of E worlds as agents. Arrays that were handed out stay as they are.

    Parameters
    ----------
    config : CellFreeConfig
        With `agents="clusters"`.
    num_worlds : int

    Attributes
    ----------
    of_access_points : (E, L) int array
        The cluster of each access point.
    neighbors : (E, C, J) int array
        The nearest other clusters, nearest first: by the least distance between access points, of equally near ones
        that of the lower number. One without any access point is the last.
    holders : (E, K) int array
        The cluster that holds each user.
    users : (E, C, S) int array
        The user in each slot, -1 where it is empty.
    came_from : (E, C, S) int array
        The cluster that held this user in the step before; -1 where it is the same one, and in empty slots.
    heard : (E, C, K) array
        Sum of the gains of each user at the access points of each cluster.
    """

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        self._config = config
        E, C, S = num_worlds, config.num_cells, config.num_slots
        self.of_access_points = np.zeros((E, config.access_points), np.int64)
        self.neighbors = np.zeros((E, C, config.num_neighbors), np.int64)
        self.holders = np.zeros((E, config.users), np.int64)
        self.users, self.came_from = np.full((E, C, S), -1), np.full((E, C, S), -1)
        self.heard = np.zeros((E, C, config.users))
        self._places = np.zeros((E, config.users), np.int64)  # among the C S slots of a world
        self._worlds = np.arange(E)

    def stand(self, worlds: Int, access_points: Float) -> None:
        """New networks, whose access points (n, L, 2) stand here in metres."""
        config = self._config
        self.of_access_points[worlds] = cells = in_cells(access_points, config)
        self.neighbors[worlds] = nearest_cells(access_points, cells, config)[..., : config.num_neighbors]

    def begin(self, worlds: Int, gains: Float) -> None:
        """Episodes begin in these worlds, with these gains (n, L, K): nobody comes from elsewhere."""
        self._seat(worlds, gains)
        self.came_from[worlds] = -1

    def follow(self, worlds: Int, gains: Float) -> None:
        """A step later users have other gains (n, L, K) in these worlds, and those of then in the others."""
        before = self.holders
        self._seat(worlds, gains)
        changed = np.where(self.holders != before, before, -1)
        self.came_from = self.in_slots(changed, empty=-1)

    def _seat(self, worlds: Int, gains: Float) -> None:
        cells, shape = self.of_access_points[worlds], (len(worlds), self._config.num_cells, self._config.users)
        best, heard = np.empty(shape), np.empty(shape)
        _listen(np.ascontiguousarray(gains), cells, best, heard)
        users = np.empty((*shape[:2], self._config.num_slots), np.int64)
        holders, places = np.empty((shape[0], shape[2]), np.int64), np.empty((shape[0], shape[2]), np.int64)
        _seat_all(best, users, holders, places)
        self.heard, self.holders = _replaced(self.heard, worlds, heard), _replaced(self.holders, worlds, holders)
        self.users, self._places = _replaced(self.users, worlds, users), _replaced(self._places, worlds, places)

    def in_slots(self, values: Array, empty: float = 0) -> Array:
        """Values of the users (E, K) by slots, (E, C, S)."""
        held = np.take_along_axis(values[:, None, :], np.maximum(self.users, 0), axis=2)
        return np.where(self.users >= 0, held, np.asarray(empty, values.dtype))

    def of_users(self, values: Array) -> Array:
        """Values by slots (E, C, S) of the users, (E, K)."""
        return np.take_along_axis(values.reshape(len(values), -1), self._places, axis=1)

    def around(self, values: Array) -> Array:
        """Values by slots (E, C, S) of each cluster and then of its neighbours, (E, C, S (1 + J))."""
        near = values[self._worlds[:, None, None], self.neighbors]
        return np.concatenate([values[:, :, None], near], axis=2).reshape(*values.shape[:2], -1)

    def members(self, holders: Int) -> Bool:
        """Which users (E, K) clusters and their neighbours hold, (E, C, K), where these hold each."""
        within = np.zeros((len(holders), self._config.num_cells, self._config.num_cells), bool)
        np.put_along_axis(within, self.neighbors, True, axis=2)
        within |= np.eye(self._config.num_cells, dtype=bool)
        return np.take_along_axis(within, holders[:, None, :], axis=2)


def _replaced(array: Array, worlds: Int, rows: Array) -> Array:
    """A copy with other rows in some worlds."""
    array = array.copy()
    array[worlds] = rows
    return array


def in_cells(access_points: Float, config: CellFreeConfig) -> Int:
    """The cluster of each access point, (n, L, 2) -> (n, L)."""
    if not isinstance(config.cells, int):
        return np.broadcast_to(np.array(config.cells, np.int64), access_points.shape[:-1])
    rows, columns = grid_of(config.cells)
    x, y = np.moveaxis(access_points / config.side, -1, 0)
    column, row = (
        np.clip((share * count).astype(np.int64), 0, count - 1) for share, count in ((x, columns), (y, rows))
    )
    return np.asarray(row * columns + column)


def grid_of(count: int) -> tuple[int, int]:
    """Rows and columns of so many cells, as square as the number allows.

    Examples
    --------
    >>> grid_of(16), grid_of(6), grid_of(7)
    ((4, 4), (2, 3), (1, 7))
    """
    rows = max(rows for rows in range(1, int(count**0.5) + 1) if count % rows == 0)
    return rows, count // rows


def nearest_cells(access_points: Float, cells: Int, config: CellFreeConfig) -> Int:
    """The other clusters of each by rising distance, (n, L, 2), (n, L) -> (n, C, C - 1)."""
    distance = np.round(pairwise_distance(access_points, config.period), MILLIMETRES)
    between = np.full((len(cells), config.num_cells, config.num_cells), np.inf)
    _least(distance, np.array(cells, order="C"), between)
    itself = np.eye(config.num_cells, dtype=bool)
    return np.argsort(np.where(itself, -1.0, between), axis=-1, kind="stable")[..., 1:]


@kernel
def _least(distance: Float, cells: Int, between: Float) -> None:
    """Least distance between access points of two clusters, (n, C, C)."""
    for e in range(len(cells)):
        for i in range(cells.shape[1]):
            for j in range(cells.shape[1]):
                a, b = cells[e, i], cells[e, j]
                between[e, a, b] = min(between[e, a, b], distance[e, i, j])


@kernel
def _listen(gains: Float, cells: Int, best: Float, total: Float) -> None:
    """The largest gain of each user in each cluster, -1 where there is no access point, and their sum, (n, C, K)."""
    best[:] = -1.0
    total[:] = 0.0
    for e in range(len(gains)):
        for ap in range(gains.shape[1]):
            for k in range(gains.shape[2]):
                cell = cells[e, ap]
                best[e, cell, k] = max(best[e, cell, k], gains[e, ap, k])
                total[e, cell, k] += gains[e, ap, k]


@kernel
def _seat_all(best: Float, users: Int, holders: Int, places: Int) -> None:
    """Deferred acceptance: who holds each user (n, K), who is in each slot (n, C, S), and in which slot each is."""
    num_cells, num_users = best.shape[1:]
    slots = users.shape[2]
    for e in range(len(best)):
        refused = np.zeros((num_cells, num_users), np.bool_)
        count = np.zeros(num_cells, np.int64)
        holders[e] = -1
        for first in range(num_users):
            asking = first
            while asking >= 0:  # whoever is sent away asks next
                cell = -1
                for c in range(num_cells):
                    if not refused[c, asking] and (cell < 0 or best[e, c, asking] > best[e, cell, asking]):
                        cell = c
                holders[e, asking] = cell
                count[cell] += 1
                last = -1
                if count[cell] > slots:
                    for k in range(num_users):  # of those heard equally well the one with the highest number
                        if holders[e, k] == cell and (last < 0 or best[e, cell, k] <= best[e, cell, last]):
                            last = k
                    holders[e, last] = -1
                    refused[cell, last] = True
                    count[cell] -= 1
                asking = last
        users[e] = -1
        count[:] = 0
        for k in range(num_users):
            cell = holders[e, k]
            users[e, cell, count[cell]] = k
            places[e, k] = cell * slots + count[cell]
            count[cell] += 1
