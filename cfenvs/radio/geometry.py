"""Where access points and users stand, and how far apart they are on a square that wraps around."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from cfenvs.arrays import Float


class Links(NamedTuple):
    """Geometry of all links between L access points and K users.

    Attributes
    ----------
    distance : (L, K) array
        Three-dimensional distance in metres.
    azimuth : (L, K) array
        Angle of the user as seen by the access point, in radians.
    elevation : (L, K) array
        Angle between the link and the horizontal plane, in radians.
    """

    distance: Float
    azimuth: Float
    elevation: Float


@lru_cache
def grid_positions(count: int, side: float) -> Float:
    """Centres of the cells of a square grid, as a read-only array.

    Parameters
    ----------
    count : int
        Number of positions; a square number.
    side : float
        Side of the square area in metres.

    Returns
    -------
    (count, 2) array

    Raises
    ------
    ValueError
        If `count` is no square number.

    Examples
    --------
    >>> grid_positions(4, 100.0).tolist()
    [[25.0, 25.0], [75.0, 25.0], [25.0, 75.0], [75.0, 75.0]]
    """
    per_side = round(count**0.5)
    if per_side**2 != count:
        raise ValueError(f"count={count}: a square grid needs a square number, such as {per_side**2}")
    centres = (np.arange(per_side) + 0.5) * (side / per_side)
    x, y = np.meshgrid(centres, centres)
    positions = np.column_stack([x.ravel(), y.ravel()])
    positions.setflags(write=False)
    return positions


def uniform_positions(count: int, side: float, rng: np.random.Generator) -> Float:
    """Independent uniform positions in the square, shape (count, 2), in metres."""
    return rng.random((count, 2)) * side


def wrap(offset: Float, side: float) -> Float:
    """Shortest representative of each coordinate difference on the torus of the given side.

    Taking the nearest of the nine shifted copies of an access point (Bjornson & Sanguinetti 2020, Section IV)
    separates into one such choice per coordinate.
    """
    return offset - side * np.round(offset / side)


def pairwise_distance(positions: Float, side: float) -> Float:
    """Wrap-around distances in metres between all pairs of positions; (..., K, 2) -> (..., K, K)."""
    offset = wrap(positions[..., :, None, :] - positions[..., None, :, :], side)
    return np.hypot(offset[..., 0], offset[..., 1])


def link_geometry(access_points: Float, users: Float, side: float, height: float | Float) -> Links:
    """Distances and angles of all links, with wrap-around.

    Parameters
    ----------
    access_points : (L, 2) array
    users : (..., K, 2) array
        Positions in metres.
    side : float
        Side of the square area in metres.
    height : float or (L, K) array
        Height of the access points above the users in metres.

    Returns
    -------
    Links
        Each of its arrays has shape (..., L, K).

    Examples
    --------
    >>> links = link_geometry(np.array([[5.0, 50.0]]), np.array([[95.0, 50.0]]), side=100.0, height=0.0)
    >>> round(float(links.distance[0, 0]), 9), round(float(links.azimuth[0, 0]), 6)
    (10.0, 3.141593)
    """
    offset = wrap(users[..., None, :, :] - access_points[:, None, :], side)
    distance = np.sqrt(offset[..., 0] ** 2 + offset[..., 1] ** 2 + height**2)
    # A user exactly below an access point of height 0 has no elevation; a millimetre is closer than any model holds.
    distance = np.maximum(distance, 1e-3)
    return Links(distance, np.arctan2(offset[..., 1], offset[..., 0]), np.arcsin(np.minimum(height / distance, 1.0)))
