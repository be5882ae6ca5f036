"""Anti-aliased marks, text and scales on pygame surfaces."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from cfenvs.arrays import Float

if TYPE_CHECKING:
    import pygame

Colour = tuple[int, int, int]
Corners = tuple[tuple[float, float], ...]

PAPER: Colour = (255, 255, 255)
AREA: Colour = (247, 248, 250)
RULE: Colour = (226, 229, 234)
FRAME: Colour = (186, 192, 201)
LINK: Colour = (206, 211, 219)
SITE: Colour = (163, 172, 186)
POWER: Colour = (140, 150, 166)
QUIET: Colour = (112, 121, 134)
INK: Colour = (27, 33, 43)
REFERENCE: Colour = (213, 94, 0)
ALARM: Colour = (196, 22, 72)

SMALL, BODY, LARGE = 17, 19, 36

FINE = 4
"""Points per pixel and direction at which the coverage of polygons is sampled."""

_TENTHS = ("440154", "482475", "414487", "355f8d", "2a788e", "21918c", "22a884", "44bf70", "7ad151", "bddf26")
_VIRIDIS = np.array([[*bytes.fromhex(colour)] for colour in _TENTHS], float)
"""Without its last tenth, a yellow too faint on white."""

RAMP: list[Colour] = [
    tuple(round(float(np.interp(x, np.arange(10), _VIRIDIS[:, c]))) for c in range(3)) for x in np.linspace(0, 9, 48)
]
"""A sequential scale that rises evenly in lightness and is safe for the colour-blind."""

CATEGORIES: list[Colour] = [
    (*bytes.fromhex(colour),) for colour in ("0072b2", "e69f00", "009e73", "cc79a7", "d55e00", "56b4e9")
]
"""Colours of things without an order, safe for the colour-blind: Okabe & Ito, "Color Universal Design", 2008."""


def nice_axis(reach: float) -> tuple[float, float]:
    """End and tick spacing of an axis from 0 that holds `reach` with at most six ticks above 0.

    Examples
    --------
    >>> nice_axis(7.3)
    (8.0, 2.0)
    """
    decade = 10.0 ** np.floor(np.log10(max(reach, 1e-3)) - 1)
    step = next(step for step in decade * np.array([1, 2, 5, 10, 20, 50]) if reach <= 6 * step)
    return float(step * max(np.ceil(reach / step), 1)), float(step)


def nice_length(least: float) -> float:
    """The next length of 1, 2 or 5 times a power of ten.

    Examples
    --------
    >>> nice_length(167.0)
    200.0
    """
    decade = 10.0 ** np.floor(np.log10(least))
    return float(next(length for length in decade * np.array([1, 2, 5, 10]) if length >= least))


def place_labels(points: Float, obstacles: Float, box: tuple[int, int, int]) -> Float:
    """Centres of labels: of eight places around each point, the one farthest from all that is near.

    Parameters
    ----------
    points, obstacles : (n, 2) and (m, 2) arrays
        What gets labels and what else they should not hide, in pixels.
    box : (left, top, side)
        The square in which labels should lie.
    """
    left, top, side = box
    angles = np.deg2rad([45, 0, 315, 135, 180, 225, 90, 270])
    around = 21 * np.column_stack([np.cos(angles), -np.sin(angles)])
    places: list[Float] = []
    for k, point in enumerate(points):
        candidates = point + around
        others = np.array([*np.delete(points, k, axis=0), *obstacles, *places]).reshape(-1, 2)
        room = np.linalg.norm(candidates[:, None] - others, axis=2).min(axis=1, initial=40.0)
        inside = ((candidates > [left + 8, top + 8]) & (candidates < [left + side - 8, top + side - 8])).all(axis=1)
        places.append(candidates[np.argmax(room * inside)])
    return np.array(places)


def regular(count: int, turn: float) -> Corners:
    """A regular polygon of the area of a disc of radius 0.9, a corner being `turn` degrees clockwise from the top."""
    angles = np.deg2rad(turn + 360 / count * np.arange(count))
    radius = 0.9 * np.sqrt(np.pi / (count / 2 * np.sin(2 * np.pi / count)))
    return tuple((float(radius * np.sin(angle)), float(-radius * np.cos(angle))) for angle in angles)


def oblong(degrees: int, half_length: float, half_width: float) -> Corners:
    """A rectangle whose long side is turned so far counterclockwise from pointing right."""
    cos, sin = float(np.cos(np.deg2rad(degrees % 180))), float(np.sin(np.deg2rad(degrees % 180)))
    sides = (
        (half_length, half_width),
        (half_length, -half_width),
        (-half_length, -half_width),
        (-half_length, half_width),
    )
    return tuple((cos * a + sin * b, -sin * a + cos * b) for a, b in sides)


def scaled(shape: Corners, size: float) -> Corners:
    """A shape of so many times the size."""
    return tuple((size * x, size * y) for x, y in shape)


SHAPES = [regular(*shape) for shape in ((3, 0), (4, 45), (3, 60), (4, 0), (6, 0), (3, 90), (3, 30))]
"""Marks that tell things apart where colours do not: one more than there are categories, so 42 pairs differ."""


class Pen:
    """Draws on one surface. Marks and words are made once and kept.

    Marks get exact coverage as opacity, which pygame 2.6 has no function for; straight edges lie on whole pixels.
    """

    def __init__(self, pygame: Any, surface: pygame.Surface) -> None:
        self.pygame = pygame
        self.surface = surface
        self._word: Callable[..., pygame.Surface] = lru_cache(2048)(self._make_word)
        self._disc: Callable[..., pygame.Surface] = lru_cache(4096)(self._make_disc)
        self._ring: Callable[..., pygame.Surface] = lru_cache(512)(self._make_ring)
        self._font = lru_cache(None)(lambda size: pygame.font.Font(None, size))
        self._triangle = lru_cache(None)(self._make_triangle)
        self._polygon: Callable[..., pygame.Surface] = lru_cache(4096)(self._make_polygon)
        self._wedge: Callable[..., pygame.Surface] = lru_cache(512)(self._make_wedge)

    def text(
        self, words: str, size: int, colour: Colour, halo: Colour | None = None, **place: tuple[float, float]
    ) -> Any:
        """Write, with one point given as to `Surface.get_rect`, such as `midleft=(x, y)`; return the rectangle."""
        image = self._word(words, size, colour, halo)
        return self.surface.blit(image, image.get_rect(**place))

    def disc(
        self, x: float, y: float, radius: float, fill: Colour, edge: Colour | None = None, width: float = 1.0
    ) -> None:
        """A disc, with an edge inside its radius if that has a colour."""
        image = self._disc(round(2 * radius) / 2, fill, edge, width)
        self.surface.blit(image, image.get_rect(center=(round(x), round(y))))

    def ring(self, x: float, y: float, radius: float, colour: Colour, width: float = 1.0) -> None:
        """The edge of a disc of this radius; what is inside stays."""
        image = self._ring(round(2 * radius) / 2, colour, width)
        self.surface.blit(image, image.get_rect(center=(round(x), round(y))))

    def triangles(self, points: Float, size: int, colour: Colour) -> None:
        """Upright triangles around points (n, 2)."""
        image = self._triangle(size, colour)
        corners = np.rint(points - np.array(image.get_size()) / 2).astype(int).tolist()
        self.surface.blits([(image, corner) for corner in corners], False)

    def polygon(
        self, x: float, y: float, corners: Corners, fill: Colour, edge: Colour | None = None, width: float = 1.0
    ) -> None:
        """A convex polygon with corners around (x, y), with an edge inside if that has a colour."""
        image = self._polygon(corners, fill, edge, width)
        self.surface.blit(image, image.get_rect(center=(round(x), round(y))))

    def wedge(self, x: float, y: float, radius: float, share: float, colour: Colour) -> None:
        """What a clock's hand has passed over after a share of its turn, from 12 o'clock on."""
        image = self._wedge(radius, round(360 * min(max(share, 0.0), 1.0)), colour)
        self.surface.blit(image, image.get_rect(center=(round(x), round(y))))

    def bar(self, left: float, top: float, width: float, height: float, colour: Colour) -> None:
        """A filled rectangle."""
        self.surface.fill(colour, (round(left), round(top), max(round(width), 1), max(round(height), 1)))

    def dashes(self, left: float, right: float, y: float, colour: Colour, width: int = 2, dash: int = 7) -> None:
        """A dashed horizontal line."""
        for x in range(round(left), round(right), dash + 4):
            self.bar(x, y - width // 2, min(dash, right - x), width, colour)

    def span(self, start: float, end: float, y: float) -> int:
        """A length with a tick at either end; returns its start in whole pixels."""
        start, end = round(start), round(end)
        self.bar(start, y - 1, end - start, 2, QUIET)
        for x in (start, end - 2):
            self.bar(x, y - 4, 2, 8, QUIET)
        return start

    def _make_word(self, words: str, size: int, colour: Colour, halo: Colour | None) -> pygame.Surface:
        # Written four times as large: at the final size, hinting distorts and spaces out the letters.
        image = self._font(4 * size).render(words, True, colour)
        width, height = image.get_size()
        rgba = np.frombuffer(self.pygame.image.tobytes(image, "RGBA"), np.uint8)
        letters = _block_mean(rgba[3::4].reshape(height, width) / 255.0, 4)
        if halo is None:
            return self._sprite(letters, letters, colour, colour)
        letters = np.pad(letters, 2)
        around = letters
        for _ in range(2):
            padded = np.pad(around, 1)
            rows, columns = around.shape
            around = np.max([padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)], axis=0)
        return self._sprite(around, letters, colour, halo)

    def _make_disc(self, radius: float, fill: Colour, edge: Colour | None, width: float) -> pygame.Surface:
        outer, inner = _disc_coverage(radius, width)
        return self._sprite(outer, inner, fill, edge or fill)

    def _make_ring(self, radius: float, colour: Colour, width: float) -> pygame.Surface:
        outer, inner = _disc_coverage(radius, width)
        return self._sprite(outer - inner, outer - inner, colour, colour)

    def _make_triangle(self, size: int, colour: Colour) -> pygame.Surface:
        y, x = (np.mgrid[: 8 * size, : 8 * size] + 0.5) / (8 * size)
        inside = (y < 0.94) & (np.abs(x - 0.5) < 0.5 * (y - 0.07) / 0.87)
        coverage = _block_mean(inside.astype(float), 8)
        return self._sprite(coverage, coverage, colour, colour)

    def _make_polygon(self, corners: Corners, fill: Colour, edge: Colour | None, width: float) -> pygame.Surface:
        points = np.array(corners, float)
        x, y = _fine_grid(np.abs(points).max())
        sides = np.roll(points, -1, axis=0) - points
        turn = np.sign(sides[0, 0] * sides[1, 1] - sides[0, 1] * sides[1, 0])
        depth = np.full((x.size, y.size), np.inf)  # to the nearest side
        for (x0, y0), (dx, dy) in zip(points, sides, strict=True):
            depth = np.minimum(depth, turn * (dx * (y - y0) - dy * (x - x0)) / np.hypot(dx, dy))
        outer = _block_mean(np.clip(FINE * depth + 0.5, 0, 1), FINE)
        inner = _block_mean(np.clip(FINE * (depth - width) + 0.5, 0, 1), FINE) if edge else outer
        return self._sprite(outer, inner, fill, edge or fill)

    def _make_wedge(self, radius: float, degrees: int, colour: Colour) -> pygame.Surface:
        x, y = _fine_grid(radius)
        inside = (np.hypot(x, y) <= radius) & (np.rad2deg(np.arctan2(x, -y)) % 360 < degrees)
        coverage = _block_mean(inside.astype(float), FINE)
        return self._sprite(coverage, coverage, colour, colour)

    def _sprite(self, outer: Float, inner: Float, core: Colour, rim: Colour) -> pygame.Surface:
        """A mark that covers a share `outer` of each pixel, (height, width), of which `inner` in the core's colour."""
        share = np.divide(inner, outer, out=np.zeros_like(outer), where=outer > 0)[..., None]
        rgba = np.concatenate([share * np.array(core) + (1 - share) * np.array(rim), 255 * outer[..., None]], axis=2)
        data = np.rint(rgba).astype(np.uint8).tobytes()
        image: pygame.Surface = self.pygame.image.frombytes(data, outer.shape[::-1], "RGBA")
        return image


def _disc_coverage(radius: float, width: float) -> tuple[Float, Float]:
    """Shares of pixels that a disc covers, with its edge of this width and without it."""
    reach = int(np.ceil(radius)) + 1
    offsets = np.arange(-reach, reach + 1)
    distance = np.hypot(offsets[:, None], offsets)
    return np.clip(radius + 0.5 - distance, 0, 1), np.clip(radius + 0.5 - width - distance, 0, 1)


def _fine_grid(reach: float) -> tuple[Float, Float]:
    """Offsets from the middle of a sprite, FINE by FINE to a pixel and as far as `reach`: x in a row, y in a column."""
    pixels = int(np.ceil(reach)) + 1
    offsets = (np.arange(FINE * (2 * pixels + 1)) + 0.5) / FINE - (pixels + 0.5)
    return offsets, offsets[:, None]


def _block_mean(coverage: Float, factor: int) -> Float:
    """Means over squares of factor x factor pixels, those at the end filled up with nothing."""
    height, width = (-(-length // factor) for length in coverage.shape)
    filled = np.zeros((height * factor, width * factor))
    filled[: coverage.shape[0], : coverage.shape[1]] = coverage
    return np.asarray(filled.reshape(height, factor, width, factor).mean(axis=(1, 3)))
