"""Where access points and users stand, and how far apart they are on a rectangle that wraps around."""

# Inside a kernel the types are numba's; the annotations are for its callers.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import copy
from functools import cached_property, lru_cache

import numpy as np

from cfenvs.arrays import Float, Int
from cfenvs.emitted import each, emitted
from cfenvs.kernels import kernel
from cfenvs.radio.draws import Source, uniforms

Side = float | tuple[float, float]
"""Of a square in metres, or width and height of a rectangle."""
_WHOLE = 1.5 * 2.0**52
"""Adding and subtracting it rounds to the nearest integer, halves to even, by two additions that vectorise."""


def width_and_height(side: Side) -> tuple[float, float]:
    """In metres.

    >>> width_and_height(80.0), width_and_height((300.0, 80.0))
    ((80.0, 80.0), (300.0, 80.0))
    """
    return side if isinstance(side, tuple) else (float(side), float(side))


class Links:
    """Geometry of all links between L access points and K users; arguments and conventions of `link_geometry`.

    Attributes
    ----------
    distance : (..., L, K) array
        Three-dimensional distance in metres.
    access_points, users : (..., L, 2) and (..., K, 2) arrays
        Positions in metres.
    side : float or (float, float)
        Of the square, or of the rectangle, in metres.
    height : float or (..., L, K) array
        Of the access points above the users, in metres.
    user_height : (..., K) array, optional
        Of the users above the ground, in metres, where they are given.
    chance : (..., L, K) array, optional
        Numbers in (0, 1) that say whether there is a line of sight, where the path loss asks for them.
    """

    chance: Float | None = None

    def __init__(
        self,
        access_points: Float,
        users: Float,
        side: Side,
        height: float | Float,
        user_height: Float | None = None,
    ) -> None:
        self.access_points, self.users, self.side, self.height = access_points, users, side, height
        self.user_height = user_height
        # A user exactly below an access point of height 0 has no elevation; a millimetre is closer than any model
        # holds.
        self.distance: Float = np.maximum(np.sqrt(_squares(access_points, users, side) + height**2), 1e-3)

    @cached_property
    def azimuth(self) -> Float:
        """Angle of the user as seen by the access point, in radians, (..., L, K)."""
        offset = wrap(self.users[..., None, :, :] - self.access_points[..., :, None, :], self.side)
        return np.arctan2(offset[..., 1], offset[..., 0])

    @cached_property
    def elevation(self) -> Float:
        """Angle between the link and the horizontal plane, in radians, (..., L, K)."""
        return np.arcsin(np.minimum(self.height / self.distance, 1.0))

    @property
    def horizontal(self) -> Float:
        """Distance on the ground in metres, (..., L, K)."""
        return self.distance * np.cos(self.elevation)

    def of(self, world: int) -> Links:
        """Those of one of several networks, with arrays of their own."""
        height = self.height[world].copy() if isinstance(self.height, np.ndarray) else self.height
        user_height = None if self.user_height is None else self.user_height[world].copy()
        links = Links(self.access_points[world].copy(), self.users[world].copy(), self.side, height, user_height)
        return links if self.chance is None else links.seen_by(self.chance[world].copy())

    def seen_by(self, chance: Float) -> Links:
        """The same with numbers that say whether there is a line of sight."""
        links = copy.copy(self)
        links.chance = chance
        return links


def in_quadrants(positions: Float, side: Side) -> Float:
    """Uniform positions (..., K, 2) on the area moved into its quadrants, K / 4 users to each one after the other.

    They are uniform in their quadrants.

    Examples
    --------
    >>> in_quadrants(np.full((4, 2), 50.0), 100.0).tolist()
    [[25.0, 25.0], [75.0, 25.0], [25.0, 75.0], [75.0, 75.0]]
    """
    quadrant = np.arange(positions.shape[-2]) // (positions.shape[-2] // 4)
    corner = 0.5 * np.asarray(side) * np.stack([quadrant % 2, quadrant // 2], axis=-1)
    return corner + 0.5 * positions


@lru_cache
def grid_positions(count: int, side: Side) -> Float:
    """Centres of the cells of a grid, as a read-only array: of a square one, or of one of cells as square as may be.

    Parameters
    ----------
    count : int
        Number of positions; on a square a square number.
    side : float or (float, float)
        Of the square area in metres, or width and height of a rectangle.

    Returns
    -------
    (count, 2) array

    Raises
    ------
    ValueError
        If the area is a square and `count` no square number.

    Examples
    --------
    >>> grid_positions(4, 100.0).tolist()
    [[25.0, 25.0], [75.0, 25.0], [25.0, 75.0], [75.0, 75.0]]
    >>> grid_positions(3, (90.0, 20.0)).tolist()
    [[15.0, 10.0], [45.0, 10.0], [75.0, 10.0]]
    """
    width, height = width_and_height(side)
    if isinstance(side, tuple):
        ways = [columns for columns in range(1, count + 1) if count % columns == 0]
        columns = min(ways, key=lambda columns: abs(np.log(width / columns * (count // columns) / height)))
    else:
        columns = round(count**0.5)
        if columns**2 != count:
            raise ValueError(f"count={count}: a square grid needs a square number, such as {columns**2}")
    rows = count // columns
    across, up = (np.arange(columns) + 0.5) * (width / columns), (np.arange(rows) + 0.5) * (height / rows)
    x, y = np.meshgrid(across, up)
    positions = np.column_stack([x.ravel(), y.ravel()])
    positions.setflags(write=False)
    return positions


def uniform_positions(count: int, side: Side, rng: Source, worlds: tuple[int, ...] = ()) -> Float:
    """Independent uniform positions in the area, (*worlds, count, 2), in metres; each world has its own generator."""
    return uniforms(rng, (*worlds, count, 2)) * np.asarray(side)


def wrap(offset: Float, side: Side) -> Float:
    """Shortest representative of each coordinate difference (..., 2) on the torus of the given side or sides.

    Taking the nearest of the nine shifted copies of an access point (Bjornson & Sanguinetti 2020, Section IV)
    separates into one such choice per coordinate.
    """
    sides = np.asarray(side)
    return offset - sides * np.rint(offset / sides)


def pairwise_distance(positions: Float, side: Side) -> Float:
    """Wrap-around distances in metres between all pairs of positions; (..., K, 2) -> (..., K, K)."""
    return np.sqrt(_squares(positions, positions, side))


def nearest_first(positions: Float, side: Side) -> Int:
    """The others of K positions by rising wrap-around distance; (..., K, 2) -> (..., K, K - 1)."""
    distance = pairwise_distance(positions, side)
    itself = np.eye(distance.shape[-1], dtype=bool)
    return np.argsort(np.where(itself, -1.0, distance), axis=-1, kind="stable")[..., 1:]


def link_geometry(
    access_points: Float, users: Float, side: Side, height: float | Float, user_height: Float | None = None
) -> Links:
    """Distances and angles of all links, with wrap-around.

    Parameters
    ----------
    access_points : (..., L, 2) array
    users : (..., K, 2) array
        Positions in metres.
    side : float or (float, float)
        Of the square area in metres, or width and height of a rectangle.
    height : float or (..., L, K) array
        Height of the access points above the users in metres.
    user_height : (..., K) array, optional
        Of the users above the ground, where it is known.

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
    return Links(access_points, users, side, height, user_height)


def _squares(places: Float, others: Float, side: Side) -> Float:
    """Squares of wrap-around distances between (..., L, 2) and (..., K, 2) positions, (..., L, K)."""
    lead = places.shape[:-2]
    if lead != others.shape[:-2]:
        lead = np.broadcast_shapes(lead, others.shape[:-2])
        places, others = (np.broadcast_to(of, (*lead, *of.shape[-2:])) for of in (places, others))
    out = np.empty((*lead, places.shape[-2], others.shape[-2]))
    # Copies of the positions: of one layout and writeable, they take one compiled signature.
    flat = [of.reshape(-1, *of.shape[-2:]) for of in (places.copy(), others.swapaxes(-1, -2).copy(), out)]
    _write_squares(flat[0], flat[1], *width_and_height(side), flat[2])
    return out


@kernel(nogil=True)
def _write_squares(places: Float, others: Float, width: float, height: float, out: Float) -> None:
    """`wrap` and the squares in one pass, where NumPy makes ten; the same bits."""
    _square(places, others, width, height, out)


@emitted
def _square(places, others, width, height, out):
    num_worlds, num_places, num_others = out.shape

    def nearest(offset, length):
        return offset - length * (offset / length + _WHOLE - _WHOLE)

    @each(0, num_worlds)
    def world(e):
        @each(0, num_places)
        def place(ap):
            here = places.place(e, ap)
            x, y = places[here], places[here + 1]

            @each(0, num_others)
            def other(k):
                dx = nearest(others[others.place(e, 0, k)] - x, width)
                dy = nearest(others[others.place(e, 1, k)] - y, height)
                out[out.place(e, ap, k)] = dx * dx + dy * dy
